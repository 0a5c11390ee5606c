//! `reelhook check`: every mistake of a config at once; with `--probe`, a look at the far sides.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::{ConfigArg, EXIT_CONFIG};
use crate::app::{BuiltSinks, build_sinks};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::Channel;
use crate::graph::keys::Keys;
use crate::graph::{Limits, Subscriptions};
use crate::routing::Routes;
use crate::telemetry::Metrics;

/// The longest that one probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  reelhook check --config config/reelhook.toml\n  reelhook check --config config/reelhook.toml --probe\n\nExit codes: 0 all is well, 1 a probe failed, 2 the config has mistakes"
)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Try each sink (nothing is sent) and fetch each provider's keys
    #[arg(long)]
    probe: bool,
}

/// Checks, and tells what was found.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let path = &args.config.config;
    let (config, mut mistakes) = match config::load(path, config::variables()) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
            (Some(loaded.config), Vec::new())
        }
        Err(mistakes) => (None, vec![mistakes.to_string()]),
    };
    let mut sinks = Vec::new();
    if let Some(config) = &config {
        match build_sinks(config) {
            Ok(built) => sinks = built,
            Err(wrong) => mistakes.extend(wrong.iter().map(|mistake| format!("{}: {mistake}", path.display()))),
        }
        mistakes.extend(build_others(config).into_iter().map(|mistake| format!("{}: {mistake}", path.display())));
    }
    let Some(config) = config.filter(|_| mistakes.is_empty()) else {
        for mistake in mistakes {
            eprintln!("{mistake}");
        }
        return Ok(ExitCode::from(EXIT_CONFIG));
    };
    println!("{}: {} sinks, {} routes: no mistakes", path.display(), config.sinks.len(), config.routes.len());
    if args.probe && !probe(&config, sinks).await? {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Mistakes that show only when things are built: certificates' keys, routes.
fn build_others(config: &Config) -> Vec<String> {
    let mut mistakes = Vec::new();
    if let Err(error) = Routes::new(&config.routes) {
        mistakes.push(error.to_string());
    }
    if let Some(subscriptions) = &config.subscriptions {
        let (metrics, clock) = (Arc::new(Metrics::new()), Clock::system());
        let url = subscriptions.openid_configuration.clone();
        match Keys::new(Channel::Subscriptions, url, Arc::clone(&metrics), clock.clone()) {
            Ok(keys) => {
                let limits = Limits { max_items: config.server.max_items };
                if let Err(error) = Subscriptions::new(subscriptions, keys, limits, clock, metrics) {
                    mistakes.push(error.to_string());
                }
            }
            Err(error) => mistakes.push(error.to_string()),
        }
    }
    mistakes
}

/// Looks at each far side; returns whether all could be reached.
async fn probe(config: &Config, sinks: BuiltSinks) -> anyhow::Result<bool> {
    let mut all_well = true;
    let mut tell = |what: String, failed: Option<String>| match failed {
        None => println!("  ok      {what}"),
        Some(why) => {
            all_well = false;
            println!("  FAILED  {what}: {why}");
        }
    };
    for (name, sink) in sinks {
        let outcome = match tokio::time::timeout(PROBE_TIMEOUT, sink.probe()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_elapsed) => Some(format!("no answer within {PROBE_TIMEOUT:?}")),
        };
        tell(format!("sinks.{name}"), outcome);
    }
    let calls = config.calls.as_ref().map(|calls| ("calls", Channel::Calls, &calls.openid_configuration));
    let subscriptions =
        config.subscriptions.as_ref().map(|it| ("subscriptions", Channel::Subscriptions, &it.openid_configuration));
    for (section, channel, url) in calls.into_iter().chain(subscriptions) {
        let keys = Keys::new(channel, url.clone(), Arc::new(Metrics::new()), Clock::system())?;
        let outcome = match tokio::time::timeout(PROBE_TIMEOUT, keys.probe()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_elapsed) => Some(format!("no answer within {PROBE_TIMEOUT:?}")),
        };
        tell(format!("{section}.openid_configuration {url}"), outcome);
    }
    Ok(all_well)
}
