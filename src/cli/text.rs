//! Text for a terminal. Text from outside is escaped: it cannot move the cursor or colour the line.

use jiff::Timestamp;

use crate::clock::between;
use crate::store::{DeliveryState, DeliveryView, EventView};
use crate::wording;
pub use crate::wording::foreign::shown as safe;
pub use crate::wording::{duration, instant};

/// `1 dead letter`, `2 dead letters`, `no dead letters`.
pub fn counted(n: usize, what: &str) -> String {
    wording::counted(n as u64, &n.to_string(), what)
}

/// The line below a list that shows at most `limit` entries.
pub fn listed(n: usize, limit: usize, what: &str) -> String {
    format!("{}{}", counted(n, what), if n >= limit { " (there may be more: --limit)" } else { "" })
}

/// The story of one delivery, one line for each step.
pub fn delivery(delivery: &DeliveryView, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!("to {} by route \"{}\" (delivery {})", delivery.sink, delivery.route, delivery.id)];
    for failure in &delivery.failures {
        lines.push(format!(
            "  attempt {} at {} failed after {}: {}",
            failure.number,
            instant(failure.started_at),
            duration(failure.took),
            safe(&failure.reason, 300)
        ));
    }
    lines.push(match delivery.state {
        DeliveryState::Delivered => {
            let took = delivery.success.map(|success| format!(" in {}", duration(success.took))).unwrap_or_default();
            format!("  delivered at {}{took} (attempt {})", instant(delivery.at), delivery.n_attempts)
        }
        DeliveryState::Dead => format!(
            "  dead letter since {} after {}; `reelhook deadletters replay {}` tries again",
            instant(delivery.at),
            counted(delivery.n_attempts as usize, "attempt"),
            delivery.id
        ),
        DeliveryState::Blocked => "  waits for an earlier delivery of the same operation to this sink".into(),
        DeliveryState::Open if delivery.at <= now => "  due now".into(),
        DeliveryState::Open => {
            let left = between(now, delivery.at);
            format!("  being attempted, or next attempt in {} ({})", duration(left), instant(delivery.at))
        }
    });
    lines
}

/// One event in one line.
pub fn event(event: &EventView) -> String {
    format!(
        "{}  {}  {}  {}  {}",
        event.id,
        instant(event.received_at),
        safe(&event.kind, 64),
        safe(event.client_context.as_deref().unwrap_or("-"), 64),
        safe(&event.resource, 100)
    )
}

/// The facts of an event's envelope, in one line.
pub fn facts(event: &EventView) -> String {
    let facts = event.envelope.told().into_iter().map(|(name, value)| format!("{name} {}", safe(value, 256)));
    facts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_is_told_from_many() {
        assert_eq!(counted(0, "dead letter"), "no dead letters");
        assert_eq!(counted(1, "entry"), "1 entry");
        assert_eq!(listed(2, 2, "entry"), "2 entries (there may be more: --limit)");
    }

    #[test]
    fn a_duration_is_told_in_its_largest_units() {
        assert_eq!(duration(Duration::from_millis(12)), "12 ms");
        assert_eq!(duration(Duration::from_secs(3720)), "1 h 2 min");
    }
}
