//! The setup that `simulate` and `conformance` share: Graph's identity, the receiver, and the lines that the receiver's
//! config needs.

use std::fmt::Write;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::task::JoinSet;
use url::{Position, Url};

use super::values;
use crate::cli::print::remark;
use crate::clock::Clock;
use crate::simulator::{
    Certificate, Client, DEMO_APP_ID, DEMO_TENANT, Graph, Identity, Paths, Provider, SimulatorError,
};

/// The arguments of both commands.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StageArgs {
    /// The receiver's URL, without a path: paths have their own options
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// The application (bot) that the notifications are for
    #[arg(long, value_name = "GUID", default_value = DEMO_APP_ID, value_parser = values::guid)]
    pub app_id: String,
    /// The tenant that the notifications come from
    #[arg(long, value_name = "GUID", default_value = DEMO_TENANT, value_parser = values::guid)]
    pub tenant: String,
    /// Keep the signing key in this folder, so that several runs share it [default: a new key for each run]
    #[arg(long, value_name = "FOLDER", help_heading = "Identity")]
    pub identity_dir: Option<PathBuf>,
    /// The address on which to serve the OpenID configurations and signing keys
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9400", help_heading = "Identity")]
    pub identity_listen: SocketAddr,
    /// The environment variable that holds the subscriptions' clientState
    #[arg(long, value_name = "NAME", default_value = "REELHOOK_CLIENT_STATE", help_heading = "Identity")]
    pub client_state_env: String,
    /// The private key (PEM file) of the encryption certificate; made if it is missing
    #[arg(long, value_name = "FILE", help_heading = "Identity")]
    pub certificate_key: Option<PathBuf>,
    /// The certificate's id in the receiver's config
    #[arg(
        long,
        value_name = "ID",
        default_value = "simulator",
        requires = "certificate_key",
        help_heading = "Identity"
    )]
    pub certificate_id: String,
    /// The receiver's path for call notifications [default: /graph/calls]
    #[arg(long, value_name = "PATH", value_parser = values::path, help_heading = "Paths")]
    pub calls_path: Option<String>,
    /// The receiver's path for change notifications [default: /graph/notifications]
    #[arg(long, value_name = "PATH", value_parser = values::path, help_heading = "Paths")]
    pub notifications_path: Option<String>,
    /// The receiver's path for lifecycle notifications [default: /graph/lifecycle]
    #[arg(long, value_name = "PATH", value_parser = values::path, help_heading = "Paths")]
    pub lifecycle_path: Option<String>,
    /// The seed of the ids: the same number makes the same ids [default: random]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}

/// The paths that something is posted to.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Posted {
    pub calls: bool,
    pub notifications: bool,
    pub lifecycle: bool,
}

impl StageArgs {
    /// The option that names a path to which nothing is posted.
    pub(in crate::cli) fn idle_path(&self, posted: Posted) -> Option<&'static str> {
        let all = [
            ("--calls-path", &self.calls_path, posted.calls),
            ("--notifications-path", &self.notifications_path, posted.notifications),
            ("--lifecycle-path", &self.lifecycle_path, posted.lifecycle),
        ];
        all.into_iter().find(|(_, path, is_posted_to)| path.is_some() && !is_posted_to).map(|(option, ..)| option)
    }

    fn paths(&self) -> Paths {
        let Paths { calls, notifications, lifecycle } = Paths::default();
        Paths {
            calls: self.calls_path.clone().unwrap_or(calls),
            notifications: self.notifications_path.clone().unwrap_or(notifications),
            lifecycle: self.lifecycle_path.clone().unwrap_or(lifecycle),
        }
    }
}

/// Graph, with its key provider running.
pub(in crate::cli) struct Stage {
    pub graph: Graph,
    pub provider: Provider,
    pub seed: u64,
    client_state_env: String,
    certificate_key: Option<PathBuf>,
    _servers: JoinSet<std::io::Result<()>>,
}

/// Sets up: reads or makes the keys and starts the provider.
///
/// # Errors
/// The URL, a key file or the provider's address cannot be used. This is wrong usage; the text says which.
pub(in crate::cli) fn open(args: StageArgs) -> anyhow::Result<Stage> {
    let clock = Clock::system();
    check_url(&args.url, "name the receiver's paths with --calls-path, --notifications-path and --lifecycle-path")?;
    let client = Client::new(&args.url)?;
    let identity = match &args.identity_dir {
        Some(folder) => Identity::in_folder(folder, clock)?,
        None => Identity::new(clock)?,
    };
    let certificate = certificate(&args)?;
    let (provider, server) = Provider::start(args.identity_listen, identity.clone()).map_err(with_way_out)?;
    let mut servers = JoinSet::new();
    servers.spawn(server);
    let client_state = std::env::var(&args.client_state_env).ok().filter(|text| !text.is_empty());
    let paths = args.paths();
    let graph = Graph { client, identity, app_id: args.app_id, tenant: args.tenant, client_state, certificate, paths };
    Ok(Stage {
        graph,
        provider,
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000_000)),
        client_state_env: args.client_state_env,
        certificate_key: args.certificate_key,
        _servers: servers,
    })
}

