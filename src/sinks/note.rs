//! Notes: a sink notes the exchange of an attempt as it goes. So it is known what was sent also of an attempt that the
//! dispatcher cancelled at its timeout.

use std::sync::{Arc, OnceLock};

use crate::domain::Exchange;

/// An exchange that is going on. It is told only if somebody wants to know: most attempts succeed, and of those few are
/// kept.
pub trait Seen: Send + Sync {
    /// The exchange as far as it was seen, without secrets.
    fn exchange(&self) -> Exchange;
}

/// The note of one attempt.
#[derive(Default)]
pub struct Note(OnceLock<Arc<dyn Seen>>);

impl Note {
    /// Notes that an exchange begins. An attempt has one: only the first call counts.
    pub fn begin(&self, seen: Arc<dyn Seen>) {
        let _ = self.0.set(seen);
    }

    /// Whether an exchange began.
    pub fn has_begun(&self) -> bool {
        self.0.get().is_some()
    }

    /// The exchange as far as it was seen; `None`: none began.
    pub fn exchange(&self) -> Option<Exchange> {
        self.0.get().map(|seen| seen.exchange())
    }
}
