//! `reelhook check`: reports every mistake of a config at once, and deliveries that wait for sinks that are not in it.
//! With `--probe` it also tries what the server needs: the store, the listeners, the sinks and the key providers.

mod findings;
mod probes;

use std::process::ExitCode;

pub(super) use self::findings::origin;
use self::findings::{Finding, Findings, Probe};
use super::{ConfigArg, EXIT_CONFIG, load};
use crate::config::Config;
use crate::domain::SinkName;
use crate::store::Views;
use crate::wording;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook check --config my.toml                   every mistake, each with its line and key
  reelhook check --config my.toml --probe           also try the store, the listeners, the sinks and
                                                    the key providers
  reelhook check --config my.toml --deny-warnings   in a pipeline: a warning fails too
  reelhook check --config my.toml --json | jq -r '.mistakes[] | .key + \": \" + .text'

Run it with the same environment variables as the server: the command reads the secrets, and
REELHOOK__.. variables override config keys. If the store exists, it also reports deliveries
whose sink is not in the config.

--probe sends no event and changes nothing. It writes a file in the store's folder and removes it,
reads the store's key, listens for a moment on each address, connects to each sink, and fetches the
signing keys. If a server runs with this store, addresses that are in use are not reported: the
server listens there.

Exit codes:
  0  no mistakes
  1  a probe failed
  2  the config has mistakes, or warnings with --deny-warnings")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Try the store's folder and key, the listeners, each sink and each provider of signing keys. Sends no event
    #[arg(long)]
    probe: bool,
    /// Fail if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Checks, and reports the result.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let path = &args.config.config;
    let (checked, warnings) = load::whole(path);
    let mut findings = Findings::new(path.display().to_string(), warnings.iter().map(Finding::from).collect());
    let checked = match checked {
        Err(mistakes) => {
            findings.mistakes = load::in_order(mistakes).iter().map(Finding::from).collect();
            None
        }
        Ok((loaded, sinks)) => {
            findings.counts = Some((loaded.config.sinks.len(), loaded.config.routes.len()));
            find_gone_sinks(&loaded.config, &mut findings).await;
            Some((loaded.config, sinks))
        }
    };
    if !args.json {
        findings.tell();
    }
    if let Some((config, sinks)) = checked.filter(|_| args.probe) {
        let tell = |probe: Probe| {
            if !args.json {
                probe.tell();
            }
            findings.probes.push(probe);
        };
        probes::run(&config, sinks, tell).await?;
    }
    match args.json {
        true => findings.tell_as_json(),
        false if args.deny_warnings => findings.tell_denied(),
        false => {}
    }
    Ok(findings.exit_code(args.deny_warnings))
}

impl Findings {
    fn exit_code(&self, deny_warnings: bool) -> ExitCode {
        let has_failed = |probe: &Probe| probe.failure.is_some();
        if !self.mistakes.is_empty() || (deny_warnings && !self.warnings.is_empty()) {
            return ExitCode::from(EXIT_CONFIG);
        }
        if self.probes.iter().any(has_failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Warns of deliveries in the store that wait for sinks that are not in the config. The store is only read.
async fn find_gone_sinks(config: &Config, findings: &mut Findings) {
    // A database is looked at by a probe alone.
    if config.store.url.is_some() || !config.store.path.exists() {
        return;
    }
    let read = async { anyhow::Ok(load::store(config)?.backlog().await?) };
    match read.await {
        Ok(backlogs) => {
            let has = |sink: &SinkName| config.sinks.iter().any(|known| known.name == *sink);
            for (sink, backlog) in backlogs.iter().filter(|(sink, backlog)| backlog.n_open > 0 && !has(sink)) {
                let n = backlog.n_open;
                let text = wording::sink_is_gone(sink.as_str(), n, &n.to_string());
                findings.warnings.push(Finding { place: None, key: format!("sinks.{sink}"), text });
            }
        }
        Err(error) => findings.notes.push(format!("cannot read the waiting deliveries in the store: {error:#}")),
    }
}
