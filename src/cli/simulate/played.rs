//! Plays scenarios and scripts, and prints each POST with its answer.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::Ended;
use super::stage::Stage;
use crate::cli::print::{remark, say};
use crate::cli::signals::Signals;
use crate::simulator::ClientError;
use crate::simulator::scenario::{self, Play, Scenario, Step};
use crate::simulator::script::Script;

/// Prints the scenarios, one on each line.
pub(super) fn list() -> anyhow::Result<()> {
    for scenario in Scenario::all()? {
        say!("{:<16} {}", scenario.name(), scenario.summary());
    }
    say!("\nOnly where they are named:");
    for scenario in Scenario::others()? {
        say!("{:<16} {}", scenario.name(), scenario.summary());
    }
    Ok(())
}

/// Reads a script of the user's.
pub(super) fn script(file: &Path) -> anyhow::Result<Scenario> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown}: cannot read the script"))?;
    let name = file.file_stem().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    let script = Script::read(&name, &shown, &text).map_err(|mistakes| {
        anyhow::anyhow!(
            "the script has {}:\n{mistakes}",
            if mistakes.list.len() == 1 { "a mistake" } else { "mistakes" }
        )
    })?;
    Ok(Scenario::Script(script))
}

/// Plays scenarios, and prints each POST and the sum.
pub(super) async fn scenarios(
    (stage, signals): (&Stage, &mut Signals),
    play: Play<'_>,
    as_json: bool,
) -> anyhow::Result<Ended> {
    let mut tally = Tally::new(as_json);
    let played = scenario::play(&stage.graph, play, |step| tally.tell(step));
    let ended = tokio::select! {
        all_well = played => Ended::all_well(all_well?),
        told = signals.next() => Ended::Told(told),
    };
    tally.end(stage.seed, &ended);
    Ok(ended)
}

/// The POSTs so far.
pub(super) struct Tally {
    as_json: bool,
    n_posts: usize,
    faults: Vec<Value>,
    skipped: Vec<String>,
    hint: Option<&'static str>,
}

impl Tally {
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, n_posts: 0, faults: Vec::new(), skipped: Vec::new(), hint: None }
    }

    pub(super) fn tell(&mut self, step: &Step) {
        self.n_posts += 1;
        if let Some(fault) = step.fault() {
            let (part, what) = (&step.scenario, &step.what);
            self.faults.push(json!({"part": part, "what": what, "fault": fault, "status": status(step)}));
            self.hint = self.hint.or_else(|| hint_for(step));
        }
        if !self.as_json {
            say!("{}", line(step));
        }
    }

    /// Tells of something that was not sent.
    pub(super) fn skip(&mut self, why: &str) {
        if !self.as_json {
            say!("skip  {why}");
        }
        self.skipped.push(why.to_owned());
    }

    pub(super) fn end(self, seed: u64, ended: &Ended) {
        let n_good = self.n_posts - self.faults.len();
        if self.as_json {
            let mut sum = json!({"posts": self.n_posts, "as_expected": n_good, "seed": seed, "faults": self.faults});
            if !self.skipped.is_empty() {
                sum["skipped"] = self.skipped.into();
            }
            say!("{sum}");
        } else if self.n_posts > 0 || !self.skipped.is_empty() {
            let skipped = match self.skipped.len() {
                0 => String::new(),
                n => format!(", {n} were not sent"),
            };
            say!("\n{n_good} of {} POSTs were answered as expected{skipped} (seed {seed})", self.n_posts);
        }
        if let Ended::Told(told) = ended {
            remark!("ended by {} before everything was sent", told.name());
        }
        if let Some(hint) = self.hint {
            remark!("hint: {hint}");
        }
    }
}

fn status(step: &Step) -> Option<u16> {
    step.outcome.as_ref().ok().map(|answer| answer.status)
}

/// One POST and its answer in one line.
fn line(step: &Step) -> String {
    let (status, took) = match &step.outcome {
        Ok(answer) => (answer.status.to_string(), format!("{:.1} ms", answer.took.as_secs_f64() * 1000.0)),
        Err(_) => ("---".into(), String::new()),
    };
    let fault = step.fault().map(|fault| format!("   <- {fault}")).unwrap_or_default();
    let moved = step.outcome.as_ref().ok().and_then(|answer| answer.redirected_to.as_ref());
    let moved = moved.map(|to| format!("  (redirected to {to})")).unwrap_or_default();
    format!("{status}  {took:>9}  {:<20}  {:<15}  {}{moved}{fault}", step.path, step.scenario, step.what)
}

fn hint_for(step: &Step) -> Option<&'static str> {
    match &step.outcome {
        Ok(answer) => match answer.status {
            401 | 403 => Some(
                "genuine tokens were refused: does the receiver's config have the lines above? \
                 A run without --identity-dir FOLDER makes a new key, and reelhook fetches keys at most every \
                 5 minutes: until then it answers 401. With the same FOLDER, all runs share one key",
            ),
            404 => Some("the receiver has no such path: see --calls-path, --notifications-path, --lifecycle-path"),
            503 => Some("the receiver can neither verify nor store now: can it reach the key provider above?"),
            _ => None,
        },
        Err(ClientError::Connect { .. }) => Some("nobody listens at that address: is the receiver running? See --url"),
        Err(_) => None,
    }
}
