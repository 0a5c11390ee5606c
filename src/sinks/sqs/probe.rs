//! Looks whether the queue is there, and what becomes of what is in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::client::Client;
use super::entry::MAX_BYTES;
use super::{Settings, failure};
use crate::sinks::DeliveryError;

/// A queue that keeps messages for less than a day, in seconds, loses them over a night.
const SHORT_RETENTION: u64 = 86_400;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    queue_url: &'a str,
    attribute_names: [&'a str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// Asks for the attributes of the queue.
///
/// # Errors
/// Why a delivery would fail.
pub(super) async fn queue(client: &Client, settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    let request = Request { queue_url: settings.queue.as_str(), attribute_names: ["All"] };
    let answer: Answer = match client.call("GetQueueAttributes", &request).await {
        Ok(answer) => answer,
        Err(error) if failure::is_of_rights(&error) => {
            return Ok(vec![format!(
                "this login may not look at the queue (sqs:GetQueueAttributes), so it was not seen whether it is there: {error}"
            )]);
        }
        Err(error) => return Err(error),
    };
    let number = |name: &str| answer.attributes.get(name).and_then(|value| value.parse::<u64>().ok());
    let mut remarks = Vec::new();
    if let Some(seconds) = number("MessageRetentionPeriod").filter(|seconds| *seconds < SHORT_RETENTION) {
        remarks
            .push(format!("the queue deletes a message that nobody reads after {seconds} s (MessageRetentionPeriod)"));
    }
    if let Some(n_bytes) = number("MaximumMessageSize").filter(|n_bytes| *n_bytes < MAX_BYTES as u64) {
        remarks.push(format!(
            "the queue takes messages of up to {n_bytes} bytes (MaximumMessageSize): a larger event becomes a dead letter"
        ));
    }
    Ok(remarks)
}
