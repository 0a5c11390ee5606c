//! Load: the bodies, the progress bar, the report.

use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;

use super::Ended;
use super::args::{ChannelName, LoadArgs};
use super::stage::Stage;
use crate::cli::print::{remark, say};
use crate::cli::progress;
use crate::cli::signals::Signals;
use crate::simulator::client::Post;
use crate::simulator::load::{Bodies, Load, Plan};
use crate::simulator::payload::Seed;
use crate::simulator::{Graph, SimulatorError};

const CONNECTIONS: u16 = 64;
const DURATION: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(200);

/// The load that is asked for.
pub(super) struct Asked {
    pub args: LoadArgs,
    pub channel: Option<ChannelName>,
    pub as_json: bool,
}

/// Runs the load and prints its report; as JSON with this token. The first signal ends it: nothing more is sent, and open requests are awaited. A
/// second one ends the waiting, too.
pub(super) async fn run(
    (stage, signals): (&Stage, &mut Signals),
    Asked { args, channel, as_json }: Asked,
    token: Option<String>,
) -> anyhow::Result<Ended> {
    let plan = Plan {
        connections: args.connections.unwrap_or(CONNECTIONS).into(),
        rate: args.rate,
        count: args.count,
        duration: args.duration.or_else(|| args.count.is_none().then_some(DURATION)),
    };
    let (graph, mut seed) = (&stage.graph, Seed::new(stage.seed));
    let (head, bodies) = match channel {
        _ if args.encrypted => (graph.notifications_with(""), Bodies::encrypted(graph, &mut seed)?),
        Some(ChannelName::Subscriptions) => (graph.notifications_with(""), Bodies::changes(graph, &mut seed)),
        Some(ChannelName::Calls) | None => (calls_head(graph, plan)?, Bodies::recordings(&mut seed)),
    };
    let load = Load::new(graph.client.clone(), &head, bodies, plan)?;
    let bar = bar(plan);
    let (report, was_told) = {
        let mut is_ending = false;
        let running = load.run();
        tokio::pin!(running);
        loop {
            tokio::select! {
                report = &mut running => break (report, is_ending),
                told = signals.next() => {
                    if std::mem::replace(&mut is_ending, true) {
                        bar.finish_and_clear();
                        return Ok(Ended::Told(told));
                    }
                    load.stop();
                }
                () = tokio::time::sleep(TICK) => show(&bar, &load),
            }
        }
    };
    bar.finish_and_clear();
    if as_json {
        let mut json = report.json();
        json["seed"] = stage.seed.into();
        if let Some(token) = token {
            json["token"] = token.into();
        }
        say!("{json}");
    } else {
        say!("{report}\nseed       {}", stage.seed);
    }
    if report.n_answers() + report.tally.n_failed == 0 && !was_told {
        remark!("reelhook: nothing was sent: the time was over before the first notification");
        return Ok(Ended::WithNothing);
    }
    Ok(Ended::all_well(report.n_errors() == 0))
}

/// The head of every POST. Its token stays valid longer than the run.
fn calls_head(graph: &Graph, plan: Plan) -> Result<Post, SimulatorError> {
    let seconds = plan.duration.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or_default());
    let token = graph.identity.calls_token(&graph.app_id, &graph.tenant).shifted("exp", seconds).sign()?;
    Ok(graph.load_head(&token))
}

fn bar(plan: Plan) -> ProgressBar {
    let length = plan.n_total().or(plan.duration.map(|time| time.as_millis().try_into().unwrap_or(u64::MAX)));
    progress::bar(length, "[{bar:40}] {percent:>3} %  {msg}  {elapsed} of about {duration}")
}

fn show(bar: &ProgressBar, load: &Arc<Load>) {
    let n_done = load.n_done();
    bar.set_position(if load.plan().n_total().is_some() { n_done } else { bar.elapsed().as_millis() as u64 });
    bar.set_message(format!("{n_done} done"));
}
