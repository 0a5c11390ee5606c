//! Looks whether a stream takes the subject, and what its confirmation is worth.

use async_nats::jetstream::stream::StorageType;

use super::connection::Connection;
use crate::sinks::{DeliveryError, Template, reason};

/// Looks at the stream of a subject. With a subject that depends on the event, only that JetStream answers.
///
/// # Errors
/// There is no JetStream, or no stream takes the subject.
pub(super) async fn stream(connection: &Connection, subject: &Template) -> Result<Vec<String>, DeliveryError> {
    let jetstream = &connection.jetstream;
    let Some(subject) = subject.fixed() else {
        let account = jetstream.query_account().await;
        return account.map(|_account| Vec::new()).map_err(|error| failed("JetStream does not answer", &error));
    };
    let name = jetstream.stream_by_subject(subject).await;
    let name = name.map_err(|error| failed("no stream takes this subject", &error))?;
    let stream = jetstream.get_stream(&name).await;
    let stream = stream.map_err(|error| failed("the stream cannot be read", &error))?;
    let config = &stream.cached_info().config;
    let mut warnings = Vec::new();
    if config.storage == StorageType::Memory {
        warnings.push(format!("The stream {name} is kept in memory: a restart of the server loses it."));
    } else if config.num_replicas < 2 {
        warnings.push(format!(
            "The stream {name} has no replica. By default a server syncs it to the disk every 2 minutes only, so a power cut \
             loses confirmed events. Set sync_interval: always there, or use three replicas."
        ));
    }
    Ok(warnings)
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> DeliveryError {
    reason::retry(&format!("{what}: {}", reason::chain(error)))
}
