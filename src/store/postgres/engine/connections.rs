//! Connections to the database: a bounded number, opened when they are needed and kept.
//!
//! **Invariants**
//! 1. A connection is used only if a commit on it is durable: `synchronous_commit` is read back, because the server, the
//!    database or the role can set it.
//! 2. Nothing waits longer than Graph does: connecting, waiting for a connection and each statement are limited to less
//!    than 3 s. The server ends a transaction whose process stopped.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::store_error;
use crate::store::StoreError;

pub use deadpool_postgres::Client;

/// The most connections of a process.
const MOST: usize = 12;
/// How long connecting may take, and waiting for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// What each connection is told first. In milliseconds, below the 3 s that Graph waits.
const LIMITS: &str = "SET statement_timeout = 2500; SET lock_timeout = 2500; \
                      SET idle_in_transaction_session_timeout = 2800; SET client_min_messages = warning";
const EXPECTED: &str = "expected an address as \"postgres://user@db.example.com:5432/reelhook\"";

/// The connections of a process.
pub struct Connections {
    pool: Pool,
    config: Config,
}

impl Connections {
    /// Connections to the database of an address. Opens none yet.
    ///
    /// # Errors
    /// It is no address.
    pub fn new(address: &SecretString) -> Result<Self, StoreError> {
        let config =
            config(address.expose_secret()).map_err(|found| StoreError::Unusable(format!("store.url: {found}")))?;
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let opener = Opener { runtime: Handle::current() };
        let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
        let pool = Pool::builder(Manager::from_connect(config.clone(), opener, manager))
            .max_size(MOST)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(|client, _| {
                Box::pin(async move {
                    client.batch_execute(LIMITS).await.map_err(HookError::Backend)?;
                    let row = client.query_one("SHOW synchronous_commit", &[]).await.map_err(HookError::Backend)?;
                    durable(row.get(0)).map_err(HookError::message)
                })
            }))
            .build()
            .map_err(|error| StoreError::Unusable(error.to_string()))?;
        Ok(Self { pool, config })
    }

    /// A connection. It goes back when it is dropped.
    ///
    /// # Errors
    /// None is free in time, none can be opened, or a commit would not be durable on it.
    pub async fn get(&self) -> Result<Client, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => StoreError::Busy,
            PoolError::Timeout(_) => StoreError::Database("PostgreSQL did not answer within 2 s".into()),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => store_error(&error),
            PoolError::PostCreateHook(HookError::Message(found)) => StoreError::Unusable(found.into_owned()),
            PoolError::Closed => StoreError::Closed,
            other => StoreError::Database(other.to_string()),
        })
    }

    /// A connection of its own without a limit of time, for what is done once.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn own(&self) -> Result<(tokio_postgres::Client, JoinHandle<()>), StoreError> {
        let opener = Opener { runtime: Handle::current() };
        opener.connect(&self.config).await.map_err(|error| store_error(&error))
    }

    /// Closes all that are not in use; the others are closed when they are given back.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// Opens connections whose bytes are moved on one runtime, whoever asks for them.
struct Opener {
    runtime: Handle,
}

type Opened = Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>;

impl Connect for Opener {
    fn connect(&self, config: &Config) -> Pin<Box<dyn Future<Output = Opened> + Send + '_>> {
        let config = config.clone();
        Box::pin(async move {
            // Where a connection ends with an error, the statements end with it, and there it is told.
            if config.get_ssl_mode() == SslMode::Require
                && let Ok(tls) = crate::tls::client_config()
            {
                let (client, connection) = config.connect(MakeRustlsConnect::new(tls)).await?;
                return Ok((client, self.runtime.spawn(async move { drop(connection.await) })));
            }
            let (client, connection) = config.connect(NoTls).await?;
            Ok((client, self.runtime.spawn(async move { drop(connection.await) })))
        })
    }
}

fn durable(synchronous_commit: &str) -> Result<(), String> {
    if synchronous_commit == "off" {
        return Err(
            "found synchronous_commit = off, expected on, remote_apply, remote_write or local: a crash of the \
                    server would lose what was acknowledged; set it for the server, the database or the role"
                .into(),
        );
    }
    Ok(())
}

/// Reads an address. What is wrong is not shown: it may be a part of a password.
///
/// # Errors
/// What was expected.
pub fn config(address: &str) -> Result<Config, String> {
    if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
        return Err(format!("found another scheme than postgres, {EXPECTED}"));
    }
    let mut config = Config::from_str(address)
        .map_err(|_shown| format!("found no address, or an unknown parameter of one, {EXPECTED}"))?;
    if config.get_hosts().is_empty() {
        return Err(format!("found no host, {EXPECTED}"));
    }
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    config.keepalives_idle(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(5));
    if config.get_application_name().is_none() {
        config.application_name("reelhook");
    }
    Ok(config)
}
