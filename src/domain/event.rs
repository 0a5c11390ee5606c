//! The event: a notification, or reelhook's own report about an operation, in CloudEvents' terms
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>).

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ClientContext, Content, Envelope, EventId, Notification, OperationData, OperatorEvent, Order, Origin, Status,
};

/// The operation's state before this notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// The status that it had.
    #[schema(value_type = String)]
    pub status: Status,
}

/// A notification, or reelhook's own report, ready for the sinks.
#[derive(Clone, Debug)]
pub struct Event {
    /// CloudEvents `id`.
    pub id: EventId,
    /// Who made it: Graph or reelhook.
    pub origin: Origin,
    /// CloudEvents `type`: `recordOperation.completed`, `recordOperation.overdue`, `call.updated`, `subscription.missed`.
    pub kind: String,
    /// Its number among this store's events; it grows.
    pub number: i64,
    /// Where it came in, for whom, and which events belong together.
    pub envelope: Envelope,
    /// CloudEvents `subject`: the resource's path as Graph sent it, `None` if it sent none.
    pub subject: Option<String>,
    /// CloudEvents `time`: when reelhook received it.
    pub time: Timestamp,
    /// The extension attribute `clientcontext`.
    pub client_context: Option<ClientContext>,
    /// For notifications of operations: how they compare with the stored state.
    pub order: Option<Order>,
    /// For operations: the state before.
    pub previous: Option<Previous>,
    /// The extension attribute `possiblerepeat`: the same bytes arrived before, and it is not known whether this is a
    /// repeat or a change.
    pub possible_repeat: bool,
    /// CloudEvents `data` as JSON text, without any token. See [`Event::data_of`].
    pub data: String,
    /// The recording's token, while it is stored. It reaches a sink only if the sink's config says so.
    pub recording_access_token: Option<SecretString>,
    /// The secrets of a resource that is not an operation, while they are stored; see [`super::put_back`]. They reach a
    /// sink only if the sink's config says so.
    pub secrets: Option<SecretString>,
    /// For operations: the metadata that its client announced, a JSON object as text.
    pub metadata: Option<String>,
}

/// What [`Event::possible_repeat`] means, for a person.
pub const POSSIBLE_REPEAT: &str =
    "the same bytes arrived before: this is a repeat, or another change in the same words";

impl Event {
    /// CloudEvents `source`.
    pub fn source(&self) -> &'static str {
        self.origin.source()
    }

    /// Whether it is about a record operation.
    pub fn is_of_operation(&self) -> bool {
        self.order.is_some() || (self.origin == Origin::Reelhook && !self.is_for_operators())
    }

    /// Whether it is about reelhook itself.
    pub fn is_for_operators(&self) -> bool {
        self.origin == Origin::Reelhook && self.envelope.resource_type == OperatorEvent::TYPE
    }

    /// The extension attribute `partitionkey`, by which a destination can keep events in order: the call, or else the
    /// operation, or else the resource. What reelhook itself keeps in order, it does not decide.
    pub fn partition_key(&self) -> Option<&str> {
        let carried = &self.envelope.carried;
        carried.call_id.as_deref().or(carried.operation_id.as_deref()).or(self.subject.as_deref())
    }

    /// The CloudEvents `data` of `notification`, as JSON text: the normalised operation, or the resource as Graph sent
    /// it. Never contains the recording's token.
    pub fn data_of(notification: &Notification) -> String {
        match &notification.content {
            Content::Operation(operation) => {
                // About as long as Graph's text. Writing to memory never fails, and every key is a text.
                let mut text = Vec::with_capacity(notification.raw.0.len());
                let written = serde_json::to_writer(&mut text, &OperationData::of(notification, operation));
                if !operation.additional.is_empty() && text.pop().is_some() {
                    text.push(b',');
                    text.extend_from_slice(operation.additional.as_bytes());
                    text.push(b'}');
                }
                written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
            }
            Content::Resource(text) | Content::Lifecycle(text) => text.clone(),
        }
    }
}
