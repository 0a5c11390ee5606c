//! `reelhook sinks`: the state of each sink, pause and resume.

use std::process::ExitCode;

use anyhow::anyhow;
use jiff::Timestamp;
use serde_json::json;

use super::answers::{Sink, sinks};
use super::print::{remark, say};
use super::remote::Trouble;
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook sinks list
  reelhook sinks show crm
  reelhook sinks pause crm     before you maintain its server
  reelhook sinks resume crm
  reelhook sinks attempt crm   attempt now all that waits, for example when its server works again

The command asks the running server. If no server runs, add --offline.

Exit codes:
  0  done
  1  no such sink; or the server refused, or could not be reached
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
    /// List sinks, one per line: name, state, waiting deliveries, dead letters, and when the oldest
    /// waiting delivery was created
    #[command(after_help = "\
Example:
  reelhook sinks list

The states:
  removed           not in the config, but deliveries, dead letters or an operator's pause are left
  pausedByOperator  until `sinks resume`
  failing           the last three attempts failed; or one failed, other than by a refusal (410),
                    with no success in the 3 s before it. Until an attempt succeeds
  pausedByReelhook  for a while, because most of the last attempts failed
  active            none of these")]
    List,
    /// Show one sink: its state, the last failure, the next attempt, and how much waits
    #[command(after_help = "Example:\n  reelhook sinks show crm")]
    Show {
        /// The sink's name
        name: String,
    },
    /// Stop delivering to a sink. Its deliveries wait until you resume it
    #[command(after_help = "\
Example:
  reelhook sinks pause crm

Attempts in progress are finished. The pause lasts until `sinks resume`, also over restarts.
reelhook still accepts notifications and delivers to the other sinks.")]
    Pause {
        /// The sink's name
        name: String,
    },
    /// Attempt the deliveries of a paused sink again
    #[command(after_help = "Example:\n  reelhook sinks resume crm")]
    Resume {
        /// The sink's name
        name: String,
    },
    /// Attempt now all that waits for a sink, instead of when the retry schedule says
    #[command(after_help = "\
Example:
  reelhook sinks attempt crm

If reelhook paused the sink because its destination failed, this ends the pause. If an operator
paused it, the pause stays, and nothing is attempted until `sinks resume`. These attempts count too:
after the last one of the retry schedule, a delivery becomes a dead letter. The deliveries of an
operation keep their order.

Exit codes:
  0  done
  1  nothing waits, or no such sink; or the server refused, or could not be reached
  2  wrong usage or config
  3  the server took the request, but did not answer within 30 s. Perhaps only some
     deliveries were set to be attempted now: repeat the command")]
    Attempt {
        /// The sink's name
        name: String,
    },
}

/// The answer to `attempt`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct AllDue {
    open_count: usize,
    is_paused: bool,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let is_change = matches!(args.action, Action::Pause { .. } | Action::Resume { .. } | Action::Attempt { .. });
    let needs = if is_change { Needs::Changes } else { Needs::Reading };
    let action = args.action;
    let command = async |server: &Session| {
        match action {
            Action::List => list(server).await?,
            Action::Show { name } => show(server, &name).await?,
            Action::Pause { name } => pause(server, &name).await?,
            Action::Resume { name } => resume(server, &name).await?,
            Action::Attempt { name } => return attempt(server, &name).await,
        }
        Ok(ExitCode::SUCCESS)
    };
    args.server.ask(needs, command).await
}

async fn list(server: &Session) -> anyhow::Result<()> {
    let found = sinks(server).await?;
    for sink in &found {
        let (name, state) = (text::safe(&sink.name, 64), state(sink));
        let (waiting, dead) = (waiting(sink), text::counted(sink.dead_count, "dead letter"));
        let oldest = sink
            .oldest_date_time
            .map(|at| format!("  the oldest created at {}", text::instant(at)))
            .unwrap_or_default();
        say!("{name}  {state}  {waiting}  {dead}{oldest}");
    }
    remark!("{}", text::counted(found.len(), "sink"));
    Ok(())
}

