//! `reelhook deliveries`: the delivery log, showing one, attempting one now, and moving or dropping those whose sink is not in the
//! config.

use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::json;
use uuid::Uuid;

use super::answers::{Delivery, DetailedDelivery, Sink, sinks};
use super::print::{remark, say};
use super::remote::Trouble;
use super::resend;
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;
use crate::domain::RouteName;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook deliveries list --sink old-crm
  reelhook deliveries list --state any --text order-17
  reelhook deliveries show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deliveries attempt 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deliveries resend --sink crm --since 2h --dry-run
  reelhook deliveries move --from old-crm --to crm
  reelhook deliveries drop --sink old-crm

The command asks the running server. If no server runs, add --offline.

Exit codes:
  0  done (an empty list too)
  1  no such delivery; nothing to move or drop; the sink is still in the config; some
     deliveries are left because an attempt is in progress (run the command again);
     or the server refused, or could not be reached
  2  wrong usage or config
  3  the server took the request, but did not answer within 30 s")]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List deliveries that have not ended (--state any lists all), those of the newest event first, one per line: id,
    /// creation time, sink, route, attempts, and when it is due or how it ended
    #[command(after_help = "\
Examples:
  reelhook deliveries list --sink old-crm --limit 20
  reelhook deliveries list --state any --text order-17
  reelhook deliveries list --state delivered --type recordOperation.completed --since 2h --until 1h

The states:
  unsettled  not ended: waiting or underWay. The default. Other commands call both of them waiting
  waiting    for its next attempt
  underWay   taken for an attempt: it is in progress or about to begin. While reelhook pauses the
             sink, no attempt begins
  delivered  an attempt succeeded
  dead       a dead letter
  any        all of them")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = text::at_least_one)]
        limit: usize,
    },
    /// Show one delivery in any state: every attempt with what was sent and answered, and the event
    #[command(after_help = "\
Example:
  reelhook deliveries show 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f

For sinks that speak HTTP, each attempt has the head of the request, in lines that begin with >.
It also has the answer, in lines that begin with <: the status, the headers and the first 4 KiB of
the body. Each secret is ***.")]
    Show {
        /// The delivery's id: `reelhook explain` shows those of an operation
        id: Uuid,
    },
    /// Attempt one waiting delivery now, instead of when the retry schedule says
    #[command(after_help = "\
Example:
  reelhook deliveries attempt 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f

If the delivery waits for an earlier one of the same operation, the earlier one is attempted first,
and this one after it. `reelhook sinks attempt NAME` attempts all that waits for a sink.")]
    Attempt {
        /// The delivery's id
        id: Uuid,
    },
    /// Make successful deliveries again, because their receiver lost the events
    #[command(after_help = "\
Examples:
  reelhook deliveries resend 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f
  reelhook deliveries resend --sink crm --since 2h --dry-run
  reelhook deliveries resend --sink crm --since 2026-11-24T08:00:00Z
  reelhook deliveries resend --sink crm --to archive --since 7d --type recordOperation.completed

Each delivery is made again as a new delivery, which has its own id: an event that went to two sinks
is sent to both. The attribute `resendof` of the event has the id of the first delivery.

With --since, the command first counts the deliveries, and then makes them again in groups. If it is
interrupted, some are made: running it again makes those once more. --since is the time at which
reelhook received the notification: what it received earlier and delivered later is not included.
Deliveries that are resends themselves are left out: to send one again, give its id. Dead letters
are not included either: replay them.

Exit codes:
  0  done
  1  nothing matches, or the delivery has not succeeded;
     or the server refused, or could not be reached
  2  wrong usage or config
  3  the server took the request, but did not answer within 30 s. Perhaps some
     deliveries were already made again, and repeating the command makes them once more")]
    Resend(resend::Which),
    /// Send the waiting deliveries of a sink that is no longer in the config to another sink
    #[command(after_help = "\
Example:
  reelhook deliveries move --from old-crm --to crm

The command waits up to 5 s for attempts that are under way: a delivery goes to the other sink when
its attempt has failed. If some are left after that, the command says how many, and ends with exit
code 1: repeat it.")]
    Move {
        /// The removed sink
        #[arg(long, value_name = "SINK")]
        from: String,
        /// A sink of the config
        #[arg(long, value_name = "SINK")]
        to: String,
    },
    /// Give up the waiting deliveries of a sink that is no longer in the config: they become dead letters, which are kept
    #[command(after_help = "\
Example:
  reelhook deliveries drop --sink old-crm

The command waits up to 5 s for attempts that are under way. If some are left after that, it says
how many, and ends with exit code 1: repeat it.")]
    Drop {
        /// The removed sink
        #[arg(long)]
        sink: String,
    },
}

/// Which deliveries.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only those to this sink
    #[arg(long)]
    sink: Option<String>,
    /// Only those in this state. The states are below
    #[arg(long, value_name = "STATE", default_value = "unsettled", value_parser = ["unsettled", "waiting", "underWay", "delivered", "dead", "any"])]
    state: String,
    /// Only those of events of this type, such as recordOperation.completed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those of events that arrived after this time: an age (2h) or an instant (2026-11-24T08:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those of events that arrived before this time
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only those with this id (of the delivery, the event, the operation or the call), or with this text in the client
    /// context or in a failure's reason
    #[arg(long)]
    text: Option<String>,
}

impl Filter {
    fn query(&self) -> Vec<(&str, &str)> {
        let Self { sink, state, kind, since, until, text } = self;
        let fields = [("sink", sink), ("type", kind), ("since", since), ("until", until), ("text", text)];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        given.chain([("state", state.as_str())]).collect()
    }
}

/// The answer to `move` and `drop`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redirected {
    count: usize,
    #[serde(default)]
    under_way_count: usize,
}

