//! Several events in one request, by the batched mode of CloudEvents
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#33-batched-content-mode>).
//!
//! **Invariants**
//! 1. A request has the id of what is in it: the same events have the same id, other ones another.
//! 2. A request has at most [`MAX_BYTES`], or one event.

use sha2::{Digest, Sha256};

use crate::config::Section;
use crate::domain::Delivery;
use crate::sinks::{Message, Shape};

/// The most events in a request.
pub(super) const MAX_EVENTS: usize = 100;
/// The most bytes of a request with several events: servers often refuse more.
const MAX_BYTES: usize = 1 << 20;
const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

/// What one request sends.
pub(super) struct Outgoing {
    /// `webhook-id`.
    pub(super) id: String,
    pub(super) message: Message,
    /// How many deliveries it has.
    pub(super) n: usize,
}

/// Reads whether several events are sent in one request.
pub(super) fn read(section: &mut Section<'_>, shape: &Shape) -> bool {
    let batch = section.or("batch", false, crate::config::value::switch());
    if batch && !shape.is_structured() {
        section.mistake("batch", "found it beside another format or payload, expected format = \"cloudevents\"");
    }
    if batch && shape.includes_access_token() {
        section.mistake("batch", "found it beside include_access_token, expected one of them");
    }
    batch
}

/// One delivery alone, in a request of its own form.
pub(super) fn single(shape: &Shape, delivery: &Delivery) -> Outgoing {
    Outgoing { id: delivery.id.to_string(), message: shape.message(delivery), n: 1 }
}

/// The deliveries in as few requests as there is room for, in their order.
pub(super) fn several(shape: &Shape, deliveries: &[&Delivery]) -> Vec<Outgoing> {
    let (mut all, mut open) = (Vec::new(), Open::default());
    for delivery in deliveries {
        let event = shape.message(delivery).body;
        if open.n > 0 && open.body.len() + event.len() + 2 > MAX_BYTES {
            all.push(std::mem::take(&mut open).closed());
        }
        open.add(delivery, &event);
    }
    if open.n > 0 {
        all.push(open.closed());
    }
    all
}

/// One delivery in a request of the same form.
pub(super) fn one(shape: &Shape, delivery: &Delivery) -> Outgoing {
    let mut open = Open::default();
    open.add(delivery, &shape.message(delivery).body);
    open.closed()
}

/// A request that is being filled.
#[derive(Default)]
struct Open {
    ids: Sha256,
    body: Vec<u8>,
    n: usize,
}

impl Open {
    fn add(&mut self, delivery: &Delivery, event: &[u8]) {
        self.ids.update(delivery.id.0);
        self.body.push(if self.n == 0 { b'[' } else { b',' });
        self.body.extend_from_slice(event);
        self.n += 1;
    }

    fn closed(mut self) -> Outgoing {
        self.body.push(b']');
        let id = format!("batch_{}", hex::encode(&self.ids.finalize()[..16]));
        let message = Message { content_type: CONTENT_TYPE, attributes: Vec::new(), body: self.body };
        Outgoing { id, message, n: self.n }
    }
}
