//! The arguments of `reelhook simulate`, and the mistakes in them that clap does not find.
//!
//! **Invariants**
//! 1. An option that would be ignored is a mistake.
//! 2. A scenario that sends nothing is a mistake, unless nothing was asked for. What `all` leaves out is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::stage::{Posted, StageArgs};
use super::{played, values};
use crate::simulator::scenario::{Channels, Lack, Scenario};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook simulate                                  all scenarios, each POST with its answer
  reelhook simulate --list                           the scenarios, one on each line
  reelhook simulate --scenario hangup,transfer       some of them
  reelhook simulate --scenario driveItem,presence    changes of these resources
  reelhook simulate --scenario rotation              a new signing key, which must be fetched
  reelhook simulate --scenario keys-down             signing keys that cannot be fetched for a while
  reelhook simulate --script my-call.toml            a call of your own: see docs/simulate.md
  reelhook simulate --certificate-key key.pem        all scenarios, with encrypted changes too
  reelhook simulate --record calls.jsonl --listen 127.0.0.1:8082 --url http://127.0.0.1:8080
                                                     pass requests on to --url, and record them
  reelhook simulate --replay calls.jsonl             send what was recorded, with new tokens
  reelhook simulate --rate 500 --duration 30s        load: 500 a second, even if answers are slow
  reelhook simulate --connections 64 --duration 30s  load: as fast as the receiver answers
  reelhook simulate --scenario none                  only print the lines for the receiver's config
  reelhook simulate --hold --scenario none           only serve the signing keys, until Ctrl-C
  reelhook simulate --print-token                    only print a bearer token

The command signs its tokens with keys of its own. The receiver must trust these keys instead of
Microsoft's: give it the config lines that the command prints at its start (without --json). If the
receiver is on another machine, set --identity-listen to an address that it can reach.
With --record, Graph signs, and the command needs no keys.

While a command with --hold serves its keys, change them from the same machine:
  curl -X POST http://127.0.0.1:9400/rotate                a new key signs; the former one stays
  curl -X POST 'http://127.0.0.1:9400/rotate?former=gone'  a new key signs; the former one goes
  curl -X POST http://127.0.0.1:9400/retire                former keys go
  curl -X POST http://127.0.0.1:9400/down                  keys and configurations are answered 503
  curl -X POST 'http://127.0.0.1:9400/down?answer=none'    they are not answered at all
  curl -X POST http://127.0.0.1:9400/up                    they are answered again
To send something meanwhile, give a second command the same --identity-dir and another
--identity-listen. It keeps signing with the key that was current when it started.

Exit codes:
  0    every answer was as expected
  1    an answer was not as expected, or --record could not write every request
  2    wrong usage, nothing to send, or mistakes in a script or a record
  130  Ctrl-C ended the scenarios early
  143  SIGTERM ended them early
  129  SIGHUP ended them early
If a signal ends load, --hold, --record or --serve-noop, the code is 0, or 1 if an answer was not as expected.")]
pub struct Args {
    #[command(flatten)]
    pub(super) stage: StageArgs,
    /// Use only this channel [default: both; for load: calls]
    #[arg(long, value_enum)]
    pub(super) channel: Option<ChannelName>,
    /// The scenarios to send, by the names that --list shows; or `all`, or `none` [default: all, unless --script or
    /// --print-token is given]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names(), hide_possible_values = true,
          conflicts_with = "Load")]
    scenario: Vec<String>,
    /// List the scenarios and what each plays, and end
    #[arg(long, exclusive = true)]
    pub(super) list: bool,
    /// Play the calls of this script (TOML). May be given several times
    #[arg(long, value_name = "FILE", conflicts_with = "Load")]
    script: Vec<PathBuf>,
    /// Pass each request from --listen on to --url, and write it to this new file without secrets, until Ctrl-C
    #[arg(long, value_name = "FILE", requires = "listen", conflicts_with_all = NOT_WITH_RECORD)]
    pub(super) record: Option<PathBuf>,
    /// The address on which to take the requests of --record
    #[arg(long, value_name = "ADDRESS", requires = "record")]
    pub(super) listen: Option<SocketAddr>,
    /// Send the requests of this file, which --record wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_WITH_REPLAY)]
    pub(super) replay: Option<PathBuf>,
    /// With --replay: wait at most this long between two requests, also if the recorded pause was longer [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = crate::cli::duration, requires = "replay")]
    pub(super) longest_pause: Option<Duration>,
    /// After sending, keep serving the signing keys for the receiver, until Ctrl-C
    #[arg(long)]
    pub(super) hold: bool,
    /// Print a bearer token for the calls channel: `token <jwt>`, or with --json in the member `token`. Nothing is sent,
    /// unless --scenario, --script, --replay or an option of load is given too
    #[arg(long)]
    pub(super) print_token: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Send nothing: run a receiver that reads each body and answers 202, until Ctrl-C
    #[arg(long, value_name = "ADDRESS", exclusive = true)]
    pub(super) serve_noop: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) load: LoadArgs,
}

