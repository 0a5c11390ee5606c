//! `reelhook simulate`: acts as Microsoft Graph and sends test notifications to a receiver: a scenario, or load.

mod load;
pub(super) mod stage;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use self::stage::{Stage, StageArgs};
use super::EXIT_CONFIG;
use super::print::{remark, say};
use super::signals::{Signals, Told};
use crate::simulator::scenario::{self, Channels, Part, Play, Step};
use crate::simulator::{ClientError, noop};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook simulate                                  the whole scenario, each POST with its answer
  reelhook simulate --scenario dialects,reordering   parts of the scenario
  reelhook simulate --certificate-key key.pem        with encrypted notifications
  reelhook simulate --rate 500 --duration 30s        load: 500 a second, even if answers are slow
  reelhook simulate --connections 64 --duration 30s  load: as fast as the receiver answers
  reelhook simulate --hold --scenario none           only serve the signing keys, until Ctrl-C

The command signs its tokens with keys of its own. The receiver must trust these keys instead of
Microsoft's: give it the config lines that the command prints at its start (without --json). If the
receiver is on another machine, set --identity-listen to an address that it can reach.

Exit codes:
  0    every answer was as expected
  1    an answer was not as expected
  2    wrong usage
  130  Ctrl-C ended the scenario early
  143  SIGTERM ended it early
  129  SIGHUP ended it early
If a signal ends load, --hold or --serve-noop, the code is 0, or 1 if an answer was not as expected.")]
pub struct Args {
    #[command(flatten)]
    stage: StageArgs,
    /// Use only this channel [default: both; for load: calls]
    #[arg(long, value_enum)]
    channel: Option<ChannelName>,
    /// The parts of the scenario to send (dialects: variants of Graph's JSON)
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',', default_value = "all")]
    scenario: Vec<PartName>,
    /// After the scenario or the load, keep serving the signing keys for the receiver, until Ctrl-C
    #[arg(long)]
    hold: bool,
    /// Print a bearer token for the calls channel: `token <jwt>`
    #[arg(long)]
    print_token: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
    /// Send nothing: run a receiver that reads each body and answers 202, until Ctrl-C
    #[arg(long, value_name = "ADDRESS", exclusive = true)]
    serve_noop: Option<SocketAddr>,
    #[command(flatten)]
    load: LoadArgs,
}

/// The load flags. With `--rate`, `--connections`, `--duration` or `--count`, load is sent instead of the scenario.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load (instead of the scenario)")]
struct LoadArgs {
    /// How many notifications to send each second. The latency is measured from the planned send time
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    rate: Option<f64>,
    /// Connections, each with one request at a time [default: 64]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// How long to send, such as 30s or 5m [default: 10s, unless --count is given]
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    duration: Option<Duration>,
    /// How many notifications to send
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Send change notifications with encrypted content
    #[arg(long, requires = "certificate_key")]
    encrypted: bool,
}

