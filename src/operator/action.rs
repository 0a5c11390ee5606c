//! What an operator can have done to many entries.

use super::Resend;
use crate::store::{DeadFilter, QuarantineFilter, UnmatchedFilter};

/// An action on many entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes successful deliveries again.
    Resend(Resend),
    /// Makes dead letters due again.
    Replay(DeadFilter),
    /// Verifies quarantine entries again; `true`: accepts them without their tokens.
    Verify(QuarantineFilter, bool),
    /// Routes unmatched events again.
    Route(UnmatchedFilter),
}
