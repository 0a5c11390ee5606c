//! The `postgres` sink: inserts events into a table of PostgreSQL, and waits until they are committed.
//!
//! **Invariants**
//! 1. An event is delivered when the transaction that inserted it is committed.
//! 2. The id of a delivery is unique in the table: a repeat changes nothing, and counts as delivered.
//! 3. A batch is one statement, and one transaction. If a row of it is refused, the rows are inserted one by one, in order:
//!    a row that has to wait holds up those of its own call only.
//! 4. A reason has the server's message, never its detail: that repeats the row.

#![cfg(feature = "postgres")]

mod connection;
mod failure;
mod probe;
mod rows;
mod server;
mod table;

use std::collections::HashMap;

use std::sync::Arc;

use async_trait::async_trait;

use self::connection::Connection;
use self::rows::Rows;
use self::server::Server;
use self::table::Table;
use super::auth::{Auth, PASSWORD};
use super::connection::Shared;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, WITHOUT_HEADERS, result_of_one};
use crate::config::Section;
use crate::config::value::switch;
use crate::domain::Delivery;

/// As many rows as are inserted by one statement.
const BATCH_SIZE: usize = 256;
/// While one batch is committed, the next one is on its way. More would wait on the connection instead of in the queue,
/// where they become larger batches.
const MOST_AT_A_TIME: usize = 2;

/// `kind = "postgres"`
struct Settings {
    server: Server,
    table: Table,
    create_table: bool,
    shape: Shape,
    auth: Option<Auth>,
    tls: Option<Tls>,
}

/// Inserts events into a table of PostgreSQL.
pub struct PostgresSink {
    settings: Settings,
    connection: Shared<Connection>,
}

impl FromConfig for PostgresSink {
    const KIND: &'static str = "postgres";
    const SUMMARY: &'static str = "a row in a table of PostgreSQL, once for each delivery";
    const CONFIRMED: &'static str = "committed";
    const PAGE: &'static str = include_str!("../../../docs/sinks/postgres.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let server = section.need("url", "the address of a database", server::reading());
        let table = section.need("table", "the name of a table, as \"recordings\"", table::reading());
        let create_table = section.or("create_table", true, switch());
        let shape = Shape::read(section, WITHOUT_HEADERS, context);
        let auth = Auth::read(section, &[PASSWORD]);
        let tls = Tls::read(section);
        let server = server?;
        let tls = tls.or_else(|| server.is_encrypted().then(Tls::default));
        Some(Self {
            settings: Settings { server, table: table?, create_table, shape, auth, tls },
            connection: Shared::default(),
        })
    }
}

#[async_trait]
impl Sink for PostgresSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        if deliveries.is_empty() {
            return Vec::new();
        }
        let connect = async || Connection::ready(&self.settings).await;
        let insert = async |connection: Arc<Connection>| match self.insert(&connection, deliveries).await {
            Err(error) if deliveries.len() > 1 && !error.pauses() => self.one_by_one(&connection, deliveries).await,
            result => vec![result; deliveries.len()],
        };
        self.connection.attempt(deliveries.len(), connect, insert).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    fn is_all_or_nothing(&self) -> bool {
        true
    }

    fn most_at_a_time(&self) -> usize {
        MOST_AT_A_TIME
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let connection = Connection::open(&self.settings).await?;
        probe::table(&connection, &self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered is committed: nothing is left to send.
        drop(self.connection.close().await);
        Ok(())
    }
}

impl PostgresSink {
    async fn insert(&self, connection: &Connection, deliveries: &[&Delivery]) -> Result<(), DeliveryError> {
        let mut rows = Rows::default();
        for delivery in deliveries {
            rows.push(&self.settings.shape, delivery);
        }
        connection.insert(&self.settings.table, &rows).await
    }

    /// Inserts each row by itself. After one that has to wait, the rows of its call are not tried: they would overtake it.
    async fn one_by_one(&self, connection: &Connection, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let mut results = Vec::with_capacity(deliveries.len());
        let mut put_off: HashMap<Option<&str>, DeliveryError> = HashMap::new();
        let mut broken = None;
        for delivery in deliveries {
            let call = delivery.event.partition_key();
            let result = match broken.as_ref().or_else(|| put_off.get(&call)) {
                Some(error) => Err(DeliveryError::clone(error)),
                None => self.insert(connection, &[delivery]).await,
            };
            match &result {
                Err(error) if error.pauses() => broken = Some(error.clone()),
                Err(error @ DeliveryError::Retry { .. }) => drop(put_off.insert(call, error.clone())),
                _ => {}
            }
            results.push(result);
        }
        results
    }
}
