//! What a batch has: a line for each event, and the id that follows from them.
//!
//! **Invariant**: the same deliveries in the same order have the same id, and other ones another.

use sha2::{Digest, Sha256};

use crate::domain::{Delivery, DeliveryId};
use crate::sinks::Message;

/// The media type of JSON lines.
const CONTENT_TYPE: &str = "application/x-ndjson";
/// How many bytes of the hash an id has.
const N_HASHED: usize = 8;
/// An id, to see how long a name becomes.
pub(super) const SAMPLE_ID: &str = "00000000-0000-0000-0000-000000000000-0000000000000000";

/// The lines of a batch.
#[derive(Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    first: Option<DeliveryId>,
    ids: Sha256,
    n: usize,
}

impl Lines {
    /// How many events it has.
    pub(super) fn n(&self) -> usize {
        self.n
    }

    /// How many bytes its lines have.
    pub(super) fn n_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Adds the event of a delivery: a line, with its end.
    pub(super) fn add(&mut self, delivery: &Delivery, line: &[u8]) {
        self.first.get_or_insert(delivery.id);
        self.ids.update(delivery.id.0);
        self.bytes.extend_from_slice(line);
        self.n += 1;
    }

    /// The id of the batch: that of its first delivery, by which the names of objects sort by time, and a hash of all.
    pub(super) fn id(&self) -> String {
        let first = self.first.map(|id| id.to_string()).unwrap_or_default();
        format!("{first}-{}", hex::encode(&self.ids.clone().finalize()[..N_HASHED]))
    }

    /// The content of the object.
    pub(super) fn into_message(self) -> Message {
        Message { content_type: CONTENT_TYPE, attributes: Vec::new(), body: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_as_long_as_the_sample() {
        let lines = Lines { first: Some(DeliveryId(uuid::Uuid::from_u128(7))), ..Lines::default() };
        assert_eq!(lines.id().len(), SAMPLE_ID.len());
    }
}
