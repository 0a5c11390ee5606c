//! Plays scenarios and scripts, and prints each POST with its answer.

use std::path::Path;

use anyhow::Context;

use super::Ended;
use super::stage::Stage;
use super::tally::Tally;
use crate::cli::print::say;
use crate::cli::signals::Signals;
use crate::simulator::scenario::{self, Play, Scenario};
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
    mut tally: Tally,
) -> anyhow::Result<Ended> {
    let seed = play.seed;
    let played = scenario::play(&stage.graph, play, |step| tally.tell(step));
    let ended = tokio::select! {
        all_well = played => Ended::all_well(all_well?),
        told = signals.next() => Ended::Told(told),
    };
    tally.end(Some(seed), &ended);
    Ok(ended)
}
