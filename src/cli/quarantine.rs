//! `reelhook quarantine`: notifications that could not be verified or read.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::Entry;
use super::print::{self, remark, say};
use super::remote::Trouble;
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook quarantine list
  reelhook quarantine show 17 > body.json
  reelhook quarantine replay 17           verify it again, with the running server's config
  reelhook quarantine replay 17 --vouch   accept it without a token
  reelhook quarantine replay --reason client_state --since 2h --dry-run
  reelhook quarantine replay --all        verify all again

The command asks the running server. After you changed its config, run `reelhook reload` first.
If no server runs, add --offline.

If the server has tokens, `show` needs one with the scopes read and admin to show the body. It hides
clientState, access tokens, validation tokens and passcodes in the body, unless the token also has
the scope recordings. A body that is not JSON needs that scope too. A server without tokens shows
the body, but never these secrets nor a body that is not JSON. With --offline everything is shown.

Exit codes:
  0  done
  1  no such entry, or nothing to replay; or the server refused, or could not be reached
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
    /// List entries, newest first, one per line: number, when it arrived, channel, reason, size
    #[command(after_help = "Example:\n  reelhook quarantine list --reason client_state --since 2h --limit 20")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most this many
        #[arg(long, default_value_t = 100, value_parser = text::at_least_one)]
        limit: usize,
    },
    /// Show one entry with its body. What your bearer token may not see is hidden
    #[command(after_help = "Example:\n  reelhook quarantine show 17 > body.json")]
    Show {
        /// The entry's number
        id: i64,
    },
    /// Verify an entry again, and deliver it if it is accepted
    #[command(after_help = "\
Examples:
  reelhook quarantine replay 17           after you fixed the config and ran `reelhook reload`
  reelhook quarantine replay 17 --vouch   if you read the entry and know that it comes from Graph
  reelhook quarantine replay --reason client_state --since 2h --dry-run
  reelhook quarantine replay --reason client_state --since 2h
  reelhook quarantine replay --all

If you choose several entries, the command first counts them. Then the server verifies them again.
Entries that arrive after the count are left out, and so are entries whose check is already planned.
If the command is interrupted, run it again.

An entry needs --vouch if a token has to verify it, because tokens are not stored. These entries do
not need it:
  - A plain (not encrypted) notification of a subscription that was created without
    includeResourceData: clientState alone verifies it, for example after you corrected
    clientState in the config.
  - An entry with the reason keys_unavailable, in the first 24 h: its validation token is stored
    that long, and the server verifies the entry by itself when it can fetch the keys. It needs no
    replay. After 24 h it needs --vouch.
Every other entry needs it.
--vouch does not help if the body is not JSON, is nested too deeply, or cannot be decrypted. For a
notification of a subscription it does not help either if the body is not a JSON object, or has a
key that decides about trust (such as clientState) twice.

The running server verifies the entry again within seconds. If you use --offline, the server does
this when it starts.")]
    #[command(group(clap::ArgGroup::new("which").args(["id", "all", "reason", "since"]).required(true).multiple(true)))]
    #[command(group(clap::ArgGroup::new("chosen").args(["id", "reason"])))]
    Replay {
        /// The entry's number
        #[arg(conflicts_with_all = ["all", "reason", "since"])]
        id: Option<i64>,
        /// Verify all entries again
        #[arg(long, conflicts_with = "vouch")]
        all: bool,
        #[command(flatten)]
        filter: Filter,
        /// Only count
        #[arg(long, conflicts_with = "id")]
        dry_run: bool,
        /// Accept the entry without a token, because you know that it comes from Graph. clientState,
        /// certificates and encryption are still checked. Needs a number or --reason
        #[arg(long, requires = "chosen")]
        vouch: bool,
    },
}

/// Which entries.
#[derive(Debug, clap::Args)]
struct Filter {
    /// Only those whose last refusal had this reason, such as client_state
    #[arg(long)]
    reason: Option<String>,
    /// Only those that arrived after this time: an age (2h) or an instant (2026-11-24T08:00:00Z)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// How many entries are verified again, or would be.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    count: usize,
    #[serde(default)]
    is_at_least: bool,
}

/// How often `replay` counts again, if others arrive or are verified meanwhile.
const COUNTS: usize = 5;

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let needs = if matches!(args.action, Action::Replay { .. }) { Needs::Changes } else { Needs::Reading };
    let action = args.action;
    let command = async |server: &Session| {
        match action {
            Action::List { filter, limit } => list(server, &filter, limit).await?,
            Action::Show { id } => show(server, id).await?,
            Action::Replay { id: Some(id), vouch, .. } => replay(server, id, vouch).await?,
            Action::Replay { filter, dry_run, vouch, .. } => {
                return replay_many(server, &filter, dry_run, vouch).await;
            }
        }
        Ok(ExitCode::SUCCESS)
    };
    args.server.ask(needs, command).await
}

