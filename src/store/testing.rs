//! Notifications for the tests of this module and of those above.

use bytes::Bytes;

use crate::domain::{Answered, Body, Channel, Content, Exchange, Exchanged, Headers, Notification, Raw, Sent};

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

/// An exchange whose answer has this body.
pub fn exchange(body: &str) -> Exchanged {
    let (line, headers) = (String::from("HTTP/1.1 500"), Headers::default());
    let request = Sent { line: "POST / HTTP/1.1".into(), headers: headers.clone() };
    let answer = Some(Answered { line, headers, body: Body::Text(body.into()), is_body_cut: false });
    Exchanged::Told(Box::new(Exchange { request, answer }))
}
