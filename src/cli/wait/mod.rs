//! `reelhook wait`: waits until an operation has ended or is lost. Its client context, its id or an event's id names it.
//!
//! **Invariants**
//! 1. The server is not polled: its stream of events reports that the operation exists, and it holds back one answer
//!    until the operation has ended.
//! 2. The stream is opened before the operation is searched, so an operation that appears in between is not missed.
//! 3. An operation that only weak proof established (`clientState`, or an operator's word) is the answer only if no
//!    other operation has the client context, and then its proof is reported: somebody who knows the `clientState`
//!    cannot answer for another's operation.

mod search;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::search::{Found, News, found, is_strong, place, proof};
use super::print::{remark, say};
use super::remote::{Remote, Trouble};
use super::server::RemoteArgs;
use super::signals::Signals;
use super::text;
use crate::domain::{CallEnd, ExpectationState, Proof, Status, result_in_words};

const EXIT_TIMED_OUT: u8 = 3;
const EXIT_LOST: u8 = 4;
/// No answer from the server. Not 1: a script must not take that for a failed operation.
const EXIT_NO_ANSWER: u8 = 5;
/// The longest that one answer is held back. A connection that broke silently is noticed by then.
const HOLD: Duration = Duration::from_secs(30);
/// How long to wait before asking again a server that could not be reached.
const AGAIN: Duration = Duration::from_secs(1);
/// How long an answer may still take after the end of the timeout, because the server held it back until then.
const GRACE: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook wait support-7                           at most 30 s
  reelhook wait support-7 --timeout 10m && ./upload.sh   runs upload.sh only after a completion
  reelhook wait support-7 --json | jq -r .recordingLocation
  reelhook wait support-7 --timeout 1h --past-lost  keep waiting after it is lost
  reelhook wait 0fe0623f-d628-42ed-b4bd-8ac290072cc5   the operation with this id

If there is no such operation yet, wait also waits for it to appear. If several operations have
the clientContext, it takes the newest one that your bot announced or that a token verified. If
there is none of these, it takes one that only clientState verified, and says so.
The token is read from the environment or a file, never from the command line.

Exit codes:
  0    the operation completed
  1    it failed
  2    wrong usage or config
  3    it did not end within --timeout
  4    it is lost: its call ended, and no notification of the operation's end arrived within
       expectations.lost_after after that
  5    the server refused, did not answer, or could not be reached
  130  ended by Ctrl-C
  143  ended by SIGTERM
  129  ended by SIGHUP")]
pub struct Args {
    /// The operation's clientContext, its id (upper or lower case, with or without dashes), or the id of one of its events
    subject: String,
    /// The longest time to wait ("30s", "10m")
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    /// Keep waiting after the operation is lost: it may still complete or fail
    #[arg(long)]
    past_lost: bool,
    /// Print the operation as JSON instead of a sentence
    #[arg(long)]
    json: bool,
    // Last, because its heading is that of all that follows.
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Waits, and reports the end.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let remote = match args.remote.server() {
        Ok(Ok(remote)) => remote,
        Ok(Err(code)) => return Ok(code),
        Err(error) => return Ok(unanswered(&error)),
    };
    tokio::select! {
        waited = waited(&remote, &args) => Ok(waited.unwrap_or_else(|error| unanswered(&error))),
        told = signals.next() => {
            remark!("ended by {} before {} ended", told.name(), text::safe(&args.subject, 256));
            Ok(told.code())
        }
    }
}

/// Reports why there is no answer.
fn unanswered(error: &anyhow::Error) -> ExitCode {
    remark!("reelhook: {error:#}");
    ExitCode::from(EXIT_NO_ANSWER)
}

async fn waited(remote: &Remote, args: &Args) -> anyhow::Result<ExitCode> {
    let until = Instant::now() + args.timeout;
    let mut heard = Heard::default();
    let found = match timeout_at(until, appears(remote, args, &mut heard)).await {
        Ok(found) => Some(found?),
        Err(_elapsed) if !heard.answers => return Err(remote.silent(args.timeout)),
        Err(_elapsed) => heard.weak,
    };
    let Some(found) = found else {
        let (subject, time) = (text::safe(&args.subject, 256), text::duration(args.timeout));
        remark!(
            "no operation with the clientContext or id {subject}, or with an event of this id, appeared within {time}"
        );
        return Ok(ExitCode::from(EXIT_TIMED_OUT));
    };
    let Some(operation) = ended(remote, found, (until, args.past_lost)).await? else {
        return Err(remote.silent(args.timeout + GRACE));
    };
    tell(args, &operation)
}

