//! The facts of an event beside its subject: where the notification came in, for whom, and which events belong
//! together.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Channel, EventId, GraphId, Notification, Request};

/// Whose word an event is. A fact of its own, never read from the event's type: texts come from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A notification of Microsoft Graph's.
    #[default]
    Graph,
    /// reelhook's own report: an operation is overdue, lost or recovered.
    Reelhook,
}

impl Origin {
    /// The CloudEvents `source`.
    pub fn source(self) -> &'static str {
        match self {
            Self::Graph => "https://graph.microsoft.com",
            Self::Reelhook => "/reelhook",
        }
    }

    /// The number used in the store.
    pub fn number(self) -> i64 {
        match self {
            Self::Graph => 0,
            Self::Reelhook => 1,
        }
    }

    /// Reads [`Origin::number`] back.
    pub fn of_number(number: i64) -> Option<Self> {
        [Self::Graph, Self::Reelhook].into_iter().find(|origin| origin.number() == number)
    }
}

/// The facts that routes can match, beside the client context and the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The channel; for reelhook's own report, the channel of the operation.
    pub channel: Channel,
    /// As [`Notification::resource_type`].
    pub resource_type: String,
    /// The tenant, if it is known.
    pub tenant_id: Option<String>,
    /// The subscription that it belongs to.
    pub subscription_id: Option<String>,
    /// The facts that are only carried along.
    pub carried: Carried,
}

impl Envelope {
    /// The facts for a person, each with its name; without the channel.
    pub fn told(&self) -> Vec<(&'static str, &str)> {
        let Carried { change_type, call_id, subscription_expires_at, request, .. } = &self.carried;
        let facts: [(&'static str, Option<&str>); 13] = [
            ("resourceType", Some(&self.resource_type)),
            ("changeType", change_type.as_deref()),
            ("tenantId", self.tenant_id.as_deref()),
            ("callId", call_id.as_deref()),
            ("subscriptionId", self.subscription_id.as_deref()),
            ("subscriptionExpirationDateTime", subscription_expires_at.as_deref()),
            ("callback", request.callback.as_deref()),
            ("chainId", request.chain_id.as_deref()),
            ("messageId", request.message_id.as_deref()),
            ("originalMessageId", request.original_message_id.as_deref()),
            ("scenarioId", request.scenario_id.as_deref()),
            ("clientRequestId", request.client_request_id.as_deref()),
            ("traceparent", request.traceparent.as_deref()),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// The carried facts: no query reads them, so the store keeps them in the event's sealed contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Carried {
    /// As [`Notification::change_type`]; reelhook's own reports have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_type: Option<String>,
    /// The operation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    /// The call that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// When its subscription expires, as Graph sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_expires_at: Option<String>,
    /// When it was accepted out of the quarantine; `None`: when it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// The event that caused it, where reelhook made it because of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<EventId>,
    /// The ids and the callback of its POST.
    #[serde(skip_serializing_if = "says_nothing")]
    pub request: Arc<Request>,
}

impl Carried {
    /// Takes it out of a notification that was put into words already.
    pub fn take(notification: &mut Notification) -> Self {
        let operation_id = notification.operation().map(|operation| operation.id.as_str().to_owned());
        Self {
            change_type: Some(std::mem::take(&mut notification.change_type)),
            operation_id,
            call_id: notification.call_id.take().map(GraphId::into_text),
            subscription_expires_at: notification.subscription_expires_at.take(),
            accepted_at: None,
            caused_by: None,
            request: std::mem::take(&mut notification.request),
        }
    }
}

fn says_nothing(request: &Arc<Request>) -> bool {
    request.is_empty()
}
