//! One verified notification: its number, its data, and what identifies it.

use bytes::Bytes;

use super::identity::{Identity, Message, messages};
use super::ids;
use super::rows::Counter;
use super::tx::Tx;
use reelhook::domain::{Carried, Event, EventId, NewDelivery, Notification, Proof, RepeatOf};
use reelhook::store::Accepted;

/// One verified notification.
pub struct Item {
    /// The event's number.
    pub number: i64,
    /// The event's id.
    pub id: EventId,
    /// The notification without its bytes and its carried fields.
    pub notification: Notification,
    /// Its bytes.
    pub raw: Bytes,
    /// Its proof.
    pub proof: Proof,
    /// CloudEvents `type`.
    pub kind: String,
    /// CloudEvents `data`.
    pub data: String,
    /// The carried fields.
    pub carried: Carried,
    /// What makes two notifications equal.
    pub identity: Identity,
    /// The value in the bytes that identifies a repeat.
    pub mark: Option<RepeatOf>,
    /// The message that brought it, and the message that this one repeats.
    pub messages: [Option<Message>; 2],
    /// The deliveries that routing asked for, each sink once.
    pub deliveries: Vec<NewDelivery>,
}

impl Item {
    /// The notification at a place in its POST.
    pub fn new(tx: &mut Tx<'_>, accepted: Accepted, place: usize) -> Self {
        let Accepted { notification, deliveries } = accepted;
        let (proof, number) = (notification.proof(), tx.number(Counter::Event));
        let mut notification = notification.into_notification();
        let kind = notification.kind().to_text();
        let data = Event::data_of(&notification);
        let carried = Carried::take(&mut notification);
        let raw = std::mem::take(&mut notification.raw.0);
        let (identity, mark) = Identity::take(&mut notification, &raw);
        let messages = messages(notification.channel, &carried.request, place);
        let id = EventId(ids::of_event(number, tx.steady));
        Self { number, id, notification, raw, proof, kind, data, carried, identity, mark, messages, deliveries }
    }
}
