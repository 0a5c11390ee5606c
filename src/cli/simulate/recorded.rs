//! Records what passes to a receiver, and plays records.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::Context;

use super::Ended;
use super::stage::{self, Stage};
use super::tally::Tally;
use crate::cli::EXIT_CONFIG;
use crate::cli::print::{remark, say};
use crate::cli::signals::Signals;
use crate::simulator::Client;
use crate::simulator::record::{Played, Recorder, Replay};
use crate::wording::counted;

/// Records until a signal comes.
pub(super) async fn record(
    signals: &mut Signals,
    (file, listen): (&Path, SocketAddr),
    url: &str,
) -> anyhow::Result<ExitCode> {
    let (recorder, server) = match started(file, listen, url) {
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
    let n = recorder.n_lines();
    let are = if n == 1 { "is" } else { "are" };
    say!("{} {are} in {shown}", counted(n, &n.to_string(), "request"));
    remark!("secrets and personal details are replaced; look through the file before you give it away");
    Ok(ExitCode::SUCCESS)
}

fn started(file: &Path, listen: SocketAddr, url: &str) -> anyhow::Result<(Recorder, Server)> {
    stage::check_url(url, "each request brings its path")?;
    let client = Client::new(url)?;
    Ok(Recorder::start(listen, client, file)?)
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

/// Plays a record, and prints each request and the sum; as JSON with this token.
pub(super) async fn played(
    (stage, signals): (&Stage, &mut Signals),
    asked: &Asked,
    token: Option<String>,
) -> anyhow::Result<Ended> {
    let noun = if asked.record.has_only_posts() { "POSTs" } else { "requests" };
    let mut tally = Tally::new(asked.as_json).counting(noun).with_token(token);
    let playing = asked.record.play(&stage.graph, asked.longest_pause, |played| match played {
        Played::Sent(step) => tally.tell(step),
        Played::Unjudged(step) => tally.tell_unjudged(step),
        Played::Skipped(why) => tally.skip(why),
    });
    let ended = tokio::select! {
        all_well = playing => Ended::all_well(all_well?),
        told = signals.next() => Ended::Told(told),
    };
    let ended = match ended {
        Ended::Well if tally.n_sent() == 0 => Ended::WithNothing,
        ended => ended,
    };
    tally.end(None, &ended);
    Ok(ended)
}
