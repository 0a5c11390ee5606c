//! The key for routing: the few facts of a notification that a route's conditions can name.

use super::{Channel, EventKind, Status};

/// The facts of one notification that routes match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutingKey<'a> {
    /// The `clientContext`, byte for byte.
    pub client_context: Option<&'a str>,
    /// The operation's status; `None` for other resources.
    pub status: Option<&'a Status>,
    /// The tenant, in lower case.
    pub tenant_id: Option<&'a str>,
    /// The resource's type, as in [`super::Notification::resource_type`].
    pub resource_type: &'a str,
    /// The resource's path as Graph sent it.
    pub resource: &'a str,
    /// As in [`super::Notification::change_type`]; reelhook's own reports have none.
    pub change_type: Option<&'a str>,
    /// The subscription.
    pub subscription_id: Option<&'a str>,
    /// Where it came in.
    pub channel: Channel,
    /// What it tells.
    pub kind: EventKind<'a>,
}
