//! Which dead letters, delivered deliveries, quarantine entries or unmatched events an operator means, and how they are
//! found.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Delivered, EventFilter, EventView, LoggedDelivery, Looked, Newest, Page, StoreError};
use crate::domain::{DeliveryId, EventId, Reason, SinkName};

/// Which dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Those of this sink.
    pub sink: Option<SinkName>,
    /// Those whose last reason contains this text, in any case.
    pub reason: Option<String>,
    /// Those that became dead letters from this instant on.
    pub since: Option<Timestamp>,
    /// Those that became dead letters until this instant.
    pub until: Option<Timestamp>,
}

/// A dead letter, and its place among the others: they are in the order of their sinks, those of a sink in the order of
/// their events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadKey {
    /// Its sink.
    pub sink: SinkName,
    /// Its id.
    pub id: DeliveryId,
}

/// Which quarantine entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineFilter {
    /// Those whose last refusal had this reason.
    pub reason: Option<Reason>,
    /// Those that arrived from this instant on.
    pub since: Option<Timestamp>,
    /// Those that arrived until this instant.
    pub until: Option<Timestamp>,
    /// Those that nobody wants verified again, and that were not verified again after this instant.
    pub unchecked_since: Option<Timestamp>,
}

/// Which unmatched events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnmatchedFilter {
    /// Those of this type; ASCII letters in any case.
    pub kind: Option<String>,
    /// Those that arrived from this instant on.
    pub since: Option<Timestamp>,
}

impl UnmatchedFilter {
    /// Whether an event of this type, that arrived at this instant, is meant.
    pub fn means(&self, kind: &str, received_at: Timestamp) -> bool {
        self.kind.as_deref().is_none_or(|it| it.eq_ignore_ascii_case(kind))
            && self.since.is_none_or(|since| since <= received_at)
    }
}

impl From<&UnmatchedFilter> for EventFilter {
    fn from(which: &UnmatchedFilter) -> Self {
        let (kind, since) = (which.kind.clone(), which.since);
        Self { kind, since, is_matched: Some(false), ..Self::default() }
    }
}

/// How many rows are meant. A count looks at a limited number of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many it found.
    pub n: u64,
    /// Whether it looked at all rows. If not, there are at least so many.
    pub is_all: bool,
}

/// Finds what an operator means. Nothing here changes anything.
#[async_trait]
pub trait Selections: Send + Sync {
    /// A page of the dead letters that are meant, those of the newest event first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn dead_letters(
        &self,
        which: &DeadFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError>;

    /// The dead letters that are meant, sink by sink, those of a sink's earliest events first: those behind `after`, at most
    /// `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn dead_keys(
        &self,
        which: &DeadFilter,
        after: Option<&DeadKey>,
        limit: usize,
    ) -> Result<Vec<DeadKey>, StoreError>;

    /// How many dead letters are meant. It looks at `most` dead letters, of the wanted sink if one is wanted.
    ///
    /// # Errors
    /// The database could not be read.
    async fn count_dead(&self, which: &DeadFilter, most: usize) -> Result<Counted, StoreError>;

    /// Looks at up to `limit` deliveries, in the order of their events, behind `after` or from the first on that may be
    /// meant.
    ///
    /// # Errors
    /// The database could not be read.
    async fn delivered(&self, which: &Delivered, after: Option<DeliveryId>, limit: usize)
    -> Result<Looked, StoreError>;

    /// A page of the events that matched no route and were not routed since, oldest first: those that arrived after `after`, or the first ones if it is `None`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError>;
}
