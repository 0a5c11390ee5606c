//! Looks at the topic, and what a confirmation of its brokers is worth.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::Producer as _;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::connection::{Connection, Producer};
use super::{Settings, client};
use crate::sinks::{DeliveryError, reason};

/// How long the brokers may take to answer a question.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the brokers say of a topic.
struct Found {
    /// The replicas of the partition that has the fewest.
    n_replicas: usize,
    /// Its settings, if the login may read them.
    config: Option<ConfigResource>,
}

/// Looks at a topic. With one that depends on the event, only that the brokers answer.
///
/// # Errors
/// No broker answers, or there is no such topic.
pub(super) async fn topic(connection: &Connection, settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    let (producer, client) = (connection.producer()?.clone(), client::config(settings)?);
    let name = settings.topic.fixed().map(str::to_owned);
    let asked = name.clone();
    let looking = spawn_blocking(move || look(&producer, &client, asked.as_deref()));
    let found = tokio::select! {
        found = looking => found.map_err(|_ended| reason::retry_all("the question was aborted"))??,
        lost = connection.lost.reason() => return Err(lost),
    };
    let Some((name, found)) = name.zip(found) else { return Ok(Vec::new()) };
    Ok(found.warnings(&name, settings))
}

/// Asks the brokers, on a thread where that may block.
fn look(producer: &Producer, client: &ClientConfig, topic: Option<&str>) -> Result<Option<Found>, DeliveryError> {
    let metadata = producer.client().fetch_metadata(topic, PATIENCE);
    let metadata = metadata.map_err(|error| reason::retry_all(&format!("the brokers do not answer: {error}")))?;
    let Some(name) = topic else { return Ok(None) };
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Err(missing()) };
    if let Some(error) = topic.error() {
        let code = RDKafkaErrorCode::from(error);
        return Err(match code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => missing(),
            other => reason::retry(&other.to_string()),
        });
    }
    Ok(Some(Found { n_replicas: n_replicas(topic), config: config_of(client, name).ok().flatten() }))
}

fn missing() -> DeliveryError {
    reason::retry("there is no such topic")
}

fn n_replicas(topic: &MetadataTopic) -> usize {
    topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or_default()
}

fn config_of(client: &ClientConfig, topic: &str) -> KafkaResult<Option<ConfigResource>> {
    let admin: AdminClient<DefaultClientContext> = client.create()?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let asked = [ResourceSpecifier::Topic(topic)];
    let described = admin.describe_configs(&asked, &options);
    Ok(Handle::current().block_on(described)?.into_iter().next().and_then(Result::ok))
}

impl Found {
    fn warnings(&self, topic: &str, settings: &Settings) -> Vec<String> {
        let mut warnings = Vec::new();
        let setting = |name: &str| self.config.as_ref()?.get(name)?.value.as_deref()?.parse::<usize>().ok();
        let in_sync = setting("min.insync.replicas");
        if self.n_replicas < 2 {
            warnings.push(format!(
                "The topic {topic} has one replica: the loss of its broker's disk loses confirmed events, and so can a power \
                 cut."
            ));
        } else if in_sync.is_some_and(|in_sync| in_sync < 2) {
            warnings.push(format!(
                "min.insync.replicas of the topic {topic} is 1: while its other replicas are away, one broker alone confirms \
                 events. Set it to 2."
            ));
        } else if in_sync.is_none() {
            warnings.push(format!(
                "The brokers do not tell min.insync.replicas of the topic {topic}: whether one broker alone may confirm events \
                 is not known."
            ));
        }
        if let Some(limit) = setting("max.message.bytes").filter(|limit| *limit < settings.max_bytes) {
            warnings.push(format!(
                "The topic {topic} takes messages of {limit} bytes, less than max_bytes. Set max_bytes to {limit}."
            ));
        }
        warnings
    }
}
