//! `reelhook simulate`: acts as Microsoft Graph and sends test notifications to a receiver: scenarios, scripts, records,
//! or load. It also records what passes between Graph and a receiver.

mod args;
mod load;
mod played;
mod recorded;
pub(super) mod stage;
mod tally;
mod values;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

pub use self::args::Args;
use self::args::Chosen;
use self::stage::Stage;
use self::tally::Tally;
use super::EXIT_CONFIG;
use super::print::{remark, say};
use super::signals::{Signals, Told};
use crate::simulator::noop;
use crate::simulator::scenario::{Channels, Play};

/// The longest pause of a replay, where none is given.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    if args.list {
        played::list()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(address) = args.serve_noop {
        let (address, server) = noop::serve(address)?;
        remark!("answering 202 to everything on http://{address}");
        tokio::select! {
            served = server => served?,
            _told = signals.next() => {}
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(file), Some(listen)) = (&args.record, args.listen) {
        return recorded::record(&mut signals, (file, listen), &args.stage.url).await;
    }
    let (stage, asked) = match opened(args) {
        Ok(opened) => opened,
        Err(error) => {
            remark!("reelhook: {error:#}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    sent(&stage, &mut signals, asked).await
}

/// What is asked for, once everything was read.
struct Asked {
    what: What,
    hold: bool,
    print_token: bool,
    as_json: bool,
}

/// What is sent.
enum What {
    Load(load::Asked),
    Replay(recorded::Asked),
    Scenarios(Chosen, Channels),
}

/// Reads what the arguments name, and sets up. An error is wrong usage.
fn opened(args: Args) -> anyhow::Result<(Stage, Asked)> {
    if let Some(mistake) = args.mistake() {
        anyhow::bail!(mistake);
    }
    let channels = args.channels();
    let what = match &args.replay {
        Some(file) => What::Replay(recorded::Asked {
            record: recorded::replay(file)?,
            longest_pause: args.longest_pause.unwrap_or(LONGEST_PAUSE),
            as_json: args.json,
        }),
        None if args.load.is_load() => {
            What::Load(load::Asked { args: args.load, channel: args.channel, as_json: args.json })
        }
        None => What::Scenarios(args.chosen()?, channels),
    };
    let asked = Asked { what, hold: args.hold, print_token: args.print_token, as_json: args.json };
    Ok((stage::open(args.stage)?, asked))
}

async fn sent(stage: &Stage, signals: &mut Signals, asked: Asked) -> anyhow::Result<ExitCode> {
    let mut token = asked.print_token.then(|| stage.graph.calls_token()).transpose()?;
    if !asked.as_json {
        // As JSON it is a part of the result.
        if let Some(token) = token.take() {
            say!("token {token}");
        }
        stage.tell_receiver_config();
    }
    let ended = match asked.what {
        What::Load(load) => load::run((stage, signals), load, token).await?,
        What::Replay(replay) => recorded::played((stage, signals), &replay, token).await?,
        What::Scenarios(Chosen { scenarios, .. }, _) if scenarios.is_empty() && token.is_some() => {
            say!("{}", json!({ "token": token }));
            Ended::Well
        }
        What::Scenarios(Chosen { scenarios, left_out }, channels) => {
            let play = Play { scenarios: &scenarios, channels, seed: stage.seed };
            let tally = Tally::new(asked.as_json).leaving_out(left_out).with_token(token);
            played::scenarios((stage, signals), play, tally).await?
        }
    };
    if asked.hold && !signals.has_come() {
        remark!(
            "serving keys on http://{} until Ctrl-C; POST /rotate, /retire, /down or /up changes them: see --help",
            stage.provider.address()
        );
        let _told = signals.next().await;
    }
    Ok(match ended {
        Ended::Well => ExitCode::SUCCESS,
        Ended::WithFaults => ExitCode::FAILURE,
        Ended::WithNothing => ExitCode::from(EXIT_CONFIG),
        Ended::Told(told) => told.code(),
    })
}

/// How the sending ended.
enum Ended {
    /// Every answer was as expected.
    Well,
    /// One was not.
    WithFaults,
    /// Nothing could be sent.
    WithNothing,
    /// A signal ended it before everything was sent.
    Told(Told),
}

impl Ended {
    fn all_well(all_well: bool) -> Self {
        if all_well { Self::Well } else { Self::WithFaults }
    }
}