async fn list(server: &Session, filter: &Filter, limit: usize) -> anyhow::Result<()> {
    let fields = [("reason", &filter.reason), ("since", &filter.since)];
    let query: Vec<(&str, &str)> = fields.iter().filter_map(|(name, it)| Some((*name, it.as_deref()?))).collect();
    let entries: Vec<Entry> = server.list(&["quarantine"], &query, limit).await?;
    for entry in &entries {
        let (id, received, n_bytes) = (entry.id, text::instant(entry.received_date_time), entry.size_bytes);
        say!("{id}  {received}  {}  {}  {n_bytes} bytes", text::safe(&entry.channel, 64), reasons(entry));
    }
    remark!("{}", text::listed(entries.len(), limit, "entry"));
    Ok(())
}

/// The body: byte for byte into a file or a pipe; on a terminal what could move its cursor is shown as text.
async fn show(server: &Session, id: i64) -> anyhow::Result<()> {
    let entry: Entry =
        server.get(&["quarantine", &id.to_string()], &[]).await.map_err(|trouble| missing(trouble, id))?;
    remark!("{}  {}  {}", text::safe(&entry.channel, 64), reasons(&entry), text::instant(entry.received_date_time));
    match entry.withheld.as_deref() {
        None => {}
        Some("secrets") => remark!(
            "the secrets in the body are hidden: only a token with the scopes read, admin and recordings shows them"
        ),
        Some(_) => remark!(
            "the body is not shown: that needs a token with the scopes read and admin, and recordings too if the body is \
             not JSON"
        ),
    }
    let Some(body) = entry.body else { return Ok(()) };
    let body = STANDARD.decode(body).context("the server answered with a body that is not base64")?;
    if std::io::stdout().is_terminal() {
        say!("{}", text::safe(&String::from_utf8_lossy(&body), usize::MAX));
    } else {
        print::bytes(&body);
    }
    Ok(())
}

async fn replay(server: &Session, id: i64, vouch: bool) -> anyhow::Result<()> {
    let path = ["quarantine", &*id.to_string(), "replay"];
    let asked: Result<Value, Trouble> = server.post(&path, &json!({ "vouch": vouch })).await;
    asked.map_err(|trouble| missing(trouble, id))?;
    let by = if server.is_offline() { "when it starts" } else { "within seconds" };
    say!("the server verifies entry {id} again {by}.");
    say!("if it accepts the entry, the entry leaves `quarantine list`; otherwise it stays there with the reason");
    Ok(())
}

async fn replay_many(server: &Session, filter: &Filter, dry_run: bool, vouch: bool) -> anyhow::Result<ExitCode> {
    let ask = async |(name, value): (&str, Value)| {
        let mut body = json!({ "reason": filter.reason, "since": filter.since, "vouch": vouch, name: value });
        if let Some(body) = body.as_object_mut() {
            body.retain(|_name, value| !value.is_null());
        }
        server.post::<Verified>(&["quarantine", "replay"], &body).await
    };
    let mut counts = 0;
    loop {
        let Verified { count: n, is_at_least } = ask(("dryRun", json!(true))).await?;
        if n == 0 && !is_at_least {
            remark!("no entries: nothing to verify again");
            return Ok(ExitCode::FAILURE);
        }
        if dry_run {
            say!("{} would be verified again", text::counted_at_least(n, is_at_least, "entry"));
            return Ok(ExitCode::SUCCESS);
        }
        counts += 1;
        match ask(("count", json!(n))).await {
            Err(Trouble::Conflict(_)) if counts < COUNTS => {}
            verified => {
                let by = if server.is_offline() { "when it starts" } else { "within seconds" };
                say!("the server verifies {} again {by}", text::counted(verified?.count, "entry"));
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// Why it was last refused, and why it came, where that is another reason.
fn reasons(entry: &Entry) -> String {
    let (first, last) = (text::safe(&entry.first_reason, 64), text::safe(&entry.reason, 64));
    if first == last { last } else { format!("{last} (first {first})") }
}

fn missing(trouble: Trouble, id: i64) -> anyhow::Error {
    match trouble {
        Trouble::Missing(_) => anyhow!("no quarantine entry {id}; `quarantine list` shows the entries"),
        other => other.into(),
    }
}
