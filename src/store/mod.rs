//! The store makes notifications durable. The intake writes to it, dispatch reads from it.
//!
//! Each trait has one purpose: [`Inbox`], [`Queue`], [`Deliveries`], [`Quarantine`], [`Views`], [`Selections`],
//! [`Logs`], [`Operations`], [`Watches`], [`Events`], [`SinkPauses`], [`SinkConditions`], [`History`], [`Reports`], [`Rules`],
//! [`Upkeep`]. None of them holds anything of one process. The memory queues, and whoever waits for a change, stand
//! beside the store ([`process`]): the store gives them hints, and the rows are the truth.
//!
//! **Invariants**, which the conformance suite holds every implementation to:
//! 1. When `accept` returns, everything in its batch is durable (fsynced). When it fails, the caller answers 503.
//! 2. An item whose bytes were accepted within the deduplication window is a [`Stored::Duplicate`] if it is identified
//!    as a repeat ([`crate::domain::RepeatOf`]): no event and no delivery. If it is not identified, it is a new event, marked as
//!    possibly a repeat.
//! 3. At most one unexpired lease holds a delivery. An outcome with an old lease token changes nothing.
//! 4. For one sink, deliveries of one operation are leased in the order of their arrival; a later one waits until the
//!    earlier one is delivered or dead, or is leased to the same holder right behind it ([`crate::domain::Lease::follows`]).
//! 5. A terminal status of an operation never changes ([`crate::domain::Order`]), unless weaker proof established it.
//!    Weaker proof never changes what stronger proof established ([`crate::domain::Proof`]).
//! 6. Raw items, events' data, quarantined bodies and tokens are sealed (AES-256-GCM); searched columns hold no secret.
//! 7. A token is wiped, and the raw item with it, when every delivery of its event is settled and its retention is over.
//! 8. The quarantine is bounded, with a share for each class of senders: the oldest entries of a class make room.
//!    Entries that wait for keys are not removed. Retention never removes anything undelivered: unmatched events are
//!    kept for the retention from their arrival, dead letters from the day on which they became dead letters.
//! 9. `accept` refuses with [`StoreError::Full`] below the disk reserve; leasing and settling go on.
//! 10. The exchanges of attempts are sealed, and bounded in entries and bytes: the oldest make room. They go with their
//!     delivery. A store whose config keeps none removes those that it has.

mod calls;
mod conditions;
mod contents;
mod decisions;
mod deliveries;
mod disk;
mod error;
mod events;
mod hashes;
pub mod health;
mod history;
pub mod ids;
mod inbox;
mod instants;
mod logs;
pub mod operations;
mod pauses;
#[cfg(feature = "store-postgres")]
pub mod postgres;
pub mod process;
mod quarantine;
mod queue;
mod reports;
mod resends;
mod rules;
mod seal;
mod sealed;
mod selections;
pub mod sqlite;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
mod unanswered;
mod upkeep;
mod view;
mod views;
mod waiting;
mod watches;

pub use conditions::{Failure, SinkCondition, SinkConditions};
pub use deliveries::{DeadLetters, Deliveries, MadeDue};
pub use error::StoreError;
pub use events::{Events, StreamedEvent};
pub use health::Health;
pub use history::History;
pub use inbox::{Accepted, Arrival, Batch, Inbox, Receipt, Stored};
pub use logs::{DeliveryFilter, EventFilter, LoggedDelivery, Logs, Page, Phase};
pub use operations::Operations;
pub use pauses::SinkPauses;
pub use process::{Changes, Hint, Judged, Listener, Process, Queues, Reception, Verdicts, Waiter};
pub use quarantine::{Quarantine, ReplayWish};
pub use queue::{Limit, Queue};
pub use reports::{Report, Reports, Told};
pub use resends::{Delivered, Found, Looked, Resent};
pub use rules::{Choosing, Routing, Rules};
pub use selections::{Counted, DeadFilter, DeadKey, QuarantineFilter, Selections, UnmatchedFilter};
pub use tally::{Space, Tallies, Tally};
pub use upkeep::Upkeep;
pub use view::{
    Backlog, DeliveryState, DeliveryView, EventView, FailedAttempt, Keeping, Newest, Oldest, OperationView,
    QuarantineView, Success,
};
pub use views::{NewestEvents, Views};
pub use waiting::{WAITS_AT_MOST, Waiting};
pub use watches::{Due, Raised, Watches};

/// All traits of a store together. Ask for the narrowest trait where one is enough.
pub trait Store:
    Inbox
    + Queue
    + Deliveries
    + Quarantine
    + Views
    + Selections
    + Logs
    + Operations
    + Watches
    + Events
    + SinkPauses
    + SinkConditions
    + History
    + Reports
    + Rules
    + Upkeep
{
}

impl<T> Store for T where
    T: Inbox
        + Queue
        + Deliveries
        + Quarantine
        + Views
        + Selections
        + Logs
        + Operations
        + Watches
        + Events
        + SinkPauses
        + SinkConditions
        + History
        + Reports
        + Rules
        + Upkeep
{
}
