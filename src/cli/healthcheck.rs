//! `reelhook healthcheck`: requests `/livez` of a running server, for containers without a shell and curl.

use std::process::ExitCode;
use std::time::Duration;

use super::print::remark;
use super::server::reachable;
use super::{ConfigArg, load};

const TIMEOUT: Duration = Duration::from_secs(2);

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook healthcheck --config my.toml            is the server alive?
  reelhook healthcheck --config my.toml --ready    does it accept notifications?
  HEALTHCHECK CMD [\"/reelhook\", \"healthcheck\"]    in a Dockerfile

Exit codes: 0 the server answered 200, 1 it did not, 2 the config has mistakes")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Request /readyz instead of /livez
    #[arg(long)]
    ready: bool,
}

/// Exit code 0 if the server answered 200, otherwise 1.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match load::config(&args.config.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let address = reachable(config.admin.listen);
    let path = if args.ready { "readyz" } else { "livez" };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(crate::tls::client_config()?)
        .timeout(TIMEOUT)
        .no_proxy()
        .build()?;
    match client.get(format!("http://{address}/{path}")).send().await {
        Ok(answer) if answer.status().is_success() => Ok(ExitCode::SUCCESS),
        Ok(answer) => {
            remark!(
                "{address}/{path} answered {}: {}",
                answer.status(),
                answer.text().await.unwrap_or_default().trim()
            );
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            remark!("{address}/{path} did not answer: {:#}", anyhow::Error::from(error));
            Ok(ExitCode::FAILURE)
        }
    }
}
