//! Several events in a request, with an outcome for each.

use std::collections::BTreeMap;
use std::slice;

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::entry::{Entry, MAX_BYTES};
use super::{BATCH_SIZE, Settings, failure};
use crate::domain::Delivery;
use crate::sinks::{DeliveryError, reason};

type Outcome = Result<(), DeliveryError>;

/// What is known of entries, by their ids.
type Told = BTreeMap<String, Outcome>;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    queue_url: &'a str,
    entries: &'a [Entry],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    successful: Vec<Successful>,
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Successful {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: String,
    #[serde(default)]
    message: String,
}

/// Sends deliveries, in as few requests as they fit into: one outcome for each, in order. After a failure that every other
/// request would have too, no more are made.
pub(super) async fn send(client: &Client, settings: &Settings, deliveries: &[&Delivery]) -> Vec<Outcome> {
    let mut entries = Vec::with_capacity(deliveries.len());
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(deliveries.len());
    for (n, delivery) in deliveries.iter().enumerate() {
        outcomes.push(Entry::of(settings, delivery, n).map(|entry| entries.push(entry)));
    }
    let (mut told, mut of_all) = (Told::new(), None);
    for part in parts(&entries) {
        let of_part = outcomes_of(client, settings, part).await;
        of_all = of_part.values().find(|outcome| outcome.as_ref().is_err_and(DeliveryError::pauses)).cloned();
        told.extend(of_part);
        if of_all.is_some() {
            break;
        }
    }
    let silent = Err(reason::retry("the service did not tell whether it has the message"));
    let untold = of_all.unwrap_or(silent);
    for (n, outcome) in outcomes.iter_mut().enumerate().filter(|(_, outcome)| outcome.is_ok()) {
        *outcome = told.remove(&n.to_string()).unwrap_or_else(|| untold.clone());
    }
    outcomes
}

/// The outcomes of the entries of a request.
async fn outcomes_of(client: &Client, settings: &Settings, part: &[Entry]) -> Told {
    match ask(client, settings, part).await {
        Ok(told) => told,
        Err(DeliveryError::Reject { .. }) if part.len() > 1 => {
            // The whole request was refused for what one entry holds: its neighbours are not.
            let mut told = Told::new();
            for entry in part {
                let alone = slice::from_ref(entry);
                let of_one = ask(client, settings, alone).await;
                let is_of_all = of_one.as_ref().is_err_and(DeliveryError::pauses);
                told.extend(of_one.unwrap_or_else(|error| all_failed(alone, &error)));
                if is_of_all {
                    break;
                }
            }
            told
        }
        Err(error) => all_failed(part, &error),
    }
}

fn all_failed(part: &[Entry], error: &DeliveryError) -> Told {
    part.iter().map(|entry| (entry.id.clone(), Err(error.clone()))).collect()
}

/// Makes a request.
async fn ask(client: &Client, settings: &Settings, entries: &[Entry]) -> Result<Told, DeliveryError> {
    let request = Request { queue_url: settings.queue.as_str(), entries };
    let answer: Answer = client.call("SendMessageBatch", &request).await?;
    let successful = answer.successful.into_iter().map(|it| (it.id, Ok(())));
    let failed = answer.failed.into_iter().map(|it| (it.id, Err(failure::of_entry(&it.code, &it.message))));
    Ok(successful.chain(failed).collect())
}

/// The entries as requests can have them.
fn parts(entries: &[Entry]) -> Vec<&[Entry]> {
    let (mut parts, mut rest) = (Vec::new(), entries);
    while !rest.is_empty() {
        let mut n_bytes = 0;
        let fits = |entry: &&Entry| {
            n_bytes += entry.n_bytes();
            n_bytes <= MAX_BYTES
        };
        // Each of them fits alone.
        let n = rest.iter().take(BATCH_SIZE).take_while(fits).count().max(1);
        let (part, others) = rest.split_at(n);
        parts.push(part);
        rest = others;
    }
    parts
}
