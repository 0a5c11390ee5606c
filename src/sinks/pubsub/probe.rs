//! Looks whether the topic is there, and whether anything keeps what is published to it.

use serde::Deserialize;

use super::client::Client;
use super::{Settings, failure, topic};
use crate::sinks::DeliveryError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    message_retention_duration: Option<String>,
}

#[derive(Deserialize)]
struct Subscriptions {
    #[serde(default)]
    subscriptions: Vec<String>,
}

/// Looks at the topic, where it does not depend on the event.
///
/// # Errors
/// Why a delivery would fail.
pub(super) async fn topic(client: &Client, settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    let Some(name) = settings.topic.fixed() else {
        client.check_token().await?;
        return Ok(vec!["the topic depends on the event, so it was not seen whether it is there".to_owned()]);
    };
    let topic: Topic = match client.get(topic::address(settings, name)).await {
        Ok(topic) => topic,
        Err(error) if failure::is_of_rights(&error) => {
            return Ok(vec![format!(
                "this login may not look at the topic (pubsub.topics.get), so it was not seen whether it is there: {error}"
            )]);
        }
        Err(error) => return Err(error),
    };
    match client.get::<Subscriptions>(topic::address(settings, &format!("{name}/subscriptions"))).await {
        Ok(it) if it.subscriptions.is_empty() && topic.message_retention_duration.is_none() => Ok(vec![
            "the topic has no subscription, and keeps nothing itself: the service drops what is published".to_owned(),
        ]),
        Ok(_) => Ok(Vec::new()),
        Err(error) if failure::is_of_rights(&error) => Ok(vec![format!(
            "this login may not list subscriptions, so it was not seen whether \
             the topic has one; without one the service drops what is published: {error}"
        )]),
        Err(error) => Err(error),
    }
}
