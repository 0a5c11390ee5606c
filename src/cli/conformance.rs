//! `reelhook conformance`: tests whether a receiver follows Graph's rules, and grades it.

use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinSet;

use super::print::{remark, say};
use super::signals::Signals;
use super::simulate::stage::{self, Posted, Stage, StageArgs};
use super::{EXIT_CONFIG, progress};
use crate::simulator::conformance::{self, Channel, Grade, Level, Observer, Outcome, Place, Setting, Told, Verdict};
use crate::simulator::{ClientError, Graph};

/// How long the first look for a receiver may take.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// Nobody takes connections: nothing was checked. As `wait` has it.
const EXIT_NO_RECEIVER: u8 = 5;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook conformance --identity-dir identity --url https://hooks.example.com
  reelhook conformance --identity-dir identity --channel subscriptions --notifications-path /api/listen
  reelhook conformance --identity-dir identity --certificate-key key.pem --json
With what the receiver wrote to a file, and with what it posts to an address:
  reelhook conformance --identity-dir identity --observe data/events.jsonl
  reelhook conformance --identity-dir identity --observe http://127.0.0.1:9500
With a crash:
  reelhook conformance --identity-dir identity --observe data/events.jsonl \\
    --restart-command 'docker restart -t 0 hook'

The command signs its tokens with keys of its own. The receiver must trust these keys instead of
Microsoft's: give it the config lines that the command prints at its start (without --json). If the
receiver is on another machine, set --identity-listen to an address that it can reach. Use
--identity-dir: without it each run makes a new key, and a receiver that keeps the former one
refuses every token until it fetches the keys again.

--observe shows the command what the receiver delivered. Any format will do: the command looks for
ids that only one notification has. Every genuine notification that is answered 2xx must be
delivered, within 10 s after the last one was sent. FILE: the receiver appends lines to it, as a
sink of kind file does. http://HOST:PORT: the command listens there and answers 200: let the
receiver post what it delivers to this address.

--restart-command runs in a shell. It must kill the receiver, start it again, and end with exit code
0 within 60 s. If the receiver takes no connections 10 s after that, it is gone: grade F. The command
must really restart the receiver. To see that, conformance keeps one connection open. If it still
answers after the restart, nothing was restarted, and the check is skipped. A proxy can keep such a
connection open, so --url must name the receiver itself.

Each check is a must (if it fails, a genuine notification is lost, or a forged one is taken for
genuine), a should, or advice. Grades:
  A  every must and every should that was judged passed
  B  every must that was judged passed, a should failed
  C  one must failed; or none failed, and an important check could not be made (without --observe,
     for example)
  D  two or more musts failed; or a channel is of no use: it refuses every genuine notification,
     accepts forged ones from everybody, or delivers nothing
  F  every channel refuses every genuine notification, or accepts forged ones from everybody; or
     more than half of the musts failed; or the receiver hangs, is too slow, or is gone
Without --observe no grade is better than C, because answers do not show whether anything was
stored. More: docs/conformance.md.

Exit codes:
  0    every must that was judged passed
  1    a must failed, or the receiver hangs, is too slow, or is gone
  2    wrong usage; or --restart-command restarted nothing, or failed: survives-a-crash was skipped
  5    no receiver takes connections at --url: nothing was checked
  130  ended by Ctrl-C: no grade
  143  ended by SIGTERM: no grade
  129  ended by SIGHUP: no grade")]
pub struct Args {
    #[command(flatten)]
    stage: StageArgs,
    /// Check only this channel
    #[arg(long, value_enum, value_name = "CHANNEL")]
    channel: Option<ChannelName>,
    /// See what the receiver delivered: a file that it appends to, or an address that it posts to
    #[arg(long, value_name = "FILE|http://HOST:PORT", value_parser = place)]
    observe: Option<Place>,
    /// A shell command that kills the receiver and starts it again: accepted notifications must survive it
    #[arg(long, value_name = "COMMAND", requires = "observe")]
    restart_command: Option<String>,
    /// For passed checks too, print what was expected and why
    #[arg(long, conflicts_with = "json")]
    explain: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ChannelName {
    Calls,
    Subscriptions,
}

/// Reads where deliveries are seen. The command listens at an address, not at a path of it, and makes up no port.
fn place(text: &str) -> Result<Place, String> {
    let place = Place::read(text)?;
    if let Some((_, rest)) = text.split_once("://") {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !matches!(path, "" | "/") {
            return Err(format!("found the path {path}, expected http://HOST:PORT: the receiver may post to any path"));
        }
        let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
        if port.parse::<u16>().is_err() {
            return Err("found no port, expected http://HOST:PORT to listen on".into());
        }
    }
    Ok(place)
}

impl Args {
    /// The mistakes that clap does not find.
    fn mistake(&self) -> Option<String> {
        let (channel, posted) = match self.channel? {
            ChannelName::Calls => ("calls", Posted { calls: true, notifications: false, lifecycle: false }),
            ChannelName::Subscriptions => {
                ("subscriptions", Posted { calls: false, notifications: true, lifecycle: true })
            }
        };
        self.stage.idle_path(posted).map(|option| format!("{option} has no effect with --channel {channel}"))
    }
}

/// Grades, unless a signal ends it.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    tokio::select! {
        graded = graded(args) => graded,
        told = signals.next() => {
            remark!("ended by {} before all checks were made: no grade", told.name());
            Ok(told.code())
        }
    }
}

