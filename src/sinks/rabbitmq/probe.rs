//! Looks whether the exchange is there.

use lapin::ExchangeKind;
use lapin::options::ExchangeDeclareOptions;
use lapin::types::FieldTable;

use super::connection::Connection;
use super::{Settings, failure, message};
use crate::sinks::DeliveryError;

/// Looks at the exchange. The protocol tells nothing about the queues behind it.
///
/// # Errors
/// There is no such exchange.
pub(super) async fn exchange(connection: &Connection, settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    if let Some(exchange) = &settings.exchange {
        let name = message::short(exchange.clone())?;
        // Passive: it asks, and the type does not matter.
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let channel = connection.channel().await?;
        let declared = channel.exchange_declare(name, ExchangeKind::Direct, options, FieldTable::default());
        declared.await.map_err(|error| failure::of(&error))?;
    }
    Ok(vec![
        "A confirmation is worth what the queues are: a queue that is not durable loses its messages when the server \
         restarts, and a classic queue has no replica. AMQP 0-9-1 does not tell which queues an exchange has: look there."
            .to_owned(),
    ])
}
