//! `reelhook tail`: prints the events of a running server as they arrive, one per line.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::event_stream::Events;
use super::print::say;
use super::server::RemoteArgs;
use super::signals::Signals;
use super::text;
use crate::domain::{EventKind, Tone};

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook tail                                      everything from now on, until Ctrl-C
  reelhook tail --client-context support-7           only those with this clientContext
  reelhook tail --status failed --status completed   only those with one of these statuses
  reelhook tail --from-start --json | jq .data       from the oldest stored event, as CloudEvents
  REELHOOK_TOKEN=rhk_.. reelhook tail --url https://ops.example

One line per event: time, type, clientContext, operation. If the connection breaks after the
start, tail connects again and prints the events that it missed. The token is read from the
environment or a file, never from the command line.

Exit codes:
  0  ended by Ctrl-C, SIGTERM or SIGHUP
  1  the server refused, or could not be reached at the start
  2  wrong usage or config")]
pub struct Args {
    /// Only events with this clientContext (can be repeated)
    #[arg(long, value_name = "TEXT")]
    client_context: Vec<String>,
    /// Only events with this status, such as completed (can be repeated)
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Only events of this type, such as recordOperation.completed (can be repeated)
    #[arg(long = "type", value_name = "TYPE")]
    kind: Vec<String>,
    /// Begin with the oldest stored event
    #[arg(long)]
    from_start: bool,
    /// Print each event as CloudEvents JSON
    #[arg(long)]
    json: bool,
    // Last, because its heading is that of all that follows.
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Prints events until a signal ends it.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    tokio::select! {
        ended = follow(&args) => ended,
        _told = signals.next() => Ok(ExitCode::SUCCESS),
    }
}

async fn follow(args: &Args) -> anyhow::Result<ExitCode> {
    let remote = match args.remote.server()? {
        Ok(remote) => remote,
        Err(code) => return Ok(code),
    };
    let mut events = Events::open(&remote, &args.parameters()).await?;
    let in_colour = in_colour();
    loop {
        let event = events.next().await?;
        if args.json {
            say!("{event}");
        } else {
            let event: Value =
                serde_json::from_str(&event).context("found an event that is no JSON, expected reelhook's events")?;
            say!("{}", line(&event, in_colour));
        }
    }
}

impl Args {
    fn parameters(&self) -> Vec<(&str, &str)> {
        let from_start = self.from_start.then_some(("after", "oldest"));
        let contexts = self.client_context.iter().map(|it| ("clientContext", it.as_str()));
        let statuses = self.status.iter().map(|it| ("status", it.as_str()));
        let kinds = self.kind.iter().map(|it| ("type", it.as_str()));
        contexts.chain(statuses).chain(kinds).chain(from_start).collect()
    }
}

/// One event for a person.
fn line(event: &Value, in_colour: bool) -> String {
    let attribute = |name: &str| event[name].as_str().unwrap_or("-");
    let time = attribute("time");
    let time = time.parse::<Timestamp>().map_or_else(|_| text::safe(time, 40), text::instant);
    let kind = attribute("type");
    // A client context that is not allowed in an attribute is only in the data.
    let context = event["clientcontext"].as_str().or_else(|| event["data"]["clientContext"].as_str());
    let operation = match event["data"]["id"].as_str() {
        Some(id) if matches!(EventKind::parse(kind), EventKind::Operation(_)) => id,
        _ => attribute("subject"),
    };
    let (colour, dim) = (colour(kind), DIM);
    let paint = |colour: &str, text: String| match in_colour && !colour.is_empty() {
        true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        false => text,
    };
    format!(
        "{}  {}  {}  {}",
        paint(dim, time),
        paint(colour, format!("{:<26}", text::safe(kind, 64))),
        text::safe(context.unwrap_or("-"), 256),
        paint(dim, text::safe(operation, 100))
    )
}

fn colour(kind: &str) -> &'static str {
    let EventKind::Operation(event) = EventKind::parse(kind) else { return "" };
    match event.tone() {
        Tone::Good => GREEN,
        Tone::Bad => RED,
        Tone::Warn => YELLOW,
        Tone::Running | Tone::Quiet => "",
    }
}

/// Colours only for a terminal that supports them and a user who wants them (<https://no-color.org>).
fn in_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|it| it != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_what_for_whom_and_of_which_operation() {
        let event = serde_json::json!({
            "time": "2026-11-24T08:00:00.25Z", "type": "recordOperation.failed", "clientcontext": "a\u{1b}[2Jb",
            "subject": "/app/calls/1/operations/2", "data": {"id": "op-2"}
        });
        let plain = line(&event, false);
        assert_eq!(plain, "2026-11-24 08:00:00 UTC  recordOperation.failed      a\\u{1b}[2Jb  op-2");
        let coloured = line(&event, true);
        assert!(coloured.contains("\u{1b}[31mrecordOperation.failed"), "{coloured:?}");
        assert_eq!(coloured.matches('\u{1b}').count(), 6, "{coloured:?}");
    }

    #[test]
    fn what_an_event_lacks_is_shown_as_lacking() {
        assert_eq!(line(&serde_json::json!({"time": "soon\n", "type": "call.updated"}), false).matches('-').count(), 2);
    }
}