/// Refuses the URL of a receiver that has a path; `instead` says where paths come from.
///
/// # Errors
/// What was found. A URL that is none is not refused here.
pub(super) fn check_url(url: &str, instead: &str) -> anyhow::Result<()> {
    let Ok(parsed) = Url::parse(url) else { return Ok(()) };
    let found = &parsed[Position::BeforePath..];
    anyhow::ensure!(matches!(found, "" | "/"), "--url {url}: found the path {found}, expected none: {instead}");
    Ok(())
}

/// What to do if another run has the address of the keys.
fn with_way_out(error: SimulatorError) -> anyhow::Error {
    match &error {
        SimulatorError::Listen { cause, .. } if cause.kind() == ErrorKind::AddrInUse => anyhow::anyhow!(
            "{error}.\nIf another run serves its keys there, as with --hold: end it, or give this run the same \
             --identity-dir and another --identity-listen.\nThen the receiver goes on fetching the keys from the other \
             run: do not change its config"
        ),
        _ => error.into(),
    }
}

/// The certificate. One that is made is told, since the name of the file may have been meant otherwise.
fn certificate(args: &StageArgs) -> Result<Option<Certificate>, SimulatorError> {
    let Some(path) = &args.certificate_key else { return Ok(None) };
    let is_missing = !path.exists();
    let certificate = Certificate::in_file(&args.certificate_id, path)?;
    if is_missing {
        remark!(
            "made a new certificate: give it to the receiver. Its key is in {}, which did not exist",
            path.display()
        );
    }
    Ok(Some(certificate))
}

impl Stage {
    /// The lines for reelhook's config that make it trust this identity.
    pub(in crate::cli) fn receiver_config(&self) -> String {
        let (app, provider) = (quoted(&self.graph.app_id), &self.provider);
        let mut lines = format!(
            "[calls]\napp_ids = [{app}]\nopenid_configuration = {}\n\n[subscriptions]\napp_ids = [{app}]\n\
             openid_configuration = {}\nclient_states = [{{ env = {} }}]\n",
            quoted(&provider.calls_configuration()),
            quoted(&provider.subscriptions_configuration()),
            quoted(&self.client_state_env),
        );
        if let (Some(certificate), Some(path)) = (&self.graph.certificate, &self.certificate_key) {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let (id, path) = (quoted(certificate.id()), quoted(&path.to_string_lossy()));
            // Writing to a String cannot fail.
            let _ = write!(lines, "\n[[subscriptions.certificates]]\nid = {id}\nprivate_key = {{ file = {path} }}\n");
        }
        lines
    }

    /// Prints, on standard error, the lines that the receiver's config needs.
    pub(in crate::cli) fn tell_receiver_config(&self) {
        remark!("The receiver must trust this identity instead of Microsoft's. In reelhook's config:\n");
        for line in self.receiver_config().lines() {
            remark!("{}", if line.is_empty() { String::new() } else { format!("    {line}") });
        }
        remark!("");
        if self.graph.client_state.is_none() {
            let name = &self.client_state_env;
            remark!("note: {name} is not set here, so subscription items carry no clientState and are not verified;");
            remark!("      set it to the same text here and for the receiver\n");
        }
    }
}

/// A TOML string: JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    #[test]
    fn the_help_names_the_paths_that_are_taken_if_none_is_given() {
        let help = StageArgs::augment_args(clap::Command::new("simulate")).render_long_help().to_string();
        let Paths { calls, notifications, lifecycle } = Paths::default();
        for path in [calls, notifications, lifecycle] {
            assert!(help.contains(&format!("[default: {path}]")), "{path}: {help}");
        }
    }

    #[test]
    fn a_url_with_a_path_is_refused_and_the_options_for_paths_are_named() {
        for url in ["http://127.0.0.1:8080", "https://hooks.example.com/", "nonsense"] {
            assert!(check_url(url, "").is_ok(), "{url}");
        }
        for url in ["http://127.0.0.1:8080/graph/calls", "http://a/?x=y", "https://a/b/"] {
            let error = check_url(url, "name the paths with --calls-path").unwrap_err().to_string();
            assert!(error.contains(url) && error.ends_with("name the paths with --calls-path"), "{error}");
        }
    }
}
