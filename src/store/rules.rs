//! The rules of the config that a store applies within its transactions: only there is it known what they need.

use crate::config::Expectations;
use crate::domain::{NewDelivery, RoutingKey, SinkName};

/// Returns the deliveries that the routes ask for.
pub type Routing = Box<dyn Fn(&RoutingKey<'_>) -> Vec<NewDelivery> + Send + Sync>;

/// Says whether a sink gets events of a type, if they are routed to it.
pub type Choosing = Box<dyn Fn(&SinkName, &str) -> bool + Send + Sync>;

/// Takes the rules of the config. They are not stored: every process gives them to the store that it opens.
pub trait Rules: Send + Sync {
    /// Sets the routes. The store asks them where a notification without a client context goes, by the client context of
    /// its operation; and where `recovered` goes, which is raised in the transaction that ends the operation. Without
    /// routes, both go where the notification goes. Only the first call counts: the value given follows the config by
    /// itself.
    fn route_by(&self, routing: Routing);

    /// Sets which events each sink chooses. From then on the store makes no delivery to a sink that does not take the
    /// event's type: not for a notification, not for a report, not when an event is routed or sent again. Such an event
    /// is matched all the same. Without it, every sink takes every event. Only the first call counts, as above.
    fn choose_by(&self, choosing: Choosing);

    /// Watches operations by `[expectations]` from now on. Without it, the defaults of the config apply.
    fn watch_by(&self, settings: &Expectations);
}
