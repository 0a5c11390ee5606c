//! The part of an acceptance that needs no transaction. The request does it, so that the writer only writes.

use bytes::Bytes;

use crate::domain::QuarantineClass;
use crate::store::decisions::entry::{self, Entry};
use crate::store::decisions::item::Item;
use crate::store::sqlite::engine::numbers::Given;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::{Arrival, Batch, StoreError};

/// The rough size of a row without its texts.
const ROW_BYTES: usize = 512;

/// A batch, ready to be written.
pub struct Prepared {
    /// When it arrived.
    pub arrival: Arrival,
    /// The quarantine entry that it was until now.
    pub entry: Option<i64>,
    /// The verified notifications; their raw bytes are only in what is sealed.
    pub items: Vec<Item>,
    /// The others.
    pub quarantined: Vec<Entry>,
    /// Holds the items' numbers until they are committed.
    pub given: Given,
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
        let items = (given.first()..).zip(batch.accepted.into_iter().enumerate()).map(|(seq, accepted)| {
            let mut item = Item::new(accepted, arrival)?;
            item.number((seq, shared.clock.steady().as_microsecond()), &shared.seal)?;
            item.raw = Bytes::new();
            Ok(item)
        });
        let items = items.collect::<Result<Vec<_>, StoreError>>()?;
        let quarantined = entry::entries(&batch.quarantined, &shared.seal, || shared.numbers.quarantine())?;
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
