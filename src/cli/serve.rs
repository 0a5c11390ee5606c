//! `reelhook serve`: receive and deliver until told to stop.

use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::load;
use crate::app::App;
use crate::clock::Clock;
use crate::config::LogFormat;
use crate::telemetry;

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once.
pub async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let (config, sinks) = match load::with_sinks(path) {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    telemetry::log::start(&config.log.filter, config.log.format == LogFormat::Json).map_err(anyhow::Error::msg)?;
    keep_memory_private();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let app = App::start(config, sinks, Clock::system()).await?;
    let mut told_to_stop = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    told_to_stop().await;
    tokio::select! {
        () = app.stop() => Ok(ExitCode::SUCCESS),
        () = told_to_stop() => {
            tracing::warn!("told to stop twice: ending at once; what was acknowledged is durable");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// No core dumps, no reading of this process's memory by others of the same user: it holds tokens and keys.
fn keep_memory_private() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(%error, "could not switch core dumps off");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "could not make the process's memory private");
    }
}