/// Reports the operation's state; its status decides the exit code.
fn tell(args: &Args, operation: &Value) -> anyhow::Result<ExitCode> {
    if args.json {
        say!("{operation}");
    }
    let status = Status::parse(operation["status"].as_str().unwrap_or_default());
    let told = sentence(&args.subject, operation);
    let code = match status {
        Status::Completed => ExitCode::SUCCESS,
        Status::Failed => ExitCode::FAILURE,
        _ if is_lost(operation) && !args.past_lost => ExitCode::from(EXIT_LOST),
        Status::NotStarted | Status::Running | Status::Unknown(_) => {
            let waited = format!("not ended after {}", text::duration(args.timeout));
            remark!("{}", told.replacen("not ended", &waited, 1));
            return Ok(ExitCode::from(EXIT_TIMED_OUT));
        }
    };
    if !args.json {
        say!("{told}");
    }
    Ok(code)
}

/// The facts learned while the operation was searched.
#[derive(Default)]
struct Heard {
    /// Whether the server answered the last request.
    answers: bool,
    /// The newest operation, if only weak proof established those that exist.
    weak: Option<Value>,
}

/// The operation, once there is one. If its proof is weak, this waits until it has ended, because another one may
/// appear.
async fn appears(remote: &Remote, args: &Args, heard: &mut Heard) -> anyhow::Result<Value> {
    let mut news = News::open(remote, &args.subject).await?;
    loop {
        heard.answers = false;
        match found(remote, &args.subject).await {
            Ok(Found::Named(operation)) => return Ok(operation),
            Ok(Found::OfContext(found)) => {
                heard.answers = true;
                match found {
                    Some(operation) if is_strong(&operation) || is_over(&operation, args.past_lost) => {
                        return Ok(operation);
                    }
                    found => heard.weak = found,
                }
                // An announcement makes no event.
                if let Ok(event) = timeout(HOLD, news.next()).await {
                    event?;
                }
            }
            Err(Trouble::Away(_)) => sleep(AGAIN).await,
            Err(trouble) => return Err(trouble.into()),
        }
    }
}

/// The operation at its end, or when it is lost (unless `past_lost`), or as it is at `until`. `None`: the server did
/// not answer.
async fn ended(
    remote: &Remote,
    operation: Value,
    (until, past_lost): (Instant, bool),
) -> anyhow::Result<Option<Value>> {
    let mut operation = operation;
    let id = operation["id"].as_str().context("the server sent an operation without an id")?.to_owned();
    let url = place(remote, &id, operation["callId"].as_str());
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || is_over(&operation, past_lost) {
            return Ok(Some(operation));
        }
        let mut url = url.clone();
        let held = jiff::SignedDuration::try_from(left.min(HOLD)).unwrap_or_default();
        url.query_pairs_mut().append_pair("waitFor", "terminal").append_pair("timeout", &held.to_string());
        if past_lost {
            url.query_pairs_mut().append_pair("pastLost", "true");
        }
        let Ok(answer) = timeout_at(until + GRACE, remote.get::<Value>(url)).await else { return Ok(None) };
        match answer {
            Ok(now) if now.is_object() => operation = now,
            Ok(_) => return Err(anyhow!("found an answer that is no operation, expected the operation as JSON")),
            Err(Trouble::Away(_)) => sleep(AGAIN.min(left)).await,
            Err(trouble) => return Err(trouble.into()),
        }
    }
}

/// Whether the waiting is over.
fn is_over(operation: &Value, past_lost: bool) -> bool {
    let has_ended = Status::parse(operation["status"].as_str().unwrap_or_default()).is_terminal();
    has_ended || (is_lost(operation) && !past_lost)
}

/// The warning about weak proof; empty if a token proved it.
fn warning(operation: &Value) -> String {
    let weak = proof(operation).filter(|proof| *proof < Proof::FOR_EXPECTATIONS);
    weak.map(|proof| format!("; its proof is {}", proof.words())).unwrap_or_default()
}

fn is_lost(operation: &Value) -> bool {
    let state = operation["expectation"]["state"].as_str().and_then(ExpectationState::parse);
    state == Some(ExpectationState::Lost)
}

