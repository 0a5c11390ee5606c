//! The command line, one file for each subcommand. Results go to standard output, one per line; messages go to standard
//! error.
//!
//! Exit codes: 0 done, 1 the command failed or found a fault, 2 wrong usage or config, 3 not done in time, 74 the
//! store's disk failed (start again: acknowledged notifications are in the log). `wait` also has 4 (the operation is
//! lost) and 5 (no answer from the server); its 1 means that the operation failed.

mod answers;
mod check;
mod completions;
mod config;
mod conformance;
mod deadletters;
mod deliveries;
mod demo;
mod event_stream;
mod events;
mod exchanges;
mod explain;
mod healthcheck;
mod load;
mod man;
mod print;
mod progress;
mod quarantine;
mod reload;
mod remote;
mod resend;
mod schemas;
mod serve;
mod server;
mod session;
mod signals;
mod simulate;
mod sinks;
mod store;
mod tail;
mod text;
mod token;
mod unmatched;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use self::print::remark;
use crate::config::value;
use crate::sinks::{Kind, register};

/// The exit code for wrong usage or config.
const EXIT_CONFIG: u8 = 2;

/// reelhook receives notifications of Microsoft Graph, verifies and stores them, and delivers them to your systems by
/// rules. It is made above all for the recordings of calling bots (recordOperation).
#[derive(Debug, Parser)]
#[command(name = "reelhook", version, about, max_term_width = 100)]
#[command(after_help = "\
Start here:
  reelhook demo                     see it work, without any setup
  reelhook check --config my.toml   find every mistake in a config
  reelhook serve --config my.toml   receive and deliver notifications

Each command's --help has examples.

Exit codes:
  0   done
  1   the command failed
  2   wrong usage or config
  3   not done in time
  74  the store's disk failed
`wait` also has 4 and 5, `conformance` also has 5. If a signal ends `wait`, `conformance` or a
scenario of `simulate` early, it ends with 130, 143 or 129. Their --help says more.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive notifications and deliver them
    #[command(after_help = "\
Examples:
  reelhook serve --config my.toml
  REELHOOK__SERVER__LISTEN=0.0.0.0:9000 reelhook serve --config my.toml

It logs to standard error, as JSON lines unless the config has log.format = \"text\".
SIGTERM or Ctrl-C stops it cleanly: it answers open requests and lets deliveries in progress finish.
A second signal ends it at once. After SIGHUP it loads its config again, as after reelhook reload.

Exit codes:
  0   stopped
  1   it could not start, one of its tasks failed, or a second signal ended it
  2   the config has mistakes
  74  the store's disk failed. Start it again: no acknowledged notification is lost")]
    Serve(ConfigArg),
    /// Make the running server load its config again
    Reload(reload::Args),
    /// Find every mistake in a config, and deliveries whose sink is not in it; with --probe, try the store, the listeners,
    /// the sinks, and the addresses of Microsoft's signing keys
    Check(check::Args),
    /// Show how reelhook works: a server, a simulated Microsoft Graph and a bot in one process, in a temporary folder
    Demo(demo::Args),
    /// Act as Microsoft Graph and send test notifications to a receiver
    Simulate(Box<simulate::Args>),
    /// Test whether a receiver follows Graph's rules, and grade it
    Conformance(Box<conformance::Args>),
    /// List, show and replay dead letters: deliveries that reelhook has given up
    Deadletters(deadletters::Args),
    /// List deliveries, attempt one now, move or give up those whose sink is not in the config; resend delivered events
    Deliveries(deliveries::Args),
    /// List and show sinks; pause and resume them; attempt now all that waits for one
    Sinks(sinks::Args),
    /// List, show and replay notifications that could not be verified or read
    Quarantine(quarantine::Args),
    /// List, show and replay events that matched no route
    Unmatched(unmatched::Args),
    /// List and show events of all types, with what became of each
    Events(events::Args),
    /// Show what happened to an operation, or to one event: notifications, the routes they matched, each delivery
    Explain(explain::Args),
    /// Print the events of a running server as they arrive
    Tail(tail::Args),
    /// Wait until an operation has ended or is lost
    Wait(wait::Args),
    /// Make bearer tokens for the admin listener; explain why a token of Graph is refused; print the public half of the key
    /// that signs deliveries
    Token(token::Args),
    /// Check that a running server is alive or ready (for containers without a shell)
    Healthcheck(healthcheck::Args),
    /// Copy the store into a file, and look for damage in it
    Store(store::Args),
    /// Print the values of a config with their origins, or its JSON Schema for editors
    Config(config::Args),
    /// Write the JSON Schemas of events, and the AsyncAPI document
    Schemas(schemas::Args),
    /// Print a completion script for your shell
    Completions(completions::Args),
    /// Print the manual page, or write the pages of all commands
    Man(man::Args),
}

/// The path of the config.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The config file
    #[arg(long, global = true, value_name = "FILE", env = "REELHOOK_CONFIG", default_value = "config/reelhook.toml")]
    config: PathBuf,
}

/// The command line as clap knows it. Completions and manual pages are made of it.
fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    run_with(Vec::new())
}

/// The same, for a program that brings kinds of sinks of its own. Every command knows them.
pub fn run_with(own: Vec<Kind>) -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = register(own) {
        remark!("reelhook: {error}");
        return ExitCode::FAILURE;
    }
    // Only the first call in a process can succeed; after it the provider is installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            remark!("reelhook: cannot start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let system = actix_web::rt::System::with_tokio_rt(move || runtime);
    let outcome = system.block_on(until_cut_off(dispatch(cli.command)));
    // Dropping the runtime would wait for a stuck write to a pipe that nobody reads; the process must still end.
    std::mem::forget(system);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            remark!("reelhook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command, but ends it successfully once nobody reads its output any more.
async fn until_cut_off(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let outcome = tokio::select! {
        biased;
        outcome = command => outcome,
        () = print::cut_off() => Ok(ExitCode::SUCCESS),
    };
    match print::failure() {
        None => outcome,
        Some(error) => Err(anyhow::anyhow!("cannot write to standard output: {error}")),
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(&args.config).await,
        Command::Reload(args) => reload::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Simulate(args) => simulate::run(*args).await,
        Command::Conformance(args) => conformance::run(*args).await,
        Command::Deadletters(args) => deadletters::run(args).await,
        Command::Deliveries(args) => deliveries::run(args).await,
        Command::Sinks(args) => sinks::run(args).await,
        Command::Quarantine(args) => quarantine::run(args).await,
        Command::Unmatched(args) => unmatched::run(args).await,
        Command::Events(args) => events::run(args).await,
        Command::Explain(args) => explain::run(args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Wait(args) => wait::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Healthcheck(args) => healthcheck::run(args).await,
        Command::Store(args) => store::run(args).await,
        Command::Config(args) => config::run(args),
        Command::Schemas(args) => schemas::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}
/// Reads an argument that is a duration, such as `30s`.
fn duration(text: &str) -> Result<Duration, String> {
    value::parse_duration(text).ok_or_else(|| "expected a duration such as 30s or 5m, that is not negative".into())
}
