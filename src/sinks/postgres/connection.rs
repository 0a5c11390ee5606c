//! A connection to a server.

use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::rows::{self, Rows};
use super::table::Table;
use super::{Settings, failure};
use crate::sinks::DeliveryError;
use crate::sinks::auth::Auth;
use crate::sinks::connection::Connected;

/// A connection.
pub(super) struct Connection {
    client: Client,
    /// Moves the bytes. It ends with the connection.
    _driver: JoinSet<()>,
}

impl Connected for Connection {}

impl Connection {
    /// Connects with the login and the certificates as they are now, to the first server that can be used.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) async fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let mut config = settings.server.config.clone();
        if let Some(login) = settings.auth.as_ref().map(Auth::login).transpose()? {
            config.user(login.name).password(login.secret.expose_secret());
        }
        let mut driver = JoinSet::new();
        let client = if let Some(tls) = &settings.tls {
            let tls = MakeRustlsConnect::new(tls.client_config()?);
            let (client, connection) =
                config.ssl_mode(SslMode::Require).connect(tls).await.map_err(|it| failure::of(&it))?;
            // It ends with an error where the statements end with one, and there it is told.
            driver.spawn(async move { drop(connection.await) });
            client
        } else {
            let (client, connection) =
                config.ssl_mode(SslMode::Disable).connect(NoTls).await.map_err(|it| failure::of(&it))?;
            driver.spawn(async move { drop(connection.await) });
            client
        };
        Ok(Self { client, _driver: driver })
    }

    /// As [`Connection::open`], and makes the table if it is missing and may be made. Who may make none is not asked to.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(super) async fn ready(settings: &Settings) -> Result<Self, DeliveryError> {
        let connection = Self::open(settings).await?;
        if settings.create_table && !connection.has(&settings.table).await? {
            let created = connection.client.batch_execute(&settings.table.creation()).await;
            created.map_err(|error| failure::of(&error))?;
        }
        Ok(connection)
    }

    /// Whether the table exists.
    pub(super) async fn has(&self, table: &Table) -> Result<bool, DeliveryError> {
        let [found] = self.ask("SELECT to_regclass($1)::text", &table.quoted).await?;
        Ok(found.is_some())
    }

    /// Asks the server something about a text. The answer is a row of texts; what is missing in it is `None`.
    pub(super) async fn ask<const N: usize>(
        &self,
        question: &str,
        about: &(dyn ToSql + Sync),
    ) -> Result<[Option<String>; N], DeliveryError> {
        let rows = self.client.query_typed(question, &[(about, Type::TEXT)]).await;
        let rows = rows.map_err(|error| failure::of(&error))?;
        Ok(std::array::from_fn(|n| rows.first().and_then(|row| row.try_get(n).ok()).flatten()))
    }

    /// Inserts rows in one transaction, and waits until it is committed.
    pub(super) async fn insert(&self, table: &Table, rows: &Rows<'_>) -> Result<(), DeliveryError> {
        let inserted = self.client.execute_typed(&rows::statement(table), &rows.parameters()).await;
        inserted.map(drop).map_err(|error| failure::of(&error))
    }
}
