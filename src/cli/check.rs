//! `reelhook check`: reports every mistake of a config at once, and deliveries that wait for sinks that are not in it.
//! With `--probe` it also tests the connections to the sinks and the key providers.

use std::process::ExitCode;
use std::sync::Arc;

use super::print::{remark, say};
use super::{ConfigArg, load, text};
use crate::app::BuiltSinks;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Channel, SinkName};
use crate::graph::keys::Keys;
use crate::operator;
use crate::store::Views;
use crate::telemetry::Metrics;
use crate::wording;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook check --config my.toml           every mistake, each with its line and key
  reelhook check --config my.toml --probe   also connect to the sinks and fetch the signing keys

Run it with the same environment variables as the server: the command reads the secrets, and
REELHOOK__.. variables override config keys. If the store exists, it also reports deliveries
whose sink is not in the config.

Exit codes: 0 no mistakes, 1 a probe failed, 2 the config has mistakes")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Connect to each sink without sending anything, and fetch each provider's signing keys
    #[arg(long)]
    probe: bool,
}

/// Checks, and reports the result.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let path = &args.config.config;
    let (config, sinks) = match load::with_sinks(path) {
        Ok((loaded, sinks)) => (loaded.config, sinks),
        Err(code) => return Ok(code),
    };
    let (n_sinks, n_routes) = (text::counted(config.sinks.len(), "sink"), text::counted(config.routes.len(), "route"));
    say!("{}: {n_sinks}, {n_routes}: no mistakes", path.display());
    tell_of_gone_sinks(&config).await;
    if args.probe && !probe(&config, sinks).await? {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Warns of deliveries in the store that wait for sinks that are not in the config. The store is only read.
async fn tell_of_gone_sinks(config: &Config) {
    if !config.store.path.exists() {
        return;
    }
    let read = async { anyhow::Ok(load::store(config)?.backlog().await?) };
    match read.await {
        Ok(backlogs) => {
            let has = |sink: &SinkName| config.sinks.iter().any(|known| known.name == *sink);
            for (sink, backlog) in backlogs.iter().filter(|(sink, backlog)| backlog.n_open > 0 && !has(sink)) {
                remark!(
                    "warning: {}",
                    text::safe(
                        &wording::sink_is_gone(sink.as_str(), backlog.n_open, &backlog.n_open.to_string()),
                        1000
                    )
                );
            }
        }
        Err(error) => remark!("note: cannot read the waiting deliveries in the store: {error:#}"),
    }
}

/// Tests the connection to each sink and key provider; returns whether all were reached.
async fn probe(config: &Config, sinks: BuiltSinks) -> anyhow::Result<bool> {
    let mut all_well = true;
    let mut tell = |what: String, failed: Option<String>| match failed {
        None => say!("  ok      {what}"),
        Some(why) => {
            all_well = false;
            say!("  FAILED  {what}: {}", text::safe(&why, 500));
        }
    };
    for (name, built) in sinks {
        tell(format!("sinks.{name}"), operator::probed(&*built.sink).await.err());
    }
    let calls = config.calls.as_ref().map(|calls| ("calls", Channel::Calls, &calls.openid_configuration));
    let subscriptions =
        config.subscriptions.as_ref().map(|it| ("subscriptions", Channel::Subscriptions, &it.openid_configuration));
    for (section, channel, url) in calls.into_iter().chain(subscriptions) {
        let keys = Keys::new(channel, url.clone(), Arc::new(Metrics::new()), Clock::system())?;
        tell(format!("{section}.openid_configuration"), operator::tried(keys.probe()).await.err());
    }
    Ok(all_well)
}
