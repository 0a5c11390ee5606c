//! The result of applying a notification to its operation.

use super::announced::Announced;
use crate::domain::{ClientContext, Order, Status};

/// The result of applying a notification.
pub struct Taken {
    /// The operation's row.
    pub seq: i64,
    /// Whether the row is new.
    pub is_new: bool,
    /// How the notification compares with the stored state.
    pub order: Order,
    /// The status before it.
    pub previous: Option<Status>,
    /// Whether another unfinished operation has the same client context.
    pub ambiguous: bool,
    /// The announcement of its client.
    pub announced: Option<Announced>,
    /// Whether it ended after it had been reported as overdue or lost.
    pub is_recovered: bool,
    /// Whether it is still unfinished.
    pub is_open: bool,
    /// The stored client context, if the notification has none.
    pub client_context: Option<ClientContext>,
    /// Whether it had many events before this one.
    pub is_long: bool,
}