/// The operation's state, in a sentence.
fn sentence(client_context: &str, operation: &Value) -> String {
    let member = |name: &str| operation[name].as_str().filter(|text| !text.is_empty());
    let status = member("status").unwrap_or("unknown");
    let mut told = format!("{}: {}", text::safe(client_context, 256), text::safe(status, 64));
    let is_terminal = Status::parse(status).is_terminal();
    if !is_terminal {
        told.insert_str(0, "not ended: ");
        let state = operation["expectation"]["state"].as_str().and_then(ExpectationState::parse);
        match state {
            Some(ExpectationState::Overdue) => told.push_str(", overdue"),
            Some(ExpectationState::Lost) => {
                let end = CallEnd::from_json(&operation["callEnd"]);
                let end = end.map_or_else(|| "its call has ended".into(), |end| end.words(&text::instant(end.at)));
                told.push_str(&format!(", lost: {}", text::safe(&end, 1000)));
            }
            _ => {}
        }
        told.push_str(&warning(operation));
        return told;
    }
    let result = &operation["resultInfo"];
    if let (Some(code), Some(subcode)) = (result["code"].as_i64(), result["subcode"].as_i64()) {
        let words = result_in_words(code, subcode);
        told.push_str(&format!(", {words} (result {code}, subcode {subcode})"));
    }
    if let Some(message) = result["message"].as_str().filter(|message| !message.is_empty()) {
        told.push_str(&format!(", \"{}\"", text::safe(message, 300)));
    }
    if let Some(reason) = member("completionReason") {
        told.push_str(&format!(", completionReason {}", text::safe(reason, 64)));
    }
    told.push_str(&match member("recordingLocation") {
        Some(place) => format!("; the recording is at {}", text::safe(place, 2000)),
        None => "; it has no recordingLocation".into(),
    });
    told.push_str(&warning(operation));
    told
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = super::duration(text)?;
    // Longer durations cannot be added to every clock.
    if parsed <= Duration::from_secs(30 * 86_400) { Ok(parsed) } else { Err("expected at most 720h".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_end_is_told_with_the_subcode_in_words() {
        let operation = json!({
            "status": "failed", "resultInfo": {"code": 400, "subcode": 8508, "message": "Cancelled\u{7}."},
            "completionReason": null, "recordingLocation": null
        });
        let expected = "a: failed, the operation was cancelled (result 400, subcode 8508), \"Cancelled\\u{7}.\"; it \
                        has no recordingLocation";
        assert_eq!(sentence("a", &operation), expected);
        let operation = json!({
            "status": "completed", "completionReason": "stopTone", "recordingLocation": "https://x.example/1"
        });
        let expected = "a: completed, completionReason stopTone; the recording is at https://x.example/1";
        assert_eq!(sentence("a", &operation), expected);
    }

    #[test]
    fn what_has_not_ended_is_told_with_what_is_expected_of_it() {
        let operation = json!({"status": "running", "expectation": {"state": "overdue"}});
        assert_eq!(sentence("a", &operation), "not ended: a: running, overdue");
        let operation = json!({
            "status": "running", "expectation": {"state": "lost"},
            "callEnd": {"dateTime": "2026-11-24T08:00:07Z", "resultInfo": {"code": 487, "subcode": 7000, "message": "Bye"},
                        "terminationSender": {"phone": {"id": "+4512345678"}}}
        });
        let expected = "not ended: a: running, lost: its call ended at 2026-11-24 08:00:07 UTC (result 487, subcode 7000: \
                        the call ended or was transferred, \"Bye\"; ended by phone +4512345678)";
        assert_eq!(sentence("a", &operation), expected);
        let operation = json!({"status": "notStarted", "expectation": {"state": "lost"}});
        assert_eq!(sentence("a", &operation), "not ended: a: notStarted, lost: its call has ended");
    }

    #[test]
    fn weak_proof_is_told_and_an_announcement_outweighs_it() {
        let weak = json!({"status": "running", "proof": "clientState"});
        let expected = "not ended: a: running; its proof is clientState alone, which everyone who saw a notification \
                        knows";
        assert_eq!(sentence("a", &weak), expected);
        let announced = json!({"proof": null, "expectation": {"announcedAt": "2026-11-24T08:00:00Z"}});
        let lost = json!({"proof": "clientState", "expectation": {"announcedAt": null, "state": "lost"}});
        let strong = [&weak, &announced, &lost, &json!({"proof": "bearerToken"}), &json!({"proof": "operatorsWord"})];
        assert_eq!(strong.map(is_strong), [false, true, false, true, false]);
    }

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        for wrong in ["10", "-1s", "721h", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