impl LoadArgs {
    fn is_load(&self) -> bool {
        self.rate.is_some() || self.connections.is_some() || self.duration.is_some() || self.count.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ChannelName {
    Calls,
    Subscriptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PartName {
    All,
    None,
    Handshake,
    Recordings,
    Duplicates,
    Reordering,
    Lost,
    Dialects,
    Changes,
    Lifecycle,
    Encrypted,
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0).ok_or("expected a number above 0".into())
}

impl Args {
    /// The mistakes that clap does not find.
    fn mistake(&self) -> Option<&'static str> {
        if self.load.encrypted && self.channel == Some(ChannelName::Calls) {
            return Some("--encrypted is for --channel subscriptions: the calls channel has no encryption");
        }
        if self.load.encrypted && !self.load.is_load() {
            return Some("--encrypted is for load; without load, use --scenario encrypted");
        }
        if self.scenario.contains(&PartName::Encrypted) && self.stage.certificate_key.is_none() {
            return Some("--scenario encrypted needs --certificate-key FILE");
        }
        None
    }

    fn parts(&self) -> Vec<Part> {
        if self.scenario.contains(&PartName::All) {
            return Part::ALL.to_vec();
        }
        let parts = self.scenario.iter().filter_map(|name| match name {
            PartName::All | PartName::None => None,
            PartName::Handshake => Some(Part::Handshake),
            PartName::Recordings => Some(Part::Recordings),
            PartName::Duplicates => Some(Part::Duplicates),
            PartName::Reordering => Some(Part::Reordering),
            PartName::Lost => Some(Part::Lost),
            PartName::Dialects => Some(Part::Dialects),
            PartName::Changes => Some(Part::Changes),
            PartName::Lifecycle => Some(Part::Lifecycle),
            PartName::Encrypted => Some(Part::Encrypted),
        });
        parts.collect()
    }

    fn channels(&self) -> Channels {
        Channels {
            calls: self.channel != Some(ChannelName::Subscriptions),
            subscriptions: self.channel != Some(ChannelName::Calls),
        }
    }
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    if let Some(address) = args.serve_noop {
        let (address, server) = noop::serve(address)?;
        remark!("answering 202 to everything on http://{address}");
        tokio::select! {
            served = server => served?,
            _told = signals.next() => {}
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(mistake) = args.mistake() {
        remark!("reelhook: {mistake}");
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    let (parts, channels) = (args.parts(), args.channels());
    let stage = match stage::open(args.stage) {
        Ok(stage) => stage,
        Err(error) => {
            remark!("reelhook: {error:#}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if args.print_token {
        say!("token {}", stage.graph.calls_token()?);
    }
    if !args.json {
        stage.tell_receiver_config();
    }
    let ended = if args.load.is_load() {
        let asked = load::Asked { args: args.load, channel: args.channel, as_json: args.json };
        load::run((&stage, &mut signals), asked).await?
    } else {
        let play = Play { parts: &parts, channels, seed: stage.seed };
        scenario((&stage, &mut signals), play, args.json).await?
    };
    if args.hold && !signals.has_come() {
        remark!("serving keys on http://{} until Ctrl-C", stage.provider.address());
        let _told = signals.next().await;
    }
    Ok(match ended {
        Ended::Well => ExitCode::SUCCESS,
        Ended::WithFaults => ExitCode::FAILURE,
        Ended::Told(told) => told.code(),
    })
}

/// How the sending ended.
enum Ended {
    /// Every answer was as expected.
    Well,
    /// One was not.
    WithFaults,
    /// A signal ended it before everything was sent.
    Told(Told),
}

impl Ended {
    fn all_well(all_well: bool) -> Self {
        if all_well { Self::Well } else { Self::WithFaults }
    }
}

async fn scenario((stage, signals): (&Stage, &mut Signals), play: Play<'_>, as_json: bool) -> anyhow::Result<Ended> {
    let (mut n_posts, mut faults, mut hint) = (0, Vec::new(), None);
    let played = scenario::play(&stage.graph, play, |step| {
        n_posts += 1;
        if let Some(fault) = step.fault() {
            faults.push(json!({"part": step.part.as_str(), "what": step.what, "fault": fault, "status": status(step)}));
            hint = hint.or_else(|| hint_for(step));
        }
        if !as_json {
            say!("{}", line(step));
        }
    });
    let ended = tokio::select! {
        all_well = played => Ended::all_well(all_well?),
        told = signals.next() => Ended::Told(told),
    };
    let n_good = n_posts - faults.len();
    if as_json {
        say!("{}", json!({"posts": n_posts, "as_expected": n_good, "seed": stage.seed, "faults": faults}));
    } else if n_posts > 0 {
        say!("\n{n_good} of {n_posts} POSTs were answered as expected (seed {})", stage.seed);
    }
    if let Ended::Told(told) = ended {
        remark!("ended by {} before everything was sent", told.name());
    }
    if let Some(hint) = hint {
        remark!("hint: {hint}");
    }
    Ok(ended)
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
    format!("{status}  {took:>9}  {:<20}  {:<10}  {}{fault}", step.path, step.part.as_str(), step.what)
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Outer {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Args, String> {
        let all = ["simulate"].iter().chain(arguments);
        Outer::try_parse_from(all).map(|outer| outer.args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_flags_of_the_scripts_are_understood() {
        let args = parse(&["--rate", "250", "--duration", "2s", "--connections", "64", "--channel", "calls", "--json"]);
        let args = args.unwrap();
        assert_eq!((args.load.rate, args.load.duration), (Some(250.0), Some(Duration::from_secs(2))));
        assert!(args.load.is_load() && args.json);
        let args = parse(&["--hold", "--print-token", "--identity-listen", "127.0.0.1:1", "--count", "0"]).unwrap();
        assert!(args.hold && args.print_token && args.load.is_load());
        let encrypted =
            ["--channel", "subscriptions", "--encrypted", "--certificate-id", "b", "--certificate-key", "k"];
        let args = parse(&[&encrypted[..], &["--count", "0"]].concat()).unwrap();
        assert_eq!(args.mistake(), None);
        assert!(parse(&["--serve-noop", "127.0.0.1:0"]).unwrap().serve_noop.is_some());
    }

    #[test]
    fn without_load_flags_it_is_the_whole_scenario() {
        let args = parse(&[]).unwrap();
        assert!(!args.load.is_load());
        assert_eq!(args.parts(), Part::ALL);
        assert_eq!(args.channels(), Channels { calls: true, subscriptions: true });
        assert_eq!(parse(&["--scenario", "none"]).unwrap().parts(), []);
        assert_eq!(parse(&["--scenario", "dialects,handshake"]).unwrap().parts(), [Part::Dialects, Part::Handshake]);
    }

    #[test]
    fn wrong_usage_is_told() {
        for (arguments, told) in [
            (&["--rate", "0"][..], "above 0"),
            (&["--rate", "inf"], "above 0"),
            (&["--duration=-3s"], "not negative"),
            (&["--duration", "soon"], "such as 30s"),
            (&["--connections", "0"], "--connections"),
            (&["--encrypted", "--count", "1"], "--certificate-key"),
            (&["--serve-noop", "127.0.0.1:0", "--json"], "--serve-noop"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(told), "{arguments:?}: {error}");
        }
        assert!(parse(&["--scenario", "encrypted"]).unwrap().mistake().is_some());
        assert!(parse(&["--encrypted", "--certificate-key", "k"]).unwrap().mistake().is_some());
    }
}
