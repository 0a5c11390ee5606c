//! `reelhook conformance`: tests whether a receiver follows Graph's rules, and grades it.

use std::process::ExitCode;

use super::EXIT_CONFIG;
use super::print::{remark, say};
use super::signals::Signals;
use super::simulate::stage::{self, StageArgs};
use crate::simulator::conformance::{self, Channel, Grade, Level, Outcome, Verdict};
use crate::simulator::{ClientError, Graph};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook conformance --url https://hooks.example.com
  reelhook conformance --only subscriptions --notifications-path /api/listen
  reelhook conformance --certificate-key key.pem --json

The command signs its tokens with keys of its own. The receiver must trust these keys instead of
Microsoft's: give it the config lines that the command prints at its start (without --json). If the
receiver is on another machine, set --identity-listen to an address that it can reach.

Each check is a must or a should. Grades: A every check passed; B every must passed; C at least
90 % of the musts passed; D at least half of them; F fewer than half.

Exit codes:
  0    every must passed
  1    a must failed, or no receiver answers at --url
  2    wrong usage
  130  ended by Ctrl-C: no grade
  143  ended by SIGTERM: no grade
  129  ended by SIGHUP: no grade")]
pub struct Args {
    #[command(flatten)]
    stage: StageArgs,
    /// Check only this channel
    #[arg(long, value_enum, value_name = "CHANNEL")]
    only: Option<ChannelName>,
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
    let stage = match stage::open(args.stage) {
        Ok(stage) => stage,
        Err(error) => {
            remark!("reelhook: {error:#}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if !args.json {
        stage.tell_receiver_config();
    }
    if let Err(error) = is_there(&stage.graph).await {
        remark!("reelhook: {error}; nothing was checked");
        return Ok(ExitCode::FAILURE);
    }
    let channel = match args.only {
        None => Channel::Both,
        Some(ChannelName::Calls) => Channel::Calls,
        Some(ChannelName::Subscriptions) => Channel::Subscriptions,
    };
    let grade = conformance::grade(&stage.graph, channel, stage.seed, |verdict| {
        if !args.json {
            print_verdict(verdict, args.explain);
        }
    })
    .await?;
    if args.json {
        say!("{}", grade.json());
    } else {
        print_grade(&grade);
    }
    Ok(if grade.is_conformant() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether anybody listens, whatever the answer is.
async fn is_there(graph: &Graph) -> Result<(), ClientError> {
    let handshake = graph.handshake(&graph.paths.notifications, "reachability");
    match graph.send(handshake).await {
        Err(error @ ClientError::Connect { .. }) => Err(error),
        _ => Ok(()),
    }
}

fn print_verdict(verdict: &Verdict, explain: bool) {
    let Verdict { name, level, expected, why, outcome, .. } = verdict;
    let level = level.as_str();
    match outcome {
        Outcome::Pass => say!("PASS  {level:<6}  {name}"),
        Outcome::Skip(reason) => say!("SKIP  {level:<6}  {name:<39}  {reason}"),
        Outcome::Fail(found) => say!("FAIL  {level:<6}  {name:<39}  {found}"),
    }
    if explain || matches!(outcome, Outcome::Fail(_)) {
        say!("              expected {expected}");
        say!("              because  {why}");
    }
}

fn print_grade(grade: &Grade) {
    let ((musts, of_musts), (shoulds, of_shoulds)) = (grade.passed(Level::Must), grade.passed(Level::Should));
    let n_skipped = grade.verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::Skip(_))).count();
    say!(
        "\ngrade {}: {musts} of {of_musts} musts, {shoulds} of {of_shoulds} shoulds, {n_skipped} skipped",
        grade.letter()
    );
    if let Some(first) = grade.verdicts.first()
        && first.name == "calls-accepts-a-genuine-token"
        && matches!(first.outcome, Outcome::Fail(_))
    {
        say!(
            "hint: the receiver refused a genuine token, so its other refusals mean little: does it trust this identity?"
        );
    }
}
