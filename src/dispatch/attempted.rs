//! Which deliveries of a sink are attempted at this moment. The store knows only which ones a dispatcher has taken: of these,
//! some still wait in memory.
//!
//! **Invariants**
//! 1. A delivery is noted exactly as long as its [`Noted`] lives: also if the attempt is broken off.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::domain::DeliveryId;

/// The deliveries of a sink that are attempted now.
#[derive(Debug, Default)]
pub struct Attempted(Mutex<BTreeSet<DeliveryId>>);

/// Deliveries whose attempt is in progress until this is dropped.
#[derive(Debug)]
pub(super) struct Noted<'a> {
    attempted: &'a Attempted,
    ids: Vec<DeliveryId>,
}

impl Attempted {
    /// Whether a delivery is attempted now.
    pub(super) fn has(&self, delivery: DeliveryId) -> bool {
        self.0.lock().contains(&delivery)
    }

    /// Notes that an attempt of these deliveries begins.
    pub(super) fn note(&self, deliveries: impl Iterator<Item = DeliveryId>) -> Noted<'_> {
        let ids: Vec<DeliveryId> = deliveries.collect();
        self.0.lock().extend(ids.iter().copied());
        Noted { attempted: self, ids }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let mut attempted = self.attempted.0.lock();
        for id in &self.ids {
            attempted.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_noted_until_its_attempt_ends() {
        let (attempted, id) = (Attempted::default(), DeliveryId(uuid::Uuid::from_u128(7)));
        assert!(!attempted.has(id));
        let noted = attempted.note([id].into_iter());
        assert!(attempted.has(id));
        drop(noted);
        assert!(!attempted.has(id));
    }
}
