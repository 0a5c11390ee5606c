//! The operations as a resource: what the API, the watch and the console ask of the store. [`super::Store`] keeps them
//! current; this lets them be found, announced, changed and removed.
//!
//! **Invariants**, which the conformance suite holds every implementation to:
//! 1. A page is found by its keys, not by counting: page 1,000 costs what page 1 costs, and no row that stays is missed or
//!    shown twice while others come and go.
//! 2. An open expectation is bound by the first notification of an operation with its exact client context (and its call,
//!    where both name one), or with its id; from then on one operation answers to both ids.
//! 3. `overdue` and `lost` are raised once for an operation, in one commit with the deliveries of their event, and never for one that
//!    has ended. An operation that ends after that raises `recovered` in the commit that ends it, unless it failed and
//!    there is no recording.
//! 4. What was deleted is gone with its events; if Graph notifies it again it is new.
//! 5. Deadlines are found by an index: 10^6 open expectations cost no scan.
//! 6. An operation that ended before it was announced is not the one that is announced, unless the announcement names its id.
//! 7. An operation is lost however its call's end, its announcement and its notifications were ordered; `lost` is raised
//!    only after the grace has passed in which notifications could arrive ([`Reception`]).

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Changes, EventView, Reception, StoreError};
use crate::domain::{ClientContext, EventId, GraphId, NewDelivery, Operation, SinkName, Status, Watch};
use crate::odata::{Cursor, Filter, OrderBy};

/// A question for a page.
#[derive(Debug)]
pub struct Question<'a> {
    /// Only operations of this call.
    pub call_id: Option<&'a GraphId>,
    /// Only operations that match.
    pub filter: Option<&'a Filter>,
    /// In this order.
    pub order: &'a OrderBy,
    /// After this row.
    pub after: Option<&'a Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// What a client announces.
#[derive(Clone, Debug)]
pub struct NewOperation {
    /// Graph's id, where Graph has already given one (`recordResponse` answers with it).
    pub id: Option<GraphId>,
    /// The call that will be recorded.
    pub call_id: Option<GraphId>,
    /// Its tenant.
    pub tenant_id: Option<String>,
    /// What its notifications will carry.
    pub client_context: Option<ClientContext>,
    /// `notStarted`, or `running` where Graph has said so.
    pub status: Status,
    /// A JSON object as text.
    pub metadata: Option<String>,
    /// Where its events go; empty: where the routes say.
    pub sinks: Vec<SinkName>,
    /// When it is overdue.
    pub expected_by: Option<Timestamp>,
    /// Whether another open operation may have the same client context.
    pub allow_duplicate: bool,
}

/// What became of an announcement.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is a new operation.
    New(Box<Operation>),
    /// The same was announced before (or a notification of it has arrived): nothing changed but the metadata, sinks and
    /// deadline that were missing.
    Same(Box<Operation>),
    /// Another open operation, of another call, has this client context.
    Taken(Box<Operation>),
}

/// What a client may change. `None`: as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// While the operation is not started.
    pub client_context: Option<ClientContext>,
    /// A JSON object as text; `Some(None)` removes it.
    pub metadata: Option<Option<String>>,
    /// `Some(None)` removes the deadline.
    pub expected_by: Option<Option<Timestamp>>,
    /// Where its events go.
    pub sinks: Option<Vec<SinkName>>,
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Updated {
    /// It is done.
    Done(Box<Operation>),
    /// The operation was changed since: it is of this version now.
    Stale(i64),
    /// The client context cannot change any more: the operation is started.
    Started,
    /// Another open operation has the new client context.
    Taken,
    /// There is no such operation.
    Missing,
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Done,
    /// The operation was changed since: it is of this version now.
    Stale(i64),
    /// So many of its deliveries are neither delivered nor dead.
    Open(u64),
    /// There is no such operation.
    Missing,
}

/// An operation that the watch is to report.
#[derive(Clone, Debug)]
pub struct Due {
    /// The operation as it stands.
    pub operation: Operation,
    /// What is to be said of it.
    pub watch: Watch,
    /// Since when.
    pub at: Timestamp,
}

/// What became of what was to be said of a due operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It is said.
    Said,
    /// It is put off: notifications could not arrive all the time.
    PutOff,
    /// There is nothing to say any more.
    Nothing,
}

/// An event of the stream.
#[derive(Clone, Debug)]
pub struct StreamedEvent {
    /// The event; its deliveries are left out.
    pub event: EventView,
    /// The metadata of its operation's expectation.
    pub metadata: Option<String>,
}

/// The operations as a resource.
#[async_trait]
pub trait Operations: Send + Sync {
    /// A page of operations. Tokens are left out of lists: [`Operations::get`] has them.
    ///
    /// # Errors
    /// The database could not be read.
    async fn list(&self, question: Question<'_>) -> Result<Vec<Operation>, StoreError>;

    /// How many operations match.
    ///
    /// # Errors
    /// The database could not be read.
    async fn count(&self, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Result<u64, StoreError>;

    /// One operation by its id, or by its expectation's; of this call, where one is named. Where several calls share the
    /// id and none is named, the newest.
    ///
    /// # Errors
    /// The database could not be read.
    async fn get(&self, id: &GraphId, call_id: Option<&GraphId>) -> Result<Option<Operation>, StoreError>;

    /// Announces an operation.
    ///
    /// # Errors
    /// Nothing was announced; the same may be tried again.
    async fn create(&self, new: NewOperation) -> Result<Created, StoreError>;

    /// Changes an operation, if it still is of `version`.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn update(&self, number: i64, version: Option<i64>, change: Change) -> Result<Updated, StoreError>;

    /// Removes an operation with its events, if it still is of `version`; with open deliveries only by `force`.
    ///
    /// # Errors
    /// Nothing was removed.
    async fn delete(&self, number: i64, version: Option<i64>, force: bool) -> Result<Deleted, StoreError>;

    /// What the watch is to report by now, the longest due first.
    ///
    /// # Errors
    /// The database could not be read.
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError>;

    /// When the next one will be due, in steady time.
    ///
    /// # Errors
    /// The database could not be read.
    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Makes the event of a due operation with its deliveries durable, unless the operation ended meanwhile, it was raised
    /// already, or notifications could not arrive for some of the time.
    ///
    /// # Errors
    /// Nothing was raised.
    async fn raise(&self, due: Due, deliveries: Vec<NewDelivery>) -> Result<Raised, StoreError>;

    /// Events after `after` (from the oldest: `None`), oldest first, at most `limit`. No event that becomes durable later
    /// stands before one that this has returned.
    ///
    /// # Errors
    /// The database could not be read.
    async fn stream(&self, after: Option<EventId>, limit: usize) -> Result<Vec<StreamedEvent>, StoreError>;

    /// The last event that [`Operations::stream`] would return.
    ///
    /// # Errors
    /// The database could not be read.
    async fn newest_event(&self) -> Result<Option<EventId>, StoreError>;

    /// The last events that [`Operations::stream`] would return, newest first, at most `limit`.
    ///
    /// # Errors
    /// The database could not be read.
    async fn latest(&self, limit: usize) -> Result<Vec<StreamedEvent>, StoreError>;

    /// A secret for the tokens of pages: the same after a restart, and for all who share the store.
    fn page_key(&self) -> [u8; 32];

    /// Tells of changes as they are committed.
    fn changes(&self) -> Arc<Changes>;

    /// Since when notifications can be taken in; whoever refuses one says so there.
    fn reception(&self) -> Arc<Reception>;
}
