//! Operator events: tells those who run reelhook, by ordinary events, that a sink was paused, that deliveries were given
//! up, and the like. A route picks them by their types.
//!
//! Every half second this looks at what the other parts know, and compares it with what it told last.
//!
//! **Invariants**
//! 1. An event that no route names, or whose sinks do not take it, is not made.
//! 2. A transition is told once. What may happen often is told at most once a minute for each sink or reason, with a
//!    count. So the number of events is bounded, whatever happens.
//! 3. A dead letter of an operator event makes no operator event.
//! 4. If the store fails, it is told later.

mod levels;
mod sinks;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::levels::Levels;
use self::sinks::Sinks;
use self::tally::Tally;
use crate::clock::Clock;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::{Channel, EventKind, NewDelivery, OperatorData, OperatorEvent, RoutingKey};
use crate::routing::Router;
use crate::running::Running;
use crate::store::{Report, Store};
use crate::telemetry::{Incident, Metrics};

/// How often it looks.
const STEP: Duration = Duration::from_millis(500);

/// Looks, and tells.
pub struct OperatorEvents {
    /// The store of the events.
    pub store: Arc<dyn Store>,
    /// The routes for them.
    pub routes: Arc<Router>,
    /// Which sinks there are.
    pub running: Arc<Running>,
    /// Which sinks operators paused.
    pub pauses: Arc<Pauses>,
    /// What is known of each sink.
    pub conditions: Arc<Conditions>,
    /// What happened, and how fast Graph was answered.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// What was told, or need not be.
#[derive(Default)]
struct Told {
    sinks: Sinks,
    dead_letters: Tally,
    quarantined: Tally,
    levels: Levels,
}

impl OperatorEvents {
    /// Looks until `stop`. The sinks that are paused at the start were paused before: that is not told.
    pub async fn run(self, stop: CancellationToken) {
        let mut told = Told { sinks: Sinks::begin(self.sink_facts()), ..Told::default() };
        let mut pauses = self.pauses.changes();
        loop {
            self.look(&mut told).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(STEP) => {}
                _ = pauses.changed() => {}
            }
        }
    }

    async fn look(&self, told: &mut Told) {
        let now = self.clock.steady();
        for (sink, change) in told.sinks.changes(self.sink_facts(), now) {
            if self.tell(change.report()).await {
                told.sinks.told(sink, change, now);
            }
        }
        for (sink, incident) in self.metrics.take_dead_letters() {
            told.dead_letters.add(&sink, incident);
        }
        for (reason, incident) in self.metrics.take_quarantined() {
            told.quarantined.add(reason, incident);
        }
        self.tell_tally(&mut told.dead_letters, now, dead_letters).await;
        self.tell_tally(&mut told.quarantined, now, quarantined).await;
        for level in told.levels.changes(&self.metrics.slow_shares(now), self.store.space(), now) {
            if self.tell(level.report()).await {
                told.levels.told(level, now);
            }
        }
    }

    async fn tell_tally(&self, tally: &mut Tally, now: Timestamp, report: impl Fn(&str, &Incident) -> Report) {
        for (of, incident) in tally.due(now) {
            if self.tell(report(&of, &incident)).await {
                tally.told(&of, now);
            }
        }
    }

    /// Makes the event, if a route wants it. Returns whether nothing is left to do.
    async fn tell(&self, report: Report) -> bool {
        let deliveries = self.deliveries(&report);
        if deliveries.is_empty() {
            return true;
        }
        match self.store.report(report, deliveries).await {
            Ok(_event) => true,
            Err(error) => {
                tracing::warn!(%error, "could not store an operator event; trying again");
                false
            }
        }
    }

    /// The deliveries to sinks that take the event.
    fn deliveries(&self, report: &Report) -> Vec<NewDelivery> {
        let key = RoutingKey {
            client_context: None,
            status: None,
            tenant_id: None,
            resource_type: OperatorEvent::TYPE,
            resource: &report.subject,
            change_type: None,
            subscription_id: None,
            channel: Channel::Calls,
            kind: EventKind::Operator(report.event),
        };
        let mut deliveries = self.routes.matches(&key);
        deliveries.retain(|new| self.routes.takes(&new.sink, report.event.kind()));
        deliveries
    }

    /// How each sink of the config is now.
    fn sink_facts(&self) -> Vec<sinks::Now> {
        let names = self.running.now().sink_names();
        names.into_iter().map(|name| sinks::Now::of(name, &self.pauses, &self.conditions)).collect()
    }
}

fn dead_letters(sink: &str, incident: &Incident) -> Report {
    let Incident { n, since, reason } = incident;
    let message = match n {
        1 => format!("1 delivery to sink {sink} was given up at {since}: {reason}"),
        _ => format!("{n} deliveries to sink {sink} were given up since {since}; the last one: {reason}"),
    };
    let data = OperatorData { message, sink: Some(sink.to_owned()), ..counted(incident) };
    Report { event: OperatorEvent::DeadLetter, subject: sinks::path(sink), data }
}

fn quarantined(reason: &str, incident: &Incident) -> Report {
    let Incident { n, since, .. } = incident;
    let message = match n {
        1 => format!("1 notification was quarantined at {since}: {reason}"),
        _ => format!("{n} notifications were quarantined since {since}: {reason}"),
    };
    let data = OperatorData { message, ..counted(incident) };
    Report { event: OperatorEvent::Quarantined, subject: format!("reelhook/quarantine/{reason}"), data }
}

fn counted(incident: &Incident) -> OperatorData {
    let Incident { n, since, reason } = incident.clone();
    OperatorData { count: Some(n), since: Some(since), reason: Some(reason), ..OperatorData::default() }
}
