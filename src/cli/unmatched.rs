//! `reelhook unmatched`: events that matched no route. They are kept, and can be routed again after the routes were
//! fixed.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Context;
use uuid::Uuid;

use super::print::{remark, say};
use super::wish::{self, Became};
use super::{ConfigArg, load, text};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::EventId;
use crate::routing::Routes;
use crate::store::sqlite::SqliteStore;
use crate::store::wishes::{Asked, Routed, Wish};
use crate::store::{EventView, Newest, Store};

/// How many events are held in memory at a time.
const PAGE: usize = 500;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook unmatched list
  reelhook unmatched show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook unmatched replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook unmatched replay --all   route all of them by the current config file

The server may keep running. It delivers the events within seconds if it has the
sinks that they were routed to.

Exit codes: 0 done (or will be done when the server starts), 1 no event matched a route,
2 wrong usage or config, 3 the running server did not do `replay` within 30 s: it will do it
when it responds again")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List unmatched events, newest first, one per line: id, time, type, clientContext, resource
    #[command(after_help = "Example:\n  reelhook unmatched list --limit 20")]
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one event
    #[command(after_help = "Example:\n  reelhook unmatched show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f")]
    Show {
        /// The event's id
        id: Uuid,
    },
    /// Route unmatched events again, by the current config file
    #[command(after_help = "\
Examples:
  reelhook unmatched replay 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook unmatched replay --all")]
    Replay {
        /// The event's id
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<Uuid>,
        /// Replay all of them
        #[arg(long)]
        all: bool,
    },
}

/// Runs the command. The server may keep running.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match load::config(&args.config.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let store = load::store(&config)?;
    match args.action {
        Action::List { limit } => {
            let events = store.unmatched(Newest::up_to(limit)).await?;
            for event in &events {
                say!("{}", text::event(event));
            }
            remark!("{}", text::listed(events.len(), limit, "unmatched event"));
            Ok(ExitCode::SUCCESS)
        }
        Action::Show { id } => {
            let event = event(&store, EventId(id)).await?;
            let facts = format!("{}: {}", event.envelope.channel.as_str(), text::facts(&event));
            say!("{}\n{facts}\n{}", text::event(&event), text::safe(&event.data, 65_536));
            Ok(ExitCode::SUCCESS)
        }
        Action::Replay { id, .. } => replay(&store, &config, id.map(EventId)).await,
    }
}

/// The result of a replay.
#[derive(Default)]
struct Done {
    n_events: usize,
    n_routed: usize,
    n_deliveries: usize,
    /// Set if the server has not done it yet.
    waits: Option<Became>,
}

async fn replay(store: &SqliteStore, config: &Config, id: Option<EventId>) -> anyhow::Result<ExitCode> {
    let routes = Routes::new(&config.routes)?;
    let mut done = Done::default();
    match id {
        Some(id) => done.route(store, &routes, &[event(store, id).await?]).await?,
        None => done.route_all(store, &routes).await?,
    }
    let (of, due) = (text::counted(done.n_events, "event"), text::counted(done.n_deliveries, "delivery"));
    let when = done.waits.map(|became| format!(" {}", became.when())).unwrap_or_default();
    say!("{} of {of} matched now: {due} due{when}", done.n_routed);
    Ok(match done.waits {
        Some(became) => became.code(),
        None if done.n_routed == 0 => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

impl Done {
    /// Page by page, the oldest first, so that the events of one operation keep their order. Events that arrive
    /// meanwhile are skipped, or this might never end.
    async fn route_all(&mut self, store: &SqliteStore, routes: &Routes) -> anyhow::Result<()> {
        let (until, mut after) = (Clock::system().now(), None);
        loop {
            let page = store.unmatched_after(after, PAGE).await?;
            let last = page.last().filter(|_| page.len() == PAGE).map(|last| last.id);
            let page: Vec<EventView> = page.into_iter().filter(|event| event.received_at <= until).collect();
            self.route(store, routes, &page).await?;
            match last {
                Some(last) if !page.is_empty() => after = Some(last),
                _ => return Ok(()),
            }
            remark!("{} so far, {} matched", text::counted(self.n_events, "event"), self.n_routed);
        }
    }

    /// Routes events by the config file as it is now, whichever config the server started with.
    async fn route(&mut self, store: &SqliteStore, routes: &Routes, events: &[EventView]) -> anyhow::Result<()> {
        self.n_events += events.len();
        let matched = events.iter().filter_map(|event| {
            let mut deliveries = routes.matches(&event.routing_key());
            let mut sinks = BTreeSet::new();
            deliveries.retain(|delivery| sinks.insert(delivery.sink.clone()));
            let deliveries: Vec<Asked> = deliveries.iter().map(Asked::from).collect();
            (!deliveries.is_empty()).then_some(Routed { event: event.id.0, deliveries })
        });
        let matched: Vec<Routed> = matched.collect();
        if matched.is_empty() {
            return Ok(());
        }
        let planned = (matched.len(), matched.iter().map(|it| it.deliveries.len()).sum::<usize>());
        let wish = Wish::Route { events: matched };
        // If the server did not answer for one page, this does not wait again at each of the others.
        let became = match self.waits {
            Some(Became::Waits) => store.wish(&wish).map(|_| Became::Waits)?,
            _ => wish::ask(store, &wish).await?,
        };
        let (n_routed, n_deliveries) = match became {
            Became::Granted(it) => (usize::try_from(it.n)?, usize::try_from(it.n_deliveries)?),
            waits => {
                self.waits = Some(waits);
                planned
            }
        };
        self.n_routed += n_routed;
        self.n_deliveries += n_deliveries;
        Ok(())
    }
}

async fn event(store: &dyn Store, id: EventId) -> anyhow::Result<EventView> {
    let event = store.event(id).await?;
    event.with_context(|| format!("no event {}; `unmatched list` shows the unmatched ones", id.0))
}
