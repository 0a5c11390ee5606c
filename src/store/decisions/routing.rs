//! Where a notification goes that has no client context of its own.

use super::deliveries::{check_number_of, each_sink_once};
use super::item::Item;
use crate::domain::{ClientContext, NewDelivery, RoutingKey};
use crate::store::Routing;

/// The deliveries of a notification without a client context, by its operation's client context; `None` if there are
/// none.
pub fn routed(routing: Option<&Routing>, item: &Item, context: &ClientContext) -> Option<Vec<NewDelivery>> {
    // The carried fields were taken out of the notification.
    let change_type = item.carried.change_type.as_deref();
    let client_context = Some(context.as_str());
    let key = RoutingKey { client_context, change_type, ..item.notification.routing_key() };
    let mut deliveries = routing?(&key);
    each_sink_once(&mut deliveries);
    let is_somewhere = !deliveries.is_empty() && check_number_of(&deliveries).is_ok();
    is_somewhere.then_some(deliveries)
}
