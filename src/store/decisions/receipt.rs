//! A receipt on its way to the request that waits for it.

use std::sync::Arc;

use crate::store::Receipt;
use crate::store::ids;
use crate::store::unanswered::Unanswered;

/// A receipt on its way to the request. If the request is gone, its events count as unanswered.
pub struct Handed {
    receipt: Receipt,
    unanswered: Option<Arc<Unanswered>>,
}

impl Handed {
    /// A receipt. If nobody takes it, its events are noted in `unanswered`, if that is given.
    pub fn new(receipt: Receipt, unanswered: Option<Arc<Unanswered>>) -> Self {
        Self { receipt, unanswered }
    }

    /// Takes the receipt: the request has it.
    pub fn take(mut self) -> Receipt {
        self.unanswered = None;
        std::mem::take(&mut self.receipt)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(unanswered) = self.unanswered.take() {
            unanswered.note(self.receipt.stored.iter().map(|stored| ids::event_row(stored.event().0)));
        }
    }
}
