//! Records what passes to a receiver, and plays records.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use super::Ended;
use super::played::Tally;
use super::stage::Stage;
use crate::cli::EXIT_CONFIG;
use crate::cli::print::{remark, say};
use crate::cli::signals::Signals;
use crate::simulator::Client;
use crate::simulator::record::{Played, Recorder, Replay};

/// Records until a signal comes.
pub(super) async fn record(
    signals: &mut Signals,
    (file, listen): (&Path, SocketAddr),
    url: &str,
) -> anyhow::Result<ExitCode> {
    let started = Client::new(url).map_err(anyhow::Error::from);
    let started = started.and_then(|client| Ok(Recorder::start(listen, client, file)?));
    let (recorder, server) = match started {
        Ok(started) => started,
        Err(error) => {
            remark!("reelhook: {error:#}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let shown = file.display();
    remark!("recording on http://{} to {shown}, and passing on to {url}, until Ctrl-C", recorder.address);
    let stopped = async {
        let _told = signals.next().await;
        recorder.stop().await
    };
    let (served, stopped) = tokio::join!(server, stopped);
    served?;
    stopped.with_context(|| format!("{shown}: the record is not whole"))?;
    say!("{} requests are in {shown}", recorder.n_lines());
    remark!("secrets and personal details are replaced; look through the file before you give it away");
    Ok(ExitCode::SUCCESS)
}

/// Reads a record.
pub(super) fn replay(file: &Path) -> anyhow::Result<Replay> {
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown}: cannot read the record"))?;
    Ok(Replay::read(&shown, &text)?)
}

/// The replay that is asked for.
pub(super) struct Asked {
    pub record: Replay,
    pub longest_pause: Duration,
    pub as_json: bool,
}

/// Plays a record, and prints each request and the sum.
pub(super) async fn played((stage, signals): (&Stage, &mut Signals), asked: &Asked) -> anyhow::Result<Ended> {
    let mut tally = Tally::new(asked.as_json);
    let playing = asked.record.play(&stage.graph, asked.longest_pause, |played| match played {
        Played::Sent(step) => tally.tell(step),
        Played::Skipped(why) => tally.skip(why),
    });
    let ended = tokio::select! {
        all_well = playing => Ended::all_well(all_well?),
        told = signals.next() => Ended::Told(told),
    };
    tally.end(stage.seed, &ended);
    Ok(ended)
}
