//! Notifications for the tests of this module and of those above.

use bytes::Bytes;

use crate::domain::{Channel, Content, Notification, Raw};

/// A change of a resource with nothing but this text.
pub fn notification(text: &str) -> Notification {
    Notification {
        channel: Channel::Subscriptions,
        resource_type: "chatMessage".into(),
        change_type: "created".into(),
        resource: String::new(),
        tenant_id: None,
        subscription_id: None,
        subscription_expires_at: None,
        call_id: None,
        graph_id: None,
        mark: None,
        client_context: None,
        content: Content::Resource(text.to_owned()),
        secrets: None,
        ended_call: None,
        dialects: Vec::new(),
        request: Default::default(),
        raw: Raw(Bytes::copy_from_slice(text.as_bytes())),
    }
}
