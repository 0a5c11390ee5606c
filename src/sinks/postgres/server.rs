//! The address of a database: of one server, or of several of which one takes writes.

use std::time::Duration;

use serde_json::json;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use crate::config::{Reading, value};

const EXPECTED: &str = "expected an address as \"postgres://db.example.com:5432/events\"";
/// How long one of several servers may take to be reached, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Clone)]
pub(super) struct Server {
    text: String,
    /// How it is reached, without a login.
    pub(super) config: Config,
}

impl Server {
    /// Whether the address asks for an encrypted connection.
    pub(super) fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    fn parse(text: String) -> Result<Self, String> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(format!("found another scheme than postgres, {EXPECTED}"));
        }
        // What is wrong is not shown: it may be a part of a password.
        let mut config: Config =
            text.parse().map_err(|_shown| format!("found no address, or an unknown parameter of one, {EXPECTED}"))?;
        if config.get_user().is_some() || config.get_password().is_some() {
            return Err("found a user or a password in the address, expected none: write them in auth".to_owned());
        }
        if config.get_hosts().is_empty() {
            return Err(format!("found no host, {EXPECTED}"));
        }
        if config.get_hosts().len() > 1 {
            // Of several servers, the replicas take nothing.
            if config.get_target_session_attrs() == TargetSessionAttrs::Any {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            let timeout = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
            config.connect_timeout(timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("reelhook");
        }
        Ok(Self { text, config })
    }
}

/// Reads an address from a config.
pub(super) fn reading() -> Reading<Server> {
    value::text().then(Server::parse, |server: &Server| json!(server.text))
}
