//! Operator events: tells those who run reelhook, by ordinary events, that a sink was paused, that deliveries were given
//! up, and the like. A route picks them by their types.
//!
//! Every half second this looks at what the other parts know, and compares it with what was told last.
//!
//! **Invariants**
//! 1. An event that no route names, or whose sinks do not take it, is not made.
//! 2. A transition is told once, also over a restart: see `standing`. What may happen often is told at most once a minute for each sink or reason, with a
//!    count. So the number of events is bounded, whatever happens.
//! 3. A dead letter of an operator event makes no operator event.
//! 4. If the store fails, it is told later.

mod levels;
mod sinks;
mod standing;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::standing::{Known, Standing};
use self::tally::Tally;
use crate::clock::Clock;
use crate::dispatch::{Conditions, Pauses};
use crate::domain::{Channel, EventKind, NewDelivery, OperatorData, OperatorEvent, RoutingKey};
use crate::routing::Router;
use crate::running::Running;
use crate::store::{Report, Store, Told};
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
    /// What was told before the start.
    pub told: Vec<Told>,
    /// What happened, and how fast Graph was answered.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// What was told, and what waits to be.
struct Memory {
    known: Known,
    dead_letters: Tally,
    quarantined: Tally,
}

impl OperatorEvents {
    /// Looks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let known = Known::from(std::mem::take(&mut self.told));
        let mut memory = Memory { known, dead_letters: Tally::default(), quarantined: Tally::default() };
        let mut pauses = self.pauses.changes();
        loop {
            self.look(&mut memory).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(STEP) => {}
                _ = pauses.changed() => {}
            }
        }
    }

    async fn look(&self, memory: &mut Memory) {
        let now = self.clock.steady();
        self.forget_removed(&mut memory.known).await;
        for sink in self.sink_facts() {
            if let Some(standing) = sink.standing(&memory.known, now) {
                self.tell_standing(&mut memory.known, standing, now).await;
            }
        }
        for (sink, incident) in self.metrics.take_dead_letters() {
            memory.dead_letters.add(&sink, incident);
        }
        for (reason, incident) in self.metrics.take_quarantined() {
            memory.quarantined.add(reason, incident);
        }
        self.tell_tally(&mut memory.dead_letters, now, dead_letters).await;
        self.tell_tally(&mut memory.quarantined, now, quarantined).await;
        let answers = levels::answers(&memory.known, &self.metrics.slow_shares(now), now);
        for standing in answers.into_iter().chain(levels::disk(&memory.known, self.store.space())) {
            self.tell_standing(&mut memory.known, standing, now).await;
        }
    }

    /// Tells how something is to those who do not know it.
    async fn tell_standing(&self, known: &mut Known, standing: Standing, now: Timestamp) {
        let mut deliveries = standing.report.as_ref().map(|report| self.deliveries(report)).unwrap_or_default();
        let Some(told) = known.next(&standing, &mut deliveries, now) else { return };
        let event = standing.report.filter(|_| !deliveries.is_empty()).map(|report| (report, deliveries));
        match self.store.tell(told.clone(), event).await {
            Ok(()) => known.keep(told),
            Err(error) => tracing::warn!(%error, "could not store an operator event; trying again"),
        }
    }

    /// A sink that was removed from the config begins from nothing if it comes back.
    async fn forget_removed(&self, known: &mut Known) {
        let subjects: Vec<String> =
            self.running.now().sink_names().iter().map(|sink| sinks::path(sink.as_str())).collect();
        let removed = known.others(sinks::PATHS, &subjects);
        if removed.is_empty() {
            return;
        }
        match self.store.forget_told(removed.clone()).await {
            Ok(()) => known.forget(&removed),
            Err(error) => tracing::warn!(%error, "could not forget what was told of removed sinks; trying again"),
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