/// What has no meaning beside `--replay`: the record says it.
const NOT_WITH_REPLAY: [&str; 9] =
    ["scenario", "script", "Load", "channel", "seed", "tenant", "calls_path", "notifications_path", "lifecycle_path"];
/// What has no meaning beside `--record`: Graph makes and signs the requests.
const NOT_WITH_RECORD: [&str; 20] = [
    "replay",
    "scenario",
    "script",
    "Load",
    "channel",
    "seed",
    "hold",
    "print_token",
    "json",
    "longest_pause",
    "app_id",
    "tenant",
    "identity_dir",
    "identity_listen",
    "client_state_env",
    "certificate_key",
    "certificate_id",
    "calls_path",
    "notifications_path",
    "lifecycle_path",
];

/// The load flags. With `--rate`, `--connections`, `--duration` or `--count`, load is sent instead of the scenarios.
#[derive(Debug, clap::Args)]
#[group(id = "Load", multiple = true)]
#[command(next_help_heading = "Load (instead of the scenarios)")]
pub(super) struct LoadArgs {
    /// How many notifications to send each second. The latency is measured from the planned send time
    #[arg(long, value_name = "NUMBER", value_parser = values::rate)]
    pub rate: Option<f64>,
    /// Connections, each with one request at a time [default: 64]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub connections: Option<u16>,
    /// How long to send, such as 30s or 5m [default: 10s, unless --count is given]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub duration: Option<Duration>,
    /// How many notifications to send
    #[arg(long, value_name = "NUMBER", value_parser = values::count)]
    pub count: Option<u64>,
    /// Send change notifications with encrypted content
    #[arg(long, requires = "certificate_key")]
    pub encrypted: bool,
}

