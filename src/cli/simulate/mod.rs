//! `reelhook simulate`: acts as Microsoft Graph and sends test notifications to a receiver: scenarios, scripts, records,
//! or load. It also records what passes between Graph and a receiver.

mod load;
mod played;
mod recorded;
pub(super) mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use self::stage::{Stage, StageArgs};
use super::EXIT_CONFIG;
use super::print::{remark, say};
use super::signals::{Signals, Told};
use crate::simulator::noop;
use crate::simulator::scenario::{Channels, Play, Scenario};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook simulate                                  all scenarios, each POST with its answer
  reelhook simulate --list                           the scenarios, one on each line
  reelhook simulate --scenario hangup,transfer       some of them
  reelhook simulate --scenario driveItem,presence    changes of these resources
  reelhook simulate --scenario rotation              a new signing key, which the receiver must fetch
  reelhook simulate --script my-call.toml            a call of your own: see docs/simulate.md
  reelhook simulate --certificate-key key.pem        with encrypted notifications
  reelhook simulate --record calls.jsonl --listen 127.0.0.1:8082 --url http://127.0.0.1:8080
                                                     pass requests on to --url, and record them
  reelhook simulate --replay calls.jsonl             play what was recorded, with new tokens
  reelhook simulate --rate 500 --duration 30s        load: 500 a second, even if answers are slow
  reelhook simulate --connections 64 --duration 30s  load: as fast as the receiver answers
  reelhook simulate --hold --scenario none           only serve the signing keys, until Ctrl-C

The command signs its tokens with keys of its own. The receiver must trust these keys instead of
Microsoft's: give it the config lines that the command prints at its start (without --json). If the
receiver is on another machine, set --identity-listen to an address that it can reach.
With --record, Graph signs, and the command needs no keys.

While the command serves its keys (as with --hold), this machine can change them:
  curl -X POST http://127.0.0.1:9400/rotate              a new key signs; the former one stays published
  curl -X POST http://127.0.0.1:9400/rotate?former=gone  a new key signs; the former one goes at once
  curl -X POST http://127.0.0.1:9400/retire              former keys go
  curl -X POST http://127.0.0.1:9400/down                keys and configurations are answered 503
  curl -X POST http://127.0.0.1:9400/down?answer=none    they are not answered at all
  curl -X POST http://127.0.0.1:9400/up                  they are answered again
With --identity-dir, runs that begin after a rotation sign with the new key.

Exit codes:
  0    every answer was as expected
  1    an answer was not as expected, or the record is not whole
  2    wrong usage, or mistakes in a script or a record
  130  Ctrl-C ended the scenarios early
  143  SIGTERM ended them early
  129  SIGHUP ended them early
If a signal ends load, --hold, --record or --serve-noop, the code is 0, or 1 if an answer was not as expected.")]
pub struct Args {
    #[command(flatten)]
    stage: StageArgs,
    /// Use only this channel [default: both; for load: calls]
    #[arg(long, value_enum)]
    channel: Option<ChannelName>,
    /// The scenarios to send, `all` or `none`; --list shows them, and which `all` leaves out [default: all, unless
    /// --script is given]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names(), hide_possible_values = true)]
    scenario: Vec<String>,
    /// List the scenarios and what each plays, and end
    #[arg(long, exclusive = true)]
    list: bool,
    /// Play the calls of this script (TOML). May be given several times
    #[arg(long, value_name = "FILE")]
    script: Vec<PathBuf>,
    /// Pass each request from --listen on to --url, and write it to this new file without secrets, until Ctrl-C
    #[arg(long, value_name = "FILE", requires = "listen", conflicts_with_all = ["replay", "scenario", "script", "Load"])]
    record: Option<PathBuf>,
    /// The address on which to take the requests of --record
    #[arg(long, value_name = "ADDRESS", requires = "record")]
    listen: Option<SocketAddr>,
    /// Play the requests of this file, which --record wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "script", "Load"])]
    replay: Option<PathBuf>,
    /// The longest pause between two requests of --replay; a shorter one stays as it was
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "1s")]
    longest_pause: Duration,
    /// After the scenarios or the load, keep serving the signing keys for the receiver, until Ctrl-C
    #[arg(long)]
    hold: bool,
    /// Print a bearer token for the calls channel: `token <jwt>`. For the token alone, add --scenario none
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

