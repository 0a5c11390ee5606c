//! A verified notification, apart from its transaction: numbers, hashes, data, sealing. The request does what it can of it,
//! so that the writer only writes.

use bytes::Bytes;
use uuid::Uuid;

use super::deliveries::{check_number_of, each_sink_once};
use crate::domain::{Carried, Channel, Event, EventId, Mark, NewDelivery, Notification, Proof, RepeatOf, Request};
use crate::store::contents::{self, Contents};
use crate::store::hashes::{digest, head, operation_lookup};
use crate::store::ids;
use crate::store::instants::instant;
use crate::store::seal::Seal;
use crate::store::{Accepted, Arrival, StoreError};

/// A verified notification, ready to be written.
pub struct Item {
    /// The event's row; 0 until it is numbered.
    pub seq: i64,
    /// The event's id.
    pub id: EventId,
    /// The notification without its raw bytes.
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
    /// The bytes. An engine that needs them no more once they are sealed may take them.
    pub raw: Bytes,
    /// Token, data and raw item; empty until it is numbered.
    pub sealed: Vec<u8>,
    /// The deliveries that routing asked for, each sink once.
    pub deliveries: Vec<NewDelivery>,
}

/// The hashes by which an item is looked up.
struct Hashes {
    bytes: [u8; 16],
    lookup: Option<i64>,
    operation_lookup: Option<i64>,
}

impl Item {
    /// The notification at a place in its POST, without a number.
    ///
    /// # Errors
    /// It has more deliveries than the store can number.
    pub fn new((place, accepted): (usize, Accepted), arrival: Arrival) -> Result<Self, StoreError> {
        let Accepted { notification, mut deliveries } = accepted;
        let proof = notification.proof();
        let mut notification = notification.into_notification();
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        let kind = notification.kind().to_text();
        let data = Event::data_of(&notification);
        let carried = Carried { accepted_at: arrival.accepted_at.map(instant), ..Carried::take(&mut notification) };
        let raw = std::mem::take(&mut notification.raw.0);
        let mark = notification.mark.take();
        let hashes = Hashes::of(&notification, mark.as_ref(), &raw);
        let messages = messages(notification.channel, &carried.request, place);
        Ok(Self {
            seq: 0,
            id: EventId(Uuid::nil()),
            notification,
            proof,
            kind,
            data,
            carried,
            hash: hashes.bytes,
            mark: mark.map(|mark| match mark {
                Mark::Ciphertext(_) => RepeatOf::Ciphertext,
                Mark::Version => RepeatOf::Version,
            }),
            messages,
            lookup: hashes.lookup,
            operation_lookup: hashes.operation_lookup,
            raw,
            sealed: Vec::new(),
            deliveries,
        })
    }

    /// Gives it a number, at an instant of steady time in microseconds, and seals its contents under the id that this makes.
    ///
    /// # Errors
    /// Sealing failed.
    pub fn number(&mut self, (seq, steady): (i64, i64), seal: &Seal) -> Result<(), StoreError> {
        self.seq = seq;
        self.id = EventId(ids::of_event(seq, steady));
        let token = match self.notification.operation() {
            Some(operation) => operation.recording_access_token.as_ref(),
            None => self.notification.secrets.as_ref(),
        };
        let contents = Contents { token, data: &self.data, carried: &self.carried, raw: &self.raw };
        self.sealed = contents::seal(seal, self.id, &contents)?;
        Ok(())
    }

    /// Whether its contents hold a token or another secret.
    pub fn has_token(&self) -> bool {
        match self.notification.operation() {
            Some(operation) => operation.recording_access_token.is_some(),
            None => self.notification.secrets.is_some(),
        }
    }
}

impl Hashes {
    fn of(notification: &Notification, mark: Option<&Mark>, raw: &[u8]) -> Self {
        let subscription = notification.subscription_id.as_deref().unwrap_or_default();
        let bytes_hash = match mark {
            Some(Mark::Ciphertext(content)) => {
                let parts = [subscription, &notification.change_type, &notification.resource].map(str::as_bytes);
                digest("ciphertext", &[parts[0], parts[1], parts[2], &content.0])
            }
            Some(Mark::Version) | None => digest(notification.channel.as_str(), &[subscription.as_bytes(), raw]),
        };
        let operation_lookup = notification.operation().map(|operation| operation_lookup(operation.id.as_str()));
        let lookup = match (&notification.graph_id, operation_lookup) {
            (Some(graph_id), _) => Some(head(&digest("graph id", &[graph_id.as_bytes(), subscription.as_bytes()]))),
            (None, None) => Some(head(&bytes_hash)),
            (None, Some(_)) => None,
        };
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&bytes_hash[..16]);
        Self { bytes, lookup, operation_lookup }
    }
}

/// The message that brought a notification, and the message that this one repeats, each with the notification's place
/// in its POST: one message may contain two changes in equal bytes.
fn messages(channel: Channel, request: &Request, place: usize) -> [Option<i64>; 2] {
    if channel != Channel::Calls {
        return [None; 2];
    }
    let Request { message_id, original_message_id, .. } = request;
    let place = (place as u64).to_le_bytes();
    [message_id, original_message_id].map(|id| Some(head(&digest("message", &[id.as_deref()?.as_bytes(), &place]))))
}
