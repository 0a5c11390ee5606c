//! Which server a command asks: the running one, over its admin listener; or, with `--offline`, one that lasts as long as
//! the command, over a store that no server has.
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
use crate::config::SecretSource;
use crate::web::loopback;

/// The config that is looked for where none is named.
const USUAL_CONFIG: &str = "config/reelhook.toml";
/// Where the admin listener is where nothing says otherwise.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// The exit code where a running server does not answer in time.
const EXIT_SILENT: u8 = 3;
/// The most bytes of a token.
const MAX_TOKEN_BYTES: u64 = 4096;

/// Which server, and by what right.
#[derive(Debug, clap::Args)]
pub struct RemoteArgs {
    /// The admin listener; default: the config's admin.listen, or http://127.0.0.1:8081
    #[arg(long, global = true, value_name = "URL", value_parser = http_url)]
    url: Option<Url>,
    /// The config that says where the admin listener and the token are
    #[arg(long, global = true, value_name = "FILE", env = "REELHOOK_CONFIG")]
    config: Option<PathBuf>,
    /// The environment variable that holds the bearer token; default after it: the config's admin.command_token
    #[arg(long, global = true, value_name = "NAME", default_value = "REELHOOK_TOKEN")]
    token_env: String,
    /// A file that holds the bearer token, instead of the variable
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Which server, or none.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    #[command(flatten)]
    remote: RemoteArgs,
    /// Open the config's store instead of asking a server; no server may be using it
    #[arg(long, global = true)]
    offline: bool,
}

/// What a command does to a store that no server has.
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
    /// The server that is meant. `Err` is the exit code of a config with mistakes, which were told.
    ///
    /// # Errors
    /// The token is none, the address is not loopback, or TLS cannot be set up.
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

    /// The config that is named, or the usual one where it exists.
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
            None => (USUAL_ADDRESS, None),
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
    /// Opens the way to the server, runs the command over it, and closes what was opened.
    ///
    /// # Errors
    /// Those of the command; there is no way to the server.
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
        match command(&Session::with(remote)).await {
            Err(error) if error.is::<Silent>() => {
                remark!("{error}");
                Ok(ExitCode::from(EXIT_SILENT))
            }
            outcome => outcome,
        }
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

/// The listener of the config. Only loopback is taken from there: a token must not go over a network because of a config.
fn of_config(address: SocketAddr) -> anyhow::Result<Url> {
    ensure!(
        address.ip().to_canonical().is_loopback(),
        "admin.listen: found {address}, expected a loopback address; if commands shall go over the network, name the \
         server by --url http://{address}"
    );
    Url::parse(&format!("http://{address}/")).context("the admin listener's address")
}

/// The address to ask where a server listens on all of them.
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
