//! The command line: one file for each subcommand.
//!
//! Exit codes: 0 done, 1 what was asked for failed or was found wanting, 2 wrong usage or config.

mod conformance;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code for wrong usage or config.
const EXIT_CONFIG: u8 = 2;

/// Receives Microsoft Graph notifications that carry a recordOperation: verified, stored durably, matched by
/// clientContext, delivered to sinks.
#[derive(Debug, Parser)]
#[command(name = "reelhook", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play Microsoft Graph against any receiver
    Simulate(Box<simulate::Args>),
    /// Grade any receiver, with reasons
    Conformance(Box<conformance::Args>),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // Only the first call in a process can fail, and then a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("reelhook: cannot start its runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let system = actix_web::rt::System::with_tokio_rt(move || runtime);
    match system.block_on(dispatch(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("reelhook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Simulate(args) => simulate::run(*args).await,
        Command::Conformance(args) => conformance::run(*args).await,
    }
}
