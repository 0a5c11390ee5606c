//! The event: a notification as reelhook hands it on, in CloudEvents' terms
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ClientContext, Content, EventId, Notification, Order, RecordOperation, Status};

/// The CloudEvents `source` of every event: whose word it is.
const SOURCE: &str = "https://graph.microsoft.com";

/// What was known of the operation before this notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// The status that it had.
    pub status: Status,
}

/// One notification, ready to be handed to sinks.
#[derive(Clone, Debug)]
pub struct Event {
    /// CloudEvents `id`.
    pub id: EventId,
    /// CloudEvents `type`: `recordOperation.completed`, `call.updated`, `subscription.missed`.
    pub kind: String,
    /// CloudEvents `subject`: the resource's path as Graph sent it, `None` where it sent none.
    pub subject: Option<String>,
    /// CloudEvents `time`: when reelhook received it.
    pub time: Timestamp,
    /// The extension attribute `clientcontext`.
    pub client_context: Option<ClientContext>,
    /// For operations: how the notification stood to what was known.
    pub order: Option<Order>,
    /// For operations: what was known before.
    pub previous: Option<Previous>,
    /// CloudEvents `data` as JSON text, without any token. See [`Event::data_of`].
    pub data: String,
    /// The recording's token, while it is kept. Reaches a sink only where its config opts in.
    pub recording_access_token: Option<SecretString>,
}

impl Event {
    /// CloudEvents `source`.
    pub fn source(&self) -> &'static str {
        SOURCE
    }

    /// The CloudEvents `type` of the event that `notification` becomes.
    pub fn kind_of(notification: &Notification) -> String {
        match &notification.content {
            Content::Operation(operation) => format!("recordOperation.{}", operation.status.as_str()),
            Content::Resource(_) | Content::Lifecycle(_) => {
                format!("{}.{}", notification.resource_type, notification.change_type)
            }
        }
    }

    /// The CloudEvents `data` that `notification` becomes, as JSON text: the normalised operation, or the resource
    /// as Graph sent it. Never holds the recording's token.
    pub fn data_of(notification: &Notification) -> String {
        match &notification.content {
            Content::Operation(operation) => Value::Object(operation_data(notification, operation)).to_string(),
            Content::Resource(text) | Content::Lifecycle(text) => text.clone(),
        }
    }
}

fn operation_data(notification: &Notification, operation: &RecordOperation) -> Map<String, Value> {
    let mut data = operation.additional.clone();
    let known = json!({
        "@odata.type": "#microsoft.graph.recordOperation",
        "id": operation.id,
        "callId": operation.call_id,
        "tenantId": notification.tenant_id,
        "changeType": notification.change_type,
        "clientContext": operation.client_context,
        "status": operation.status,
        "completionReason": operation.completion_reason,
        "resultInfo": operation.result_info,
        "recordingLocation": operation.recording_location,
    });
    if let Value::Object(known) = known {
        data.extend(known);
    }
    if let Some(etag) = &operation.etag {
        data.insert("@odata.etag".into(), etag.clone().into());
    }
    data
}
