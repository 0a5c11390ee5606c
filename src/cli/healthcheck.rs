//! `reelhook healthcheck`: requests `/livez` of a running server, for containers without a shell and curl.
//!
//! **Invariants**
//! 1. The outcome depends on the server alone. Of the config it needs the address, and it finds that also in a file with
//!    mistakes: otherwise a broken file would have a healthy container replaced.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use url::Url;

use super::print::remark;
use super::remote::{below, http_url};
use super::server::reachable;
use crate::config::{self, AdminAddress};

const TIMEOUT: Duration = Duration::from_secs(2);

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of the config it reads only admin.listen, so a mistake elsewhere changes nothing. The variable
REELHOOK__ADMIN__LISTEN overrides it. If neither the variable nor the config has an address, the
command asks 127.0.0.1:8081.

Examples:
  reelhook healthcheck                                     is the server alive?
  reelhook healthcheck --ready                             does it accept notifications?
  reelhook healthcheck --url http://127.0.0.1:8082         at an address that you name
  HEALTHCHECK CMD [\"reelhook\", \"healthcheck\"]              in a Dockerfile

Exit codes: 0 the server answered 200, 1 it did not")]
pub struct Args {
    /// The config, which names the admin listener
    #[arg(long, value_name = "FILE", env = "REELHOOK_CONFIG", default_value = "config/reelhook.toml")]
    config: PathBuf,
    /// The server's admin listener or listener for probes, instead of the config's admin.listen
    #[arg(long, value_name = "URL", value_parser = http_url)]
    url: Option<Url>,
    /// Request /readyz instead of /livez
    #[arg(long)]
    ready: bool,
}

impl Args {
    /// The server's address, and why it may be another.
    fn server(&self) -> anyhow::Result<(Url, Option<String>)> {
        if let Some(url) = &self.url {
            return Ok((url.clone(), None));
        }
        let AdminAddress { listen, doubt } = AdminAddress::find(&self.config, config::variables());
        let base = Url::parse(&format!("http://{}/", reachable(listen))).context("the admin listener's address")?;
        Ok((base, doubt))
    }
}

/// Exit code 0 if the server answered 200, otherwise 1.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (base, doubt) = args.server()?;
    let url = below(&base, &[if args.ready { "readyz" } else { "livez" }]);
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(crate::tls::client_config()?)
        .timeout(TIMEOUT)
        .no_proxy()
        .build()?;
    match client.get(url.clone()).send().await {
        Ok(answer) if answer.status().is_success() => return Ok(ExitCode::SUCCESS),
        Ok(answer) => {
            let status = answer.status();
            remark!("{url} answered {status}: {}", answer.text().await.unwrap_or_default().trim());
        }
        Err(error) => remark!("{url} did not answer: {:#}", anyhow::Error::from(error)),
    }
    if let Some(doubt) = doubt {
        remark!("perhaps the server has another address ({doubt}): name it with --url");
    }
    Ok(ExitCode::FAILURE)
}
