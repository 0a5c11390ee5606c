//! The part of an acceptance that needs no transaction: numbers, hashes, data, sealing. The request does it, so that
//! the writer only writes.

use super::delivery::{check_number_of, each_sink_once};
use super::entry::{self, Entry};
use crate::domain::{
    Carried, Channel, Event, EventId, Mark, NewDelivery, Notification, Proof, QuarantineClass, RepeatOf, Request,
};
use crate::store::ids;
use crate::store::sqlite::engine::contents;
use crate::store::sqlite::engine::contents::Contents;
use crate::store::sqlite::engine::hashes::{digest, head, operation_lookup};
use crate::store::sqlite::engine::instants::instant;
use crate::store::sqlite::engine::numbers::Given;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::{Accepted, Arrival, Batch, StoreError};

/// The rough size of a row without its texts.
const ROW_BYTES: usize = 512;

/// A batch, ready to be written.
pub struct Prepared {
    /// When it arrived.
    pub arrival: Arrival,
    /// The quarantine entry that it was until now.
    pub entry: Option<i64>,
    /// The verified notifications.
    pub items: Vec<Item>,
    /// The others.
    pub quarantined: Vec<Entry>,
    /// Holds the items' numbers until they are committed.
    pub given: Given,
}

/// A verified notification, ready to be written.
pub struct Item {
    /// The event's row.
    pub seq: i64,
    /// The event's id.
    pub id: EventId,
    /// The notification; its raw bytes are only in `sealed`.
    pub notification: Notification,
    /// Its proof.
    pub proof: Proof,
    /// CloudEvents `type`.
    pub kind: String,
    /// CloudEvents `data`.
    pub data: String,
    /// The carried fields, taken out of the notification.
    pub carried: Carried,
    /// The hash that identifies the bytes.
    pub hash: [u8; 16],
    /// The value in the bytes that identifies a repeat.
    pub mark: Option<RepeatOf>,
    /// The message of the calling platform that brought it, and the message that this one repeats, each with the item's
    /// place in it.
    pub messages: [Option<i64>; 2],
    /// The key for looking up the event by its Graph id, or by its bytes if it has none. An operation's events are
    /// found through the operation.
    pub lookup: Option<i64>,
    /// The key for looking up the operation by its id.
    pub operation_lookup: Option<i64>,
    /// Token, data and raw item.
    pub sealed: Vec<u8>,
    /// The deliveries that routing asked for, each sink once.
    pub deliveries: Vec<NewDelivery>,
}

impl Prepared {
    /// Prepares a batch.
    ///
    /// # Errors
    /// Sealing failed, or an event has more deliveries than the store can number.
    pub fn new(batch: Batch, entry: Option<i64>, shared: &Shared) -> Result<Self, StoreError> {
        let accepted_at = entry.map(|_entry| shared.clock.now().as_microsecond());
        let arrival = Arrival { received_at: batch.received_at.as_microsecond(), accepted_at };
        let given = shared.numbers.events(batch.accepted.len());
        let numbered = (given.first()..).zip(batch.accepted);
        let items = numbered.map(|(seq, accepted)| item((seq, accepted), arrival, shared));
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        for (place, item) in items.iter_mut().enumerate() {
            item.messages = messages(item, place);
        }
        let quarantined = entry::entries(&batch.quarantined, shared)?;
        Ok(Self { arrival, entry, items, quarantined, given })
    }

    /// Its rough size in memory.
    pub fn n_bytes(&self) -> usize {
        let items = self.items.iter().map(|item| item.sealed.len() + item.data.len() + ROW_BYTES);
        items.chain(self.quarantined.iter().map(|entry| entry.sealed.len() + ROW_BYTES)).sum()
    }

    /// Whether nothing in it comes from a known sender.
    pub fn is_strangers(&self) -> bool {
        self.items.is_empty() && self.quarantined.iter().all(|entry| entry.class == QuarantineClass::Strangers)
    }
}

fn item((seq, accepted): (i64, Accepted), arrival: Arrival, shared: &Shared) -> Result<Item, StoreError> {
    let Accepted { notification, mut deliveries } = accepted;
    let proof = notification.proof();
    let mut notification = notification.into_notification();
    each_sink_once(&mut deliveries);
    check_number_of(&deliveries)?;
    let id = EventId(ids::of_event(seq, shared.clock.steady().as_microsecond()));
    let kind = notification.kind().to_text();
    let data = Event::data_of(&notification);
    let carried = Carried { accepted_at: arrival.accepted_at.map(instant), ..Carried::take(&mut notification) };
    let raw = std::mem::take(&mut notification.raw.0);
    let operation = notification.operation();
    let token = match operation {
        Some(operation) => operation.recording_access_token.as_ref(),
        None => notification.secrets.as_ref(),
    };
    let contents = Contents { token, data: &data, carried: &carried, raw: &raw };
    let sealed = contents::seal(&shared.seal, id, &contents)?;
    let operation_lookup = operation.map(|operation| operation_lookup(operation.id.as_str()));
    let mark = notification.mark.take();
    let subscription = notification.subscription_id.as_deref().unwrap_or_default();
    let bytes_hash = match &mark {
        Some(Mark::Ciphertext(content)) => {
            let parts = [subscription, &notification.change_type, &notification.resource].map(str::as_bytes);
            digest("ciphertext", &[parts[0], parts[1], parts[2], &content.0])
        }
        Some(Mark::Version) | None => digest(notification.channel.as_str(), &[subscription.as_bytes(), &raw]),
    };
    let mark = mark.map(|mark| match mark {
        Mark::Ciphertext(_) => RepeatOf::Ciphertext,
        Mark::Version => RepeatOf::Version,
    });
    let lookup = match (&notification.graph_id, operation_lookup) {
        (Some(graph_id), _) => Some(head(&digest("graph id", &[graph_id.as_bytes(), subscription.as_bytes()]))),
        (None, None) => Some(head(&bytes_hash)),
        (None, Some(_)) => None,
    };
    let mut hash = [0; 16];
    hash.copy_from_slice(&bytes_hash[..16]);
    let messages = [None; 2];
    Ok(Item {
        seq,
        id,
        notification,
        proof,
        kind,
        data,
        carried,
        hash,
        mark,
        messages,
        lookup,
        operation_lookup,
        sealed,
        deliveries,
    })
}

/// The message that brought a notification, and the message that this one repeats, each with the notification's place
/// in its POST: one message may contain two changes in equal bytes.
fn messages(item: &Item, place: usize) -> [Option<i64>; 2] {
    if item.notification.channel != Channel::Calls {
        return [None; 2];
    }
    let Request { message_id, original_message_id, .. } = &*item.carried.request;
    let place = (place as u64).to_le_bytes();
    [message_id, original_message_id].map(|id| Some(head(&digest("message", &[id.as_deref()?.as_bytes(), &place]))))
}
