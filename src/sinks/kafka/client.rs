//! What librdkafka is told before it connects. Its keys: <https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md>.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use secrecy::ExposeSecret;
use serde_json::json;

use super::Settings;
use crate::config::{Reading, value};
use crate::sinks::DeliveryError;
use crate::sinks::auth::Auth;

/// The longest address of a broker.
const MAX_BROKER_CHARS: usize = 300;
/// How long librdkafka waits for a topic that it asked for. It is made meanwhile, where brokers make topics.
const FOR_THE_TOPIC: Duration = Duration::from_secs(5);
/// How often librdkafka looks whether topics have changed.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// What is left of an attempt when librdkafka gives a message up, so that its reason is told.
const REST: u32 = 10;

/// Reads the address of a broker.
pub(super) fn broker() -> Reading<String> {
    let read = |text: String| match text.rsplit_once(':') {
        Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(text),
        _ => Err(format!("found {text:?}, expected a host and a port, as \"kafka.example.com:9092\"")),
    };
    value::name(MAX_BROKER_CHARS).then(read, |broker: &String| json!(broker))
}

fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
    !inner.is_empty() && inner.chars().all(|it| is_part(it) || (inner.len() < text.len() && it == ':'))
}

/// The configuration of a producer, with the login and the certificates as they are now.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery: a file cannot be read any more.
pub(super) fn config(settings: &Settings) -> Result<ClientConfig, DeliveryError> {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", "reelhook")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // The partition of a key is the same as with Kafka's own client.
        .set("partitioner", "murmur2_random")
        // A batch is handed over at once: nothing is gained by waiting for more.
        .set("linger.ms", "0")
        .set("message.max.bytes", settings.max_bytes.to_string())
        .set("message.timeout.ms", message_timeout(settings.timeout).as_millis().to_string())
        .set("topic.metadata.propagation.max.ms", FOR_THE_TOPIC.as_millis().to_string())
        // A topic that was missing, or forbidden, is looked for again this often; meanwhile it is refused at once.
        .set("topic.metadata.refresh.interval.ms", BETWEEN_LOOKS.as_millis().to_string())
        // By itself it asks the crate `log`, which nobody listens to.
        .set_log_level(RDKafkaLogLevel::Info);
    let encryption = if settings.tls.is_some() { "ssl" } else { "plaintext" };
    match settings.auth.as_ref().map(Auth::login).transpose()? {
        Some(login) => {
            client.set("security.protocol", format!("sasl_{encryption}"));
            settings.mechanism.tell(&login, &mut client);
        }
        None => _ = client.set("security.protocol", encryption),
    }
    if let Some(tls) = &settings.tls {
        let pem = tls.pem()?;
        if let Some(ca) = pem.ca {
            client.set("ssl.ca.pem", ca);
        }
        if let Some((certificate, key)) = pem.identity {
            client.set("ssl.certificate.pem", certificate).set("ssl.key.pem", key.expose_secret());
        }
    }
    Ok(client)
}

/// How long a message is tried, within an attempt of this length.
pub(super) fn message_timeout(attempt: Duration) -> Duration {
    (attempt - attempt / REST).max(Duration::from_millis(1))
}