async fn show(server: &Session, name: &str) -> anyhow::Result<()> {
    let found = sinks(server).await?.into_iter().find(|sink| sink.name == name);
    let sink = found.ok_or_else(|| missing(name))?;
    let since = sink.state_since_date_time.map(|at| format!(" since {}", text::instant(at))).unwrap_or_default();
    say!("sink {}: {}{since}", text::safe(&sink.name, 64), state(&sink));
    let at = |label: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            say!("{label} {}", text::instant(at));
        }
    };
    // Of a removed sink, what waits comes first.
    let is_removed = sink.state == "removed";
    let last_failure = || {
        if let Some(failure) = &sink.last_failure {
            say!("last failed attempt {}: {}", text::instant(failure.date_time), text::safe(&failure.reason, 1000));
        }
    };
    if !is_removed {
        last_failure();
    }
    at("last delivered", sink.last_delivered_date_time);
    at("no attempt before", sink.paused_until_date_time);
    at("next attempt", sink.next_attempt_date_time);
    match sink.oldest_date_time {
        Some(at) => say!("{}, the oldest created at {}", waiting(&sink), text::instant(at)),
        None => say!("{}", waiting(&sink)),
    }
    say!("{}", text::counted(sink.dead_count, "dead letter"));
    if is_removed {
        last_failure();
    }
    if let Some(hint) = &sink.hint {
        say!("{}", text::safe(hint, 1000));
    }
    if sink.state == "pausedByOperator" {
        say!("its deliveries wait until `reelhook sinks resume {}`", text::safe(&sink.name, 64));
    }
    Ok(())
}

async fn pause(server: &Session, name: &str) -> anyhow::Result<()> {
    change(server, name, "pause").await?;
    let name = text::safe(name, 64);
    say!("sink {name} is paused: its deliveries wait until `reelhook sinks resume {name}`");
    Ok(())
}

async fn resume(server: &Session, name: &str) -> anyhow::Result<()> {
    let sink = change(server, name, "resume").await?;
    let is_removed = sink.is_none_or(|sink| sink.state == "removed");
    let name = text::safe(name, 64);
    match is_removed {
        true => say!("sink {name} is not paused any more"),
        false => say!("sink {name} is active: its deliveries are attempted {}", server.when()),
    }
    Ok(())
}

async fn attempt(server: &Session, name: &str) -> anyhow::Result<ExitCode> {
    let due: AllDue = match server.post(&["sinks", name, "attempt"], &json!({})).await {
        Err(Trouble::Missing(_)) => return Err(missing(name)),
        due => due?,
    };
    let name = text::safe(name, 64);
    if due.open_count == 0 {
        remark!("no delivery waits for sink {name}");
        return Ok(ExitCode::FAILURE);
    }
    let are = if due.open_count == 1 { "is" } else { "are" };
    let waiting = text::counted(due.open_count, "delivery");
    if due.is_paused {
        say!(
            "{waiting} of {name} {are} due, but an operator paused the sink: nothing is attempted until `reelhook sinks resume {name}`"
        );
    } else {
        say!("{waiting} of {name} {are} attempted {}", server.when());
    }
    Ok(ExitCode::SUCCESS)
}

/// The answer has the sink if the token may see it, and something is left of it.
async fn change(server: &Session, name: &str, action: &str) -> anyhow::Result<Option<Sink>> {
    match server.post::<Option<Sink>>(&["sinks", name, action], &json!({})).await {
        Err(Trouble::Missing(_)) => Err(missing(name)),
        changed => Ok(changed?),
    }
}

/// The state; of a removed sink also whether an operator's pause waits.
fn state(sink: &Sink) -> String {
    let paused = if sink.state == "removed" && sink.is_paused { " (paused by an operator)" } else { "" };
    format!("{}{paused}", sink.state)
}

fn waiting(sink: &Sink) -> String {
    format!("{} waiting", text::counted(sink.open_count, "delivery"))
}

fn missing(name: &str) -> anyhow::Error {
    anyhow!("no sink {}; `sinks list` shows the sinks", text::safe(name, 64))
}