impl LoadArgs {
    pub(super) fn is_load(&self) -> bool {
        self.rate.is_some() || self.connections.is_some() || self.duration.is_some() || self.count.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ChannelName {
    Calls,
    Subscriptions,
}

/// The names of the scenarios, and the two words for all and none of them.
fn names() -> clap::builder::PossibleValuesParser {
    let named = Scenario::names().chain(Scenario::names_of_others());
    ["all", "none"].into_iter().chain(named).collect::<Vec<_>>().into()
}

/// What is played.
#[derive(Debug)]
pub(super) struct Chosen {
    pub scenarios: Vec<Scenario>,
    /// What is not played for want of a certificate, in words.
    pub left_out: Vec<String>,
}

impl Args {
    /// The mistakes that clap does not find.
    pub(super) fn mistake(&self) -> Option<String> {
        if let Some(contradiction) = self.contradiction() {
            return Some(contradiction.into());
        }
        let idle = self.stage.idle_path(self.posted())?;
        Some(format!("{idle} has no effect, because nothing is posted there"))
    }

    fn contradiction(&self) -> Option<&'static str> {
        // Where clap finds a contradiction between the needed option and a third one, it does not ask for the needed one.
        if self.listen.is_some() && self.record.is_none() {
            return Some("--listen is for --record FILE: without it nothing is listened to");
        }
        if self.longest_pause.is_some() && self.replay.is_none() {
            return Some("--longest-pause is for --replay FILE");
        }
        if self.load.encrypted && self.channel == Some(ChannelName::Calls) {
            return Some("--encrypted is for --channel subscriptions: the calls channel has no encryption");
        }
        if self.load.encrypted && !self.load.is_load() {
            return Some("--encrypted is for load; without load, use --scenario encrypted");
        }
        let has_none = self.scenario.iter().any(|name| name == "none");
        if has_none && (self.scenario.len() > 1 || !self.script.is_empty()) {
            return Some("--scenario none stands alone: without other scenarios and without --script");
        }
        if self.sends_nothing() && self.channel.is_some() {
            return Some("--channel has no effect, because nothing is sent: name scenarios with --scenario");
        }
        if self.sends_nothing() && self.stage.seed.is_some() {
            return Some("--seed has no effect, because nothing is sent: name scenarios with --scenario");
        }
        if !self.script.is_empty() && self.channel == Some(ChannelName::Subscriptions) {
            return Some("nothing to send: a script has calls, which --channel subscriptions leaves out");
        }
        None
    }

    /// Whether the arguments ask for nothing to be sent.
    fn sends_nothing(&self) -> bool {
        let has_something = self.load.is_load() || self.replay.is_some() || !self.script.is_empty();
        let is_none = match &*self.scenario {
            [] => self.print_token,
            [name] => name == "none",
            _ => false,
        };
        is_none && !has_something
    }

    /// The paths that something is posted to.
    fn posted(&self) -> Posted {
        if self.sends_nothing() {
            return Posted { calls: false, notifications: false, lifecycle: false };
        }
        if self.load.is_load() {
            let calls = self.channel != Some(ChannelName::Subscriptions) && !self.load.encrypted;
            return Posted { calls, notifications: !calls, lifecycle: false };
        }
        let Channels { calls, subscriptions } = self.channels();
        // A script has calls.
        let subscriptions = subscriptions && (self.script.is_empty() || !self.scenario.is_empty());
        Posted { calls, notifications: subscriptions, lifecycle: subscriptions }
    }

    /// What is played: the scenarios in the order of their names here, then the scripts.
    ///
    /// # Errors
    /// A scenario that is named has nothing to send, or a script has mistakes.
    pub(super) fn chosen(&self) -> anyhow::Result<Chosen> {
        let (channels, has_certificate) = (self.channels(), self.stage.certificate_key.is_some());
        let default = [String::from("all")];
        let is_default = self.scenario.is_empty() && self.script.is_empty() && !self.print_token;
        let (mut scenarios, mut left_out) = (Vec::new(), Vec::new());
        for name in if is_default { &default[..] } else { &self.scenario } {
            if name != "all" {
                scenarios.extend(self.named(name)?);
                continue;
            }
            for scenario in Scenario::all()? {
                match scenario.lacks(channels, has_certificate) {
                    None => scenarios.push(scenario),
                    Some(Lack::Certificate) => left_out.push(scenario.name().to_owned()),
                    Some(Lack::Channel) => {}
                }
            }
        }
        if channels.subscriptions && !has_certificate {
            let partly = scenarios.iter().filter(|it| it.has_encrypted_changes()).map(Scenario::name);
            let partly: Vec<&str> = partly.collect();
            left_out.extend((!partly.is_empty()).then(|| format!("the encrypted changes of {}", partly.join(" and "))));
        }
        for file in &self.script {
            scenarios.push(played::script(file)?);
        }
        Ok(Chosen { scenarios, left_out })
    }

    /// The scenario of this name; `None` for `none`.
    fn named(&self, name: &str) -> anyhow::Result<Option<Scenario>> {
        let Some(scenario) = Scenario::find(name)? else { return Ok(None) };
        match scenario.lacks(self.channels(), self.stage.certificate_key.is_some()) {
            None => Ok(Some(scenario)),
            Some(Lack::Certificate) => Err(self.unsendable(format!("{name} needs --certificate-key FILE"))),
            Some(Lack::Channel) => {
                let channel = if self.channels().calls { "calls" } else { "subscriptions" };
                Err(self.unsendable(format!("{name} has nothing on --channel {channel}")))
            }
        }
    }

    /// A scenario that cannot be sent, and why. Others beside it can be.
    fn unsendable(&self, why: String) -> anyhow::Error {
        match self.scenario.len() + self.script.len() {
            1 => anyhow::anyhow!("nothing to send: --scenario {why}"),
            _ => anyhow::anyhow!("nothing to send of one scenario: --scenario {why}. Leave it out to send the others"),
        }
    }

    pub(super) fn channels(&self) -> Channels {
        Channels {
            calls: self.channel != Some(ChannelName::Subscriptions),
            subscriptions: self.channel != Some(ChannelName::Calls),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::simulator::DEMO_TENANT;

    #[derive(Parser)]
    struct Outer {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Args, String> {
        let all = ["simulate"].iter().chain(arguments);
        Outer::try_parse_from(all).map(|outer| outer.args).map_err(|error| error.to_string())
    }

    fn names(arguments: &[&str]) -> Vec<String> {
        let args = parse(arguments).unwrap();
        assert_eq!(args.mistake(), None, "{arguments:?}");
        args.chosen().unwrap().scenarios.iter().map(|scenario| scenario.name().to_owned()).collect()
    }

    /// What is told of arguments with a mistake.
    fn refused(arguments: &[&str]) -> String {
        let args = match parse(arguments) {
            Ok(args) => args,
            Err(error) => return error,
        };
        match args.mistake() {
            Some(mistake) => mistake.to_owned(),
            None => args.chosen().map_or_else(|error| error.to_string(), |_| panic!("{arguments:?} was taken")),
        }
    }

    #[test]
    fn the_flags_of_the_scripts_are_understood() {
        let args = parse(&["--rate", "250", "--duration", "2s", "--connections", "64", "--channel", "calls", "--json"]);
        let args = args.unwrap();
        assert_eq!((args.load.rate, args.load.duration), (Some(250.0), Some(Duration::from_secs(2))));
        assert!(args.load.is_load() && args.json);
        let args = parse(&["--hold", "--print-token", "--identity-listen", "127.0.0.1:1"]).unwrap();
        assert!(args.hold && args.print_token && args.mistake().is_none());
        let encrypted =
            ["--channel", "subscriptions", "--encrypted", "--certificate-id", "b", "--certificate-key", "k"];
        let args = parse(&[&encrypted[..], &["--count", "1"]].concat()).unwrap();
        assert_eq!(args.mistake(), None);
        assert!(parse(&["--serve-noop", "127.0.0.1:0"]).unwrap().serve_noop.is_some());
    }

    #[test]
    fn without_load_flags_it_is_the_whole_scenario() {
        let args = parse(&["--certificate-key", "k"]).unwrap();
        assert!(!args.load.is_load());
        assert_eq!(names(&["--certificate-key", "k"]), Scenario::names().collect::<Vec<_>>());
        assert_eq!(args.channels(), Channels { calls: true, subscriptions: true });
        assert_eq!(names(&["--scenario", "none"]), [""; 0]);
        assert_eq!(names(&["--scenario", "rotation,driveItem"]), ["rotation", "driveItem"]);
        assert_eq!(names(&["--scenario", "dialects,handshake"]), ["dialects", "handshake"]);
        assert_eq!(names(&["--scenario", "hangup", "--scenario", "plain"]), ["hangup", "plain"]);
    }

    #[test]
    fn all_are_those_that_can_be_sent_and_the_rest_is_told() {
        let left_out = |arguments: &[&str]| parse(arguments).unwrap().chosen().unwrap().left_out;
        assert_eq!(
            left_out(&[]),
            ["encrypted", "two-tenants", "the encrypted changes of dialects and resources"].map(String::from)
        );
        assert_eq!(left_out(&["--scenario", "driveItem,presence"]), ["the encrypted changes of presence"]);
        assert_eq!(left_out(&["--certificate-key", "k"]), [""; 0]);
        assert_eq!(left_out(&["--channel", "calls"]), [""; 0]);
        assert!(!names(&[]).contains(&"encrypted".to_owned()));
        assert!(!names(&["--channel", "subscriptions"]).contains(&"plain".to_owned()));
        let more = names(&["--scenario", "rotation,all"]);
        assert_eq!((more[0].as_str(), more.len()), ("rotation", names(&[]).len() + 1));
    }

    #[test]
    fn a_token_alone_sends_nothing() {
        assert_eq!(names(&["--print-token"]), [""; 0]);
        assert_eq!(names(&["--print-token", "--scenario", "plain"]), ["plain"]);
        assert!(names(&["--print-token", "--scenario", "all"]).len() > 20);
    }

    #[test]
    fn a_scenario_that_has_nothing_to_send_is_refused() {
        for (arguments, told) in [
            (
                &["--channel", "subscriptions", "--scenario", "plain"][..],
                "plain has nothing on --channel subscriptions",
            ),
            (&["--channel", "subscriptions", "--scenario", "changes,plain"], "plain has nothing on"),
            (&["--channel", "calls", "--scenario", "changes"], "changes has nothing on --channel calls"),
            (&["--channel", "subscriptions", "--scenario", "rotation"], "rotation needs --certificate-key"),
            (&["--channel", "subscriptions", "--script", "f"], "nothing to send"),
            (&["--scenario", "encrypted"], "encrypted needs --certificate-key"),
            (&["--scenario", "plain,two-tenants"], "two-tenants needs --certificate-key"),
        ] {
            let error = refused(arguments);
            assert!(error.contains(told) && error.starts_with("nothing to send"), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn an_option_that_would_be_ignored_is_refused() {
        let load = [["--rate", "1"], ["--connections", "1"], ["--duration", "1s"], ["--count", "1"]];
        for other in [["--scenario", "plain"], ["--scenario", "none"], ["--script", "f"], ["--replay", "f"]] {
            for load in load {
                let error = refused(&[other, load].concat());
                assert!(error.contains("cannot be used with"), "{other:?} {load:?}: {error}");
            }
        }
        let record = ["--record", "f", "--listen", "127.0.0.1:0"];
        for (more, value) in [
            ("--scenario", "plain"),
            ("--script", "f"),
            ("--replay", "f"),
            ("--count", "1"),
            ("--channel", "calls"),
            ("--seed", "1"),
            ("--tenant", DEMO_TENANT),
            ("--identity-dir", "d"),
            ("--identity-listen", "127.0.0.1:1"),
            ("--client-state-env", "E"),
            ("--certificate-key", "k"),
            ("--calls-path", "/c"),
            ("--hold", ""),
            ("--print-token", ""),
            ("--json", ""),
        ] {
            let more: Vec<&str> = [more, value].into_iter().filter(|it| !it.is_empty()).collect();
            let error = refused(&[&record[..], &more].concat());
            assert!(error.contains("cannot be used with"), "{more:?}: {error}");
        }
        for more in [
            ["--channel", "calls"],
            ["--seed", "1"],
            ["--scenario", "none"],
            ["--calls-path", "/c"],
            ["--tenant", DEMO_TENANT],
        ] {
            let error = refused(&[&["--replay", "f"][..], &more].concat());
            assert!(error.contains("cannot be used with"), "{more:?}: {error}");
        }
        for (arguments, told) in [
            (&["--scenario", "all,none"][..], "none stands alone"),
            (&["--scenario", "none", "--script", "f"], "none stands alone"),
            (&["--scenario", "none", "--channel", "calls"], "--channel has no effect"),
            (&["--print-token", "--seed", "1"], "--seed has no effect"),
            (&["--longest-pause", "2s"], "--replay"),
            (&["--longest-pause", "2s", "--scenario", "plain"], "--longest-pause is for --replay FILE"),
            (&["--listen", "127.0.0.1:0"], "--record"),
            (&["--listen", "127.0.0.1:0", "--identity-listen", "127.0.0.1:0"], "--listen is for --record FILE"),
            (&["--channel", "calls", "--lifecycle-path", "/l"], "--lifecycle-path has no effect"),
            (&["--channel", "subscriptions", "--calls-path", "/c"], "--calls-path has no effect"),
            (&["--script", "f", "--notifications-path", "/n"], "--notifications-path has no effect"),
            (&["--print-token", "--calls-path", "/c"], "--calls-path has no effect"),
            (&["--count", "1", "--notifications-path", "/n"], "--notifications-path has no effect"),
            (&["--count", "1", "--channel", "subscriptions", "--calls-path", "/c"], "--calls-path has no effect"),
            (&["--certificate-id", "c"], "--certificate-key"),
        ] {
            let error = refused(arguments);
            assert!(error.contains(told), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn wrong_usage_is_told() {
        for (arguments, told) in [
            (&["--rate", "0"][..], "above 0"),
            (&["--rate", "inf"], "above 0"),
            (&["--count", "0"], "nothing would be sent: expected 1 or more"),
            (&["--count=many"], "expected a whole number"),
            (&["--duration", "0s"], "nothing would be sent: expected more than 0s"),
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
        assert!(parse(&["--encrypted", "--certificate-key", "k"]).unwrap().mistake().is_some());
    }
}
