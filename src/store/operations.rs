//! The operations as a resource: the queries and changes of the API, the watch and the console. [`super::Store`] keeps
//! operations current; this trait finds, announces, changes and removes them.
//!
//! **Invariants**, which the conformance suite holds every implementation to:
//! 1. A page is found by its keys, not by counting: page 1,000 costs what page 1 costs, and a row that stays is neither
//!    missed nor shown twice while other rows come and go.
//! 2. An open expectation is bound by the first notification of an operation with its exact client context (and its call,
//!    where both name one), or with its id; from then on one operation answers to both ids.
//! 3. `overdue` and `lost` are raised once for an operation, in one commit with the deliveries of their event, and never for one that
//!    has ended. An operation that ends after that raises `recovered` in the commit that ends it, unless it failed and
//!    there is no recording.
//! 4. A deleted operation is gone with its events. If Graph notifies of it again, it is a new operation.
//! 5. Deadlines are found by an index: 10^6 open expectations cost no scan.
//! 6. An announcement is not bound to an operation that ended before it, unless the announcement names that operation's
//!    id.
//! 7. An operation is reported as lost in whatever order the end of its call, its announcement and its notifications
//!    arrived; `lost` is raised only after the whole grace has passed in which notifications could arrive
//!    ([`super::Reception`]).

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::{ClientContext, GraphId, Operation, SinkName, Status};
use crate::odata::{Cursor, Filter, OrderBy};

/// A text that is searched inside client contexts. No index helps, so only some operations are read.
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a> {
    /// The text; ASCII letters in any case.
    pub text: &'a str,
    /// So many of the newest operations are read.
    pub n_newest: usize,
}

/// A query for a page.
#[derive(Debug)]
pub struct Question<'a> {
    /// Only operations of this call.
    pub call_id: Option<&'a GraphId>,
    /// Only operations that match.
    pub filter: Option<&'a Filter>,
    /// Only operations whose client context contains a text.
    pub inside: Option<Inside<'a>>,
    /// In this order.
    pub order: &'a OrderBy,
    /// After this row.
    pub after: Option<&'a Cursor>,
    /// The most rows.
    pub limit: usize,
}

impl<'a> Question<'a> {
    /// The first page of all operations in an order.
    pub fn first(order: &'a OrderBy, limit: usize) -> Self {
        Self { call_id: None, filter: None, inside: None, order, after: None, limit }
    }
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
    /// The client context that its notifications will carry.
    pub client_context: Option<ClientContext>,
    /// `notStarted`, or `running` where Graph has said so.
    pub status: Status,
    /// A JSON object as text.
    pub metadata: Option<String>,
    /// The sinks for its events; empty: the routes decide.
    pub sinks: Vec<SinkName>,
    /// When it is overdue.
    pub expected_by: Option<Timestamp>,
    /// Whether another open operation may have the same client context.
    pub allow_duplicate: bool,
}

/// The result of an announcement.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is a new operation.
    New(Box<Operation>),
    /// The same operation was announced before, or a notification of it has arrived. Only missing metadata, sinks and
    /// deadline were added.
    Same(Box<Operation>),
    /// Another open operation, of another call, has this client context.
    Taken(Box<Operation>),
}

/// What a client may change. `None` leaves the value as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Allowed while the operation is not started.
    pub client_context: Option<ClientContext>,
    /// A JSON object as text; `Some(None)` removes it.
    pub metadata: Option<Option<String>>,
    /// `Some(None)` removes the deadline.
    pub expected_by: Option<Option<Timestamp>>,
    /// The sinks for its events.
    pub sinks: Option<Vec<SinkName>>,
}

/// The result of a change.
#[derive(Clone, Debug)]
pub enum Updated {
    /// The change was made.
    Done(Box<Operation>),
    /// The operation was changed by somebody else; this is its version now.
    Stale(i64),
    /// The client context cannot change any more: the operation has started.
    Started,
    /// Another open operation has the new client context.
    Taken,
    /// There is no such operation.
    Missing,
}

/// The result of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It was removed.
    Done,
    /// The operation was changed by somebody else; this is its version now.
    Stale(i64),
    /// This many of its deliveries are neither delivered nor dead.
    Open(u64),
    /// There is no such operation.
    Missing,
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

    /// One operation by its id or by its expectation's id; of this call, if one is named. Where several calls share the
    /// id and none is named, the newest operation.
    ///
    /// # Errors
    /// The database could not be read.
    async fn get(&self, id: &GraphId, call_id: Option<&GraphId>) -> Result<Option<Operation>, StoreError>;

    /// Announces an operation.
    ///
    /// # Errors
    /// Nothing was announced; retrying is safe.
    async fn create(&self, new: NewOperation) -> Result<Created, StoreError>;

    /// Changes an operation if it still has `version`.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn update(&self, number: i64, version: Option<i64>, change: Change) -> Result<Updated, StoreError>;

    /// Removes an operation with its events if it still has `version`; with open deliveries only if `force` is set.
    ///
    /// # Errors
    /// Nothing was removed.
    async fn delete(&self, number: i64, version: Option<i64>, force: bool) -> Result<Deleted, StoreError>;

    /// A secret for the tokens of pages: the same after a restart, and for all who share the store.
    fn page_key(&self) -> [u8; 32];
}
