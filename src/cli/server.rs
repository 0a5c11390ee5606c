//! Which server a command asks: the running one, over its admin listener; or, with `--offline`, one that the command itself
//! starts over a store that no server uses, and stops at its end.
//!
//! **Invariants**
//! 1. A bearer token never comes from the command line: everybody on the machine can read arguments.
//! 2. The config leads to loopback only; another address has to be named by `--url`.
//! 3. The config's token goes only to the config's address, not to one that `--url` names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret;
use url::Url;

use super::load;
use super::print::remark;
use super::remote::{Remote, http_url};
use super::session::{Session, Silent};
use crate::app::Offline;
use crate::config::{DEFAULT_LISTEN, SecretSource};
use crate::web::loopback;

/// The config that is used if none is named and this file exists.
const USUAL_CONFIG: &str = "config/reelhook.toml";
/// The exit code if a running server does not answer in time.
const EXIT_SILENT: u8 = 3;
/// The most bytes of a token.
const MAX_TOKEN_BYTES: u64 = 4096;

/// Which server, and with which token.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct RemoteArgs {
    /// The server's admin listener [default: the config's admin.listen; without a config http://127.0.0.1:8081]
    #[arg(long, global = true, value_name = "URL", value_parser = http_url)]
    url: Option<Url>,
    /// The config, which names the admin listener and the token for commands [default: config/reelhook.toml, if it
    /// exists]
    #[arg(long, global = true, value_name = "FILE", env = "REELHOOK_CONFIG")]
    config: Option<PathBuf>,
    /// The name of the environment variable with the bearer token. If this variable is empty or not set,
    /// admin.command_token of the config is used
    #[arg(long, global = true, value_name = "NAME", default_value = "REELHOOK_TOKEN")]
    token_env: String,
    /// A file that holds the bearer token, instead of the variable
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Which server, or the store itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct ServerArgs {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Open the config's store instead of asking a server. Only if no server is using the store
    #[arg(long, global = true)]
    offline: bool,
}

/// What a command does to a store that no server uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It reads.
    Reading,
    /// It changes something.
    Changes,
}

/// A server's address, and where its token is.
type Named = (Url, Option<SecretSource>);

impl RemoteArgs {
    /// The server that is meant. `Err` is the exit code of a config with mistakes, which were printed.
    ///
    /// # Errors
    /// The token cannot be read, the address is not loopback, or TLS cannot be set up.
    pub fn server(&self) -> anyhow::Result<Result<Remote, ExitCode>> {
        let (base, token) = match self.named() {
            Ok(named) => named?,
            Err(code) => return Ok(Err(code)),
        };
        let authorization = self.authorization(token.as_ref())?;
        if authorization.is_some() && base.scheme() == "http" && !loopback::is_in(&base) {
            remark!("warning: the token goes to {base} unencrypted; https keeps it secret");
        }
        Remote::new(base, authorization).map(Ok)
    }

    /// The config that is named, or the usual one if it exists.
    fn config(&self) -> Option<&Path> {
        let usual = Path::new(USUAL_CONFIG);
        self.config.as_deref().or_else(|| usual.exists().then_some(usual))
    }

    /// The server's address, and where the config says that its token is.
    fn named(&self) -> Result<anyhow::Result<Named>, ExitCode> {
        if let Some(url) = &self.url {
            return Ok(Ok((url.clone(), None)));
        }
        let (address, token) = match self.config() {
            Some(path) => {
                let admin = load::config(path)?.admin;
                (reachable(admin.listen), admin.command_token)
            }
            None => (DEFAULT_LISTEN, None),
        };
        Ok(of_config(address).map(|base| (base, token)))
    }

    /// The token of the file, or of the variable, or of the config.
    fn authorization(&self, configured: Option<&SecretSource>) -> anyhow::Result<Option<HeaderValue>> {
        let variable = std::env::var_os(&self.token_env).filter(|token| !token.is_empty());
        let (name, token) = match (&self.token_file, variable, configured) {
            (Some(path), ..) => (path.display().to_string(), read_token(path)?),
            (None, Some(token), _) => {
                let wrong = |_bytes| anyhow!("{}: found something else, expected a bearer token", self.token_env);
                (self.token_env.clone(), token.into_string().map_err(wrong)?)
            }
            (None, None, Some(source)) => {
                let token = source.read().context("admin.command_token")?;
                (format!("admin.command_token: {source}"), token.expose_secret().to_owned())
            }
            (None, None, None) => return Ok(None),
        };
        bearer(token.trim()).with_context(|| format!("{name}: found something else, expected a bearer token")).map(Some)
    }
}

impl ServerArgs {
    /// Opens a session with the server, runs the command over it, and closes the session.
    ///
    /// # Errors
    /// Those of the command; there is no server to ask.
    pub async fn ask(
        &self,
        needs: Needs,
        command: impl AsyncFnOnce(&Session) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        if self.offline {
            return self.ask_offline(needs, command).await;
        }
        let remote = match self.remote.server()? {
            Ok(remote) => remote,
            Err(code) => return Ok(code),
        };
        unless_silent(command(&Session::with(remote)).await)
    }

    async fn ask_offline(
        &self,
        needs: Needs,
        command: impl AsyncFnOnce(&Session) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        ensure!(self.remote.url.is_none(), "found --offline and --url, expected one of them");
        let config = match load::config(self.remote.config().unwrap_or(Path::new(USUAL_CONFIG))) {
            Ok(config) => config,
            Err(code) => return Ok(code),
        };
        let offline = Offline::open(config, needs == Needs::Changes).await?;
        let base =
            Url::parse(&format!("http://{}/", offline.address)).context("the address of the store's listener")?;
        let outcome = match Remote::new(base, Some(bearer(&offline.token)?)) {
            Ok(remote) => command(&Session::offline(remote)).await,
            Err(error) => Err(error),
        };
        offline.close().await;
        outcome
    }
}

/// The outcome of a command; if the server did not answer in time, a line about it and its own exit code.
///
/// # Errors
/// Every other error of the command.
pub fn unless_silent(outcome: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match outcome {
        Err(error) if error.is::<Silent>() => {
            remark!("{error}");
            Ok(ExitCode::from(EXIT_SILENT))
        }
        outcome => outcome,
    }
}

fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    let about = || format!("{}: the token cannot be read", path.display());
    let n_bytes = path.metadata().with_context(about)?.len();
    ensure!(n_bytes <= MAX_TOKEN_BYTES, "{}: found {n_bytes} bytes, expected a bearer token", path.display());
    std::fs::read_to_string(path).with_context(about)
}

/// The URL of the config's admin listener. It must be loopback: a config alone must not send a token over a network.
fn of_config(address: SocketAddr) -> anyhow::Result<Url> {
    ensure!(
        address.ip().to_canonical().is_loopback(),
        "admin.listen: found {address}, expected a loopback address; to send commands over the network, name the server \
         with --url http://{address}"
    );
    Url::parse(&format!("http://{address}/")).context("the admin listener's address")
}

/// The address to connect to if a server listens on all addresses.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_leads_to_loopback_only() {
        let to = |text: &str| of_config(reachable(text.parse().unwrap())).map(String::from);
        for (listen, url) in [
            ("127.0.0.1:8081", "http://127.0.0.1:8081/"),
            ("0.0.0.0:8081", "http://127.0.0.1:8081/"),
            ("[::]:81", "http://[::1]:81/"),
        ] {
            assert_eq!(to(listen).unwrap(), url);
        }
        assert!(to("10.0.0.1:8081").unwrap_err().to_string().contains("--url http://10.0.0.1:8081"));
    }
}