/// The answer to `attempt`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneDue {
    first_id: Uuid,
    is_paused: bool,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let is_read = matches!(args.action, Action::List { .. } | Action::Show { .. });
    let needs = if is_read { Needs::Reading } else { Needs::Changes };
    let action = args.action;
    let command = async |server: &Session| match action {
        Action::List { filter, limit } => list(server, &filter, limit).await,
        Action::Show { id } => show(server, id).await,
        Action::Attempt { id } => attempt(server, id).await,
        Action::Resend(which) => resend::run(server, which).await,
        Action::Move { from, to } => {
            let moved: Redirected = server.post(&["sinks", &from, "move"], &json!({ "to": to })).await?;
            let (go, to) = (if moved.count == 1 { "goes" } else { "go" }, text::safe(&to, 64));
            Ok(told(&moved, &from, &format!("{go} to {to} {}", server.when())))
        }
        Action::Drop { sink } => {
            let dropped: Redirected = server.post(&["sinks", &sink, "drop"], &json!({})).await?;
            let are = if dropped.count == 1 { "is a dead letter now" } else { "are dead letters now" };
            Ok(told(&dropped, &sink, are))
        }
    };
    args.server.ask(needs, command).await
}

async fn list(server: &Session, filter: &Filter, limit: usize) -> anyhow::Result<ExitCode> {
    let sinks = sinks(server).await?;
    let found: Vec<Delivery> = server.list(&["deliveries"], &filter.query(), limit).await?;
    for it in &found {
        let of = sinks.iter().find(|sink| sink.name == it.sink && sink.state != "removed");
        let is_gone = matches!(it.state.as_str(), "waiting" | "underWay") && of.is_none();
        let gone = if is_gone { "  (the config has no such sink)" } else { "" };
        let (created, attempts) = (text::instant(it.created_date_time), text::counted(it.attempt_count, "attempt"));
        let (id, sink) = (text::safe(&it.id, 64), text::safe(&it.sink, 64));
        let route = RouteName::new(&it.route);
        let route = text::safe(route.told(), 64);
        say!("{id}  {created}  {sink}  {route}  {attempts}  {}{gone}", standing(it, of));
    }
    remark!("{}", text::listed(found.len(), limit, "delivery"));
    Ok(ExitCode::SUCCESS)
}

/// When a delivery is due, or how it ended.
fn standing(delivery: &Delivery, sink: Option<&Sink>) -> String {
    let is_paused = sink.is_some_and(|sink| sink.is_paused);
    let paused_until = sink.and_then(|sink| sink.paused_until_date_time);
    let settled = delivery.settled_date_time.map(text::instant).unwrap_or_default();
    match (delivery.state.as_str(), delivery.due_date_time) {
        ("underWay", _) => match paused_until {
            Some(until) => format!("no attempt begins before {}: reelhook pauses the sink", text::instant(until)),
            None => "an attempt is in progress or about to begin".to_owned(),
        },
        ("waiting", Some(_)) if is_paused && !delivery.is_blocked => "waits until the sink is resumed".to_owned(),
        ("waiting", Some(at)) if !delivery.is_blocked => match paused_until.filter(|until| at < *until) {
            Some(until) => format!("waits until {}: reelhook pauses the sink", text::instant(until)),
            None => format!("due {}", text::instant(at)),
        },
        ("delivered", _) => format!("delivered {settled}"),
        ("dead", _) => {
            let reason = text::safe(delivery.last_failure.as_deref().unwrap_or_default(), 120);
            format!("dead letter since {settled}: {reason}")
        }
        _ => "waits for an earlier one".to_owned(),
    }
}

async fn show(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    let found: DetailedDelivery = match server.get(&["deliveries", &id.to_string()], &[]).await {
        Err(Trouble::Missing(_)) => return Err(no_delivery(id)),
        found => found?,
    };
    found.tell();
    Ok(ExitCode::SUCCESS)
}

fn no_delivery(id: Uuid) -> anyhow::Error {
    anyhow!(
        "no delivery {id}; `deliveries list` shows the waiting deliveries, `reelhook explain` those of an operation"
    )
}

async fn attempt(server: &Session, id: Uuid) -> anyhow::Result<ExitCode> {
    let due: OneDue = match server.post(&["deliveries", &id.to_string(), "attempt"], &json!({})).await {
        Err(Trouble::Missing(_)) => return Err(anyhow!("no delivery {id}; `deliveries list` shows the waiting ones")),
        due => due?,
    };
    let of = match due.first_id == id {
        true => format!("delivery {id}"),
        false => format!("delivery {id} waits for an earlier one of its operation: {}", due.first_id),
    };
    if due.is_paused {
        say!("{of} is due, but an operator paused its sink: nothing is attempted until `reelhook sinks resume`");
    } else {
        say!("{of} is attempted {}", server.when());
    }
    Ok(ExitCode::SUCCESS)
}

fn told(done: &Redirected, sink: &str, fate: &str) -> ExitCode {
    let (n, n_under_way, sink) = (done.count, done.under_way_count, text::safe(sink, 64));
    if n == 0 && n_under_way == 0 {
        remark!("no delivery waits for sink {sink}; `deliveries list` shows the waiting ones");
        return ExitCode::FAILURE;
    }
    if n > 0 {
        say!("{} of {sink} {fate}", text::counted(n, "delivery"));
    }
    if n_under_way == 0 {
        return ExitCode::SUCCESS;
    }
    let are = if n_under_way == 1 { "is" } else { "are" };
    remark!(
        "{} of {sink} {are} left: an attempt is under way. Repeat the command when it has ended",
        text::counted(n_under_way, "delivery")
    );
    ExitCode::FAILURE
}
