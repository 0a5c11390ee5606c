//! Sample deliveries, and sinks built from the text of a config.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reelhook::config::{self, Remark, Table};
use reelhook::domain::{
    Carried, Channel, ClientContext, Delivery, DeliveryId, Envelope, Event, EventId, Order, Origin, Previous, Request,
    RouteName, SinkName, Status,
};
use reelhook::sinks::{self, DeliveryError, Sink};
use uuid::Uuid;

pub const TOKEN: &str = "canary-recording-token";

/// What the envelope of the sample says: everything that one can say.
pub fn envelope(n: u128) -> Envelope {
    Envelope {
        channel: Channel::Calls,
        resource_type: "recordOperation".into(),
        tenant_id: Some("1fdd12d0-4620-44ed-baec-459b611f84b2".into()),
        subscription_id: Some("76222963-cc7b-42d2-882d-8aaa69cb2ba3".into()),
        carried: Carried {
            change_type: Some("deleted".into()),
            operation_id: Some(format!("op-{n}")),
            call_id: Some(format!("call-{n}")),
            subscription_expires_at: Some("2026-12-10T00:00:00Z".into()),
            caused_by: None,
            accepted_at: None,
            request: Arc::new(Request {
                message_id: Some("message-1".into()),
                original_message_id: Some("message-0".into()),
                chain_id: Some("chain-1".into()),
                scenario_id: Some("scenario-1".into()),
                client_request_id: Some("request-1".into()),
                traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
                callback: Some("/emea?shift=2".into()),
            }),
        },
    }
}

/// A completed operation's delivery; `n` tells it from others.
pub fn delivery(n: u128) -> Delivery {
    let data = format!(
        r##"{{"@odata.type":"#microsoft.graph.recordOperation","id":"op-{n}","callId":"call-{n}","clientContext":"support-{n}","status":"completed","completionReason":"stopToneDetected","resultInfo":{{"code":200,"subcode":0,"message":null}},"recordingLocation":"https://file.location/{n}"}}"##
    );
    let event = Event {
        id: EventId(Uuid::from_u128(n)),
        origin: Origin::Graph,
        number: i64::try_from(n).unwrap(),
        envelope: envelope(n),
        kind: "recordOperation.completed".into(),
        subject: Some(format!("/app/calls/call-{n}/operations/op-{n}")),
        time: "2026-11-24T05:35:03.25Z".parse().unwrap(),
        client_context: ClientContext::new(format!("support-{n}")),
        order: Some(Order::Advanced),
        previous: Some(Previous { status: Status::Running }),
        possible_repeat: false,
        data,
        recording_access_token: Some(TOKEN.into()),
        secrets: None,
        metadata: None,
    };
    Delivery {
        id: DeliveryId(Uuid::from_u128(1000 + n)),
        sink: SinkName::new("crm"),
        route: RouteName::new("support"),
        captures: BTreeMap::from([("ticket".to_owned(), n.to_string())]),
        event: Arc::new(event),
        attempt: 1,
        resend_of: None,
    }
}

/// The delivery of a resource that is no operation, as Graph laid it out.
pub fn resource(data: &str) -> Delivery {
    let mut delivery = delivery(1);
    let event = Event {
        kind: "call.updated".into(),
        client_context: None,
        order: None,
        previous: None,
        data: data.into(),
        recording_access_token: None,
        ..(*delivery.event).clone()
    };
    delivery.event = Arc::new(event);
    delivery.captures.clear();
    delivery
}

/// The same delivery with another client context.
pub fn with_client_context(n: u128, client_context: &str) -> Delivery {
    let mut delivery = delivery(n);
    let mut event = (*delivery.event).clone();
    event.client_context = ClientContext::new(client_context);
    event.data = serde_json::json!({ "clientContext": client_context }).to_string();
    delivery.event = Arc::new(event);
    delivery
}

/// The keys of a sink.
pub fn table(text: &str) -> Table {
    toml::from_str::<toml::Table>(text).unwrap().into()
}

/// Builds `[sinks.crm]` from the keys in `text`.
pub fn build(kind: &str, text: &str) -> Result<Arc<dyn Sink>, Vec<Remark>> {
    let sink = config::Sink {
        name: SinkName::new("crm"),
        kind: kind.into(),
        events: Default::default(),
        dispatch: dispatch(),
        table: table(text),
    };
    let context = sinks::Context { allow_exec: true, ..Default::default() };
    sinks::build(&sink, &context).map(|built| built.sink)
}

/// The mistakes of a table, a line each.
pub fn mistakes(kind: &str, table: &str) -> String {
    told(&build(kind, table).err().unwrap_or_else(|| panic!("no mistake in {table}")))
}

/// Mistakes as lines, without the file.
pub fn told(mistakes: &[Remark]) -> String {
    mistakes.iter().map(|mistake| format!("{}: {}", mistake.key, mistake.text)).collect::<Vec<_>>().join("\n")
}

pub fn dispatch() -> config::SinkDispatch {
    config::SinkDispatch {
        concurrency: 8,
        timeout: Duration::from_secs(30),
        queue: 16,
        queue_bytes: 8 << 20,
        retry: [0, 5, 300].map(Duration::from_secs).to_vec(),
        jitter: 0.0,
        max_retry_after: Duration::from_secs(3600),
    }
}

/// The reason of a failure that is tried again, the pause that it asks for, and the time that the far side named.
pub fn retried<T: std::fmt::Debug>(result: Result<T, DeliveryError>) -> (String, bool, Option<Duration>) {
    match result {
        Err(DeliveryError::Retry { reason, after, pause }) => (reason, pause, after),
        other => panic!("expected a retry, found {other:?}"),
    }
}

pub fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}
