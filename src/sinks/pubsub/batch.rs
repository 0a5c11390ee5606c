//! Several events in a request. The service takes a request whole or not at all.

use std::slice;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::client::Client;
use super::message::{MAX_BYTES, PubsubMessage};
use super::topic;
use crate::domain::Delivery;
use crate::sinks::{DeliveryError, reason};

type Outcome = Result<(), DeliveryError>;

#[derive(Serialize)]
struct Request<'a> {
    messages: &'a [PubsubMessage],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    message_ids: Vec<String>,
}

/// Publishes deliveries, in as few requests as they fit into: one outcome for each, in order. After a failure that every
/// other request would have too, no more are made.
pub(super) async fn publish(client: &Client, settings: &Settings, deliveries: &[&Delivery]) -> Vec<Outcome> {
    let mut messages = Vec::with_capacity(deliveries.len());
    let made: Vec<Outcome> = deliveries
        .iter()
        .map(|delivery| PubsubMessage::of(settings, delivery).map(|message| messages.push(message)))
        .collect();
    let (mut sent, mut rest) = (Vec::with_capacity(messages.len()), messages.as_slice());
    while !rest.is_empty() {
        let (part, others) = rest.split_at(n_of_a_request(rest));
        sent.extend(outcomes_of(client, settings, part).await);
        rest = others;
        if let Some(of_all) = sent.iter().rfind(|outcome| outcome.as_ref().is_err_and(DeliveryError::pauses)).cloned() {
            sent.resize(messages.len(), of_all);
            break;
        }
    }
    let mut sent = sent.into_iter();
    made.into_iter().map(|made| made.and_then(|()| sent.next().unwrap_or_else(untold))).collect()
}

/// How many of the messages, from the first on, a request can have. They go to one topic.
fn n_of_a_request(messages: &[PubsubMessage]) -> usize {
    let mut n_bytes = 0;
    let fits = |message: &&PubsubMessage| {
        n_bytes += message.n_bytes();
        n_bytes <= MAX_BYTES && message.topic == messages[0].topic
    };
    // Each of them fits alone.
    messages.iter().take_while(fits).count().max(1)
}

/// The outcomes of the messages of a request.
async fn outcomes_of(client: &Client, settings: &Settings, part: &[PubsubMessage]) -> Vec<Outcome> {
    match ask(client, settings, part).await {
        Err(error) if part.len() > 1 && !error.pauses() => {
            // The whole request was refused for what one message holds: its neighbours are not.
            let mut outcomes = Vec::with_capacity(part.len());
            for message in part {
                let outcome = ask(client, settings, slice::from_ref(message)).await;
                if outcome.as_ref().is_err_and(DeliveryError::pauses) {
                    outcomes.resize(part.len(), outcome);
                    break;
                }
                outcomes.push(outcome);
            }
            outcomes
        }
        outcome => vec![outcome; part.len()],
    }
}

/// Makes a request.
async fn ask(client: &Client, settings: &Settings, messages: &[PubsubMessage]) -> Outcome {
    let topic = messages.first().map(|message| message.topic.as_str()).unwrap_or_default();
    let url = topic::address(settings, &format!("{topic}:publish"));
    let answer: Answer = client.post(url, &Request { messages }).await?;
    if answer.message_ids.len() == messages.len() { Ok(()) } else { untold() }
}

fn untold() -> Outcome {
    Err(reason::retry("the service did not tell whether it has the message"))
}