async fn graded(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(mistake) = args.mistake() {
        remark!("reelhook: {mistake}");
        return Ok(ExitCode::from(EXIT_CONFIG));
    }
    let mut servers = JoinSet::new();
    let opened = stage::open(args.stage).and_then(|stage| Ok((stage, observer(args.observe, &mut servers)?)));
    let (stage, observer) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            remark!("reelhook: {error:#}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if !args.json {
        stage.tell_receiver_config();
    }
    if let Err(error) = is_there(&stage.graph).await {
        let why = format!("{error}; nothing was checked: is the receiver running? See --url");
        remark!("reelhook: {why}");
        if args.json {
            say!("{}", conformance::unchecked_json(&why));
        }
        return Ok(ExitCode::from(EXIT_NO_RECEIVER));
    }
    let channel = match args.channel {
        None => Channel::Both,
        Some(ChannelName::Calls) => Channel::Calls,
        Some(ChannelName::Subscriptions) => Channel::Subscriptions,
    };
    let mut setting = Setting::new(channel, stage.seed);
    (setting.observer, setting.restart_command) = (observer, args.restart_command);
    let shown = if args.json { Shown::Nothing } else { Shown::Verdicts { explain: args.explain } };
    let grade = shown_grade(&stage, &mut setting, shown).await?;
    if args.json {
        say!("{}", grade.json());
    } else {
        print_grade(&grade);
    }
    Ok(exit_code(&grade))
}

/// A fault of the receiver weighs more than a check that could not be made.
fn exit_code(grade: &Grade) -> ExitCode {
    match grade.is_conformant() {
        false => ExitCode::FAILURE,
        true if grade.not_done.is_empty() => ExitCode::SUCCESS,
        true => ExitCode::from(EXIT_CONFIG),
    }
}

fn observer(place: Option<Place>, servers: &mut JoinSet<std::io::Result<()>>) -> anyhow::Result<Option<Observer>> {
    let Some(place) = place else { return Ok(None) };
    let (observer, server) = Observer::start(place)?;
    if let Some((_, server)) = server {
        servers.spawn(server);
    }
    Ok(Some(observer))
}

/// Whether anybody listens, whatever the answer is.
async fn is_there(graph: &Graph) -> Result<(), ClientError> {
    let handshake = graph.handshake(&graph.paths.notifications, "reachability");
    match tokio::time::timeout(FIRST_LOOK, graph.send(handshake)).await {
        Ok(Err(error @ ClientError::Connect { .. })) => Err(error),
        _ => Ok(()),
    }
}

/// What is shown before the grade.
#[derive(Clone, Copy)]
enum Shown {
    Nothing,
    Verdicts { explain: bool },
}

async fn shown_grade(stage: &Stage, setting: &mut Setting, shown: Shown) -> anyhow::Result<Grade> {
    let bar = progress::bar(Some(1), "[{bar:30}] {pos} of {len}  {elapsed}  {msg}");
    let grade = conformance::grade(&stage.graph, setting, |told| match told {
        Told::Begins { name, nth, of } => {
            bar.set_length(of as u64);
            bar.set_position(nth as u64);
            bar.set_message(name);
        }
        Told::Looks => bar.set_message("waiting for deliveries"),
        Told::Restarts => bar.set_message("killing the receiver and starting it again"),
        Told::Verdict(verdict) => {
            if let Shown::Verdicts { explain } = shown {
                bar.suspend(|| print_verdict(verdict, explain));
            }
        }
    })
    .await;
    bar.finish_and_clear();
    Ok(grade?)
}

fn print_verdict(verdict: &Verdict, explain: bool) {
    let Verdict { name, level, expected, source, outcome, .. } = verdict;
    let level = level.as_str();
    match outcome {
        Outcome::Pass => say!("PASS  {level:<6}  {name}"),
        Outcome::Skip(reason) => say!("SKIP  {level:<6}  {name:<42}  {reason}"),
        Outcome::Follows(cause) => say!("SKIP  {level:<6}  {name:<42}  {}", conformance::follows_from(cause)),
        Outcome::Fail(found) => say!("FAIL  {level:<6}  {name:<42}  {found}"),
    }
    if explain || matches!(outcome, Outcome::Fail(_)) {
        say!("              expected {expected}");
        say!("              because  {source}");
    }
}

fn print_grade(grade: &Grade) {
    say!("\ngrade {}: {}", grade.letter(), grade.reason());
    for level in Level::ALL {
        let counts = grade.counts(level);
        let passed = match counts.n_judged() {
            0 => "none judged".into(),
            n_judged => format!("{} of {n_judged} passed", counts.n_passed),
        };
        let following = match counts.n_following {
            0 => String::new(),
            n => format!("; {n} more follow from failures"),
        };
        say!("{:<6}  {passed}{following}", level.as_str());
    }
    let n_skipped = grade.verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Skip(_))).count();
    if n_skipped > 0 {
        say!("skipped for other reasons: {n_skipped}");
    }
    for text in &grade.not_seen {
        say!("not seen: {text}");
    }
    for text in &grade.hints {
        say!("hint: {text}");
    }
}