/// The load flags. With `--rate`, `--connections`, `--duration` or `--count`, load is sent instead of the scenarios.
#[derive(Debug, clap::Args)]
#[group(id = "Load", multiple = true)]
#[command(next_help_heading = "Load (instead of the scenarios)")]
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

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0).ok_or("expected a number above 0".into())
}

/// The names of the scenarios, and the two words for all and none of them.
fn names() -> clap::builder::PossibleValuesParser {
    let named = Scenario::names().chain(Scenario::names_of_others());
    ["all", "none"].into_iter().chain(named).collect::<Vec<_>>().into()
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
        let named = |name: &str| self.scenario.iter().any(|named| named == name);
        if self.stage.certificate_key.is_none() {
            if named("encrypted") {
                return Some("--scenario encrypted needs --certificate-key FILE");
            }
            if named("two-tenants") {
                return Some("--scenario two-tenants needs --certificate-key FILE");
            }
        }
        None
    }

    /// What is played: the scenarios in the order of their names here, then the scripts.
    fn scenarios(&self) -> anyhow::Result<Vec<Scenario>> {
        let is_all =
            self.scenario.iter().any(|name| name == "all") || (self.scenario.is_empty() && self.script.is_empty());
        let mut scenarios = match is_all {
            true => Scenario::all()?,
            false => {
                let named = self.scenario.iter().filter_map(|name| Scenario::find(name).transpose());
                named.collect::<Result<_, _>>()?
            }
        };
        for file in &self.script {
            scenarios.push(played::script(file)?);
        }
        Ok(scenarios)
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
    Scenarios(Vec<Scenario>, Channels),
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
            longest_pause: args.longest_pause,
            as_json: args.json,
        }),
        None if args.load.is_load() => {
            What::Load(load::Asked { args: args.load, channel: args.channel, as_json: args.json })
        }
        None => What::Scenarios(args.scenarios()?, channels),
    };
    let asked = Asked { what, hold: args.hold, print_token: args.print_token, as_json: args.json };
    Ok((stage::open(args.stage)?, asked))
}

async fn sent(stage: &Stage, signals: &mut Signals, asked: Asked) -> anyhow::Result<ExitCode> {
    if asked.print_token {
        say!("token {}", stage.graph.calls_token()?);
    }
    if !asked.as_json {
        stage.tell_receiver_config();
    }
    let ended = match asked.what {
        What::Load(load) => load::run((stage, signals), load).await?,
        What::Replay(replay) => recorded::played((stage, signals), &replay).await?,
        What::Scenarios(scenarios, channels) => {
            let play = Play { scenarios: &scenarios, channels, seed: stage.seed };
            played::scenarios((stage, signals), play, asked.as_json).await?
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
        let names = |args: &Args| -> Vec<String> {
            args.scenarios().unwrap().iter().map(|scenario| scenario.name().to_owned()).collect()
        };
        assert_eq!(names(&args), Scenario::names().collect::<Vec<_>>());
        assert_eq!(args.channels(), Channels { calls: true, subscriptions: true });
        assert_eq!(names(&parse(&["--scenario", "none"]).unwrap()), [""; 0]);
        assert_eq!(names(&parse(&["--scenario", "rotation,driveItem"]).unwrap()), ["rotation", "driveItem"]);
        assert_eq!(names(&parse(&["--scenario", "dialects,handshake"]).unwrap()), ["dialects", "handshake"]);
        assert_eq!(names(&parse(&["--scenario", "hangup", "--scenario", "plain"]).unwrap()), ["hangup", "plain"]);
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
            (&["--scenario", "hangupp"], "'hangup'"),
            (&["--record", "f"], "--listen"),
            (&["--replay", "f", "--scenario", "plain"], "--scenario"),
            (&["--replay", "f", "--count", "1"], "--count"),
            (&["--list", "--json"], "--list"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(told), "{arguments:?}: {error}");
        }
        assert!(parse(&["--scenario", "encrypted"]).unwrap().mistake().is_some());
        assert!(parse(&["--scenario", "plain,two-tenants"]).unwrap().mistake().is_some());
        assert!(parse(&["--encrypted", "--certificate-key", "k"]).unwrap().mistake().is_some());
    }
}
