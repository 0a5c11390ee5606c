//! How much the store holds that somebody may have to look at, and since when.

use jiff::Timestamp;

use crate::domain::{ExpectationState, QuarantineClass};

/// How many of something there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub n: u64,
    /// Since when the oldest is known, by the machine's clock; `None`: there is none.
    pub oldest_at: Option<Timestamp>,
}

/// What the store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tallies {
    /// Quarantine entries, in the order of [`QuarantineClass::ALL`].
    pub quarantine: [(QuarantineClass, Tally); 3],
    /// Events that matched no route and were not routed since.
    pub unmatched: Tally,
    /// Expectations, in the order of [`ExpectationState::UNMET`]. Their age is that of their operation.
    pub expectations: [(ExpectationState, Tally); 3],
}

/// The size of the store, and of the disk that holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The length of the database's file.
    pub database_bytes: u64,
    /// The part of it that is free for new rows.
    pub reusable_bytes: u64,
    /// What is free on the disk.
    pub disk_free_bytes: u64,
    /// Below that much free space nothing is accepted: `store.disk_reserve`.
    pub reserve_bytes: u64,
}
