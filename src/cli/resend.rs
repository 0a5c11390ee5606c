//! `reelhook deliveries resend`: successful deliveries are made again.

use std::process::ExitCode;

use anyhow::anyhow;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::print::{remark, say};
use super::remote::Trouble;
use super::session::Session;
use super::text;

/// What to send again.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").args(["id", "since"]).required(true)))]
#[command(group(clap::ArgGroup::new("had").args(["id", "sink"])))]
pub struct Which {
    /// The id of a delivery that succeeded
    #[arg(conflicts_with_all = ["sink", "route", "kind"])]
    id: Option<Uuid>,
    /// All deliveries of events that reelhook received after this time: an age (2h) or an instant (2026-11-24T08:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// With --since: only what was delivered to this sink
    #[arg(long)]
    sink: Option<String>,
    /// With --since: only what was delivered because of this route
    #[arg(long)]
    route: Option<String>,
    /// With --since: only deliveries of events of this type, such as recordOperation.completed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Send to this sink instead. With --since it needs --sink too
    #[arg(long, value_name = "SINK", requires = "had")]
    to: Option<String>,
    /// Only count
    #[arg(long, requires = "since")]
    dry_run: bool,
}

/// The answer to one resend.
#[derive(Deserialize)]
struct Resent {
    id: Uuid,
}

/// What a round did.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    seen_count: usize,
    matched_count: usize,
    resent_count: usize,
    /// What was delivered later was left out.
    until: Option<Timestamp>,
    next: Option<Value>,
}

/// Runs the command.
pub async fn run(server: &Session, which: Which) -> anyhow::Result<ExitCode> {
    if let Some(id) = which.id {
        return one(server, id, which.to.as_deref()).await;
    }
    // Counted first, so that nobody sends more than they meant.
    let counted = rounds(server, &which, None).await?;
    let n = text::counted(counted.matched_count, "delivery");
    if counted.matched_count == 0 {
        remark!("nothing to resend: {} looked at, none matches", text::counted(counted.seen_count, "delivery"));
        return Ok(ExitCode::FAILURE);
    }
    if which.dry_run {
        say!("{n} would be made again");
        return Ok(ExitCode::SUCCESS);
    }
    remark!("making {n} again");
    let done = rounds(server, &which, counted.until).await?;
    say!("{} made again: the new ones are due {}", text::counted(done.resent_count, "delivery"), server.when());
    Ok(ExitCode::SUCCESS)
}

async fn one(server: &Session, id: Uuid, to: Option<&str>) -> anyhow::Result<ExitCode> {
    let resent: Resent = match server.post(&["deliveries", &id.to_string(), "resend"], &json!({ "to": to })).await {
        Err(Trouble::Missing(_)) => {
            return Err(anyhow!("no delivery {id}; `explain` shows the deliveries of an operation"));
        }
        resent => resent?,
    };
    say!("the event of delivery {id} is sent again {}, as delivery {}", server.when(), resent.id);
    Ok(ExitCode::SUCCESS)
}

/// Counts all rounds, or sends again what was counted: what was delivered `until` then.
async fn rounds(server: &Session, which: &Which, until: Option<Timestamp>) -> anyhow::Result<Round> {
    let dry_run = until.is_none();
    let mut done = Round { seen_count: 0, matched_count: 0, resent_count: 0, until, next: None };
    loop {
        let Which { since, sink, route, kind, to, .. } = which;
        let mut body = json!({
            "since": since, "sink": sink, "route": route, "type": kind, "to": to, "until": until, "dryRun": dry_run,
            "from": done.next
        });
        if let Some(body) = body.as_object_mut() {
            body.retain(|_name, value| !value.is_null());
        }
        let round: Round = server.post(&["deliveries", "resend"], &body).await?;
        done.seen_count += round.seen_count;
        done.matched_count += round.matched_count;
        done.resent_count += round.resent_count;
        (done.until, done.next) = (round.until, round.next);
        if done.next.is_none() {
            return Ok(done);
        }
        let seen = text::counted(done.seen_count, "delivery");
        match dry_run {
            true => remark!("{seen} looked at so far, {} to make again", done.matched_count),
            false => remark!("{seen} looked at so far, {} made again", done.resent_count),
        }
    }
}
