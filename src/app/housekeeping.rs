//! The tasks that go on as long as the app: housekeeping.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlogs::Backlogs;
use super::parts::Parts;
use super::store::Stored;
use crate::clock::Clock;
use crate::intake::Intake;
use crate::store::{Health, Store};
use crate::tasks::Rest;
use crate::telemetry::{self, Metrics};

/// How often operators' wishes are looked for, and backlogs are counted.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many times as long as counting took it rests: what waits is counted one by one, exactly, whoever wrote it, so that
/// a million takes a tenth of a second. It shall not take more than a fiftieth of a core.
const COUNTING_RESTS: u32 = 50;
/// How often the log tells what it left out of a flood that is over.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked what the store noticed of itself.
const LOOK_AFTER_EVERY: Duration = Duration::from_secs(1);
/// How often the machine's clock is compared with steady time.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// How often the store is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Starts the tasks.
pub(super) struct Housekeeping<'a> {
    parts: &'a Parts,
    store: &'a Arc<dyn Store>,
}

impl<'a> Housekeeping<'a> {
    pub(super) fn new(parts: &'a Parts, stored: &'a Stored) -> Self {
        Self { parts, store: &stored.store }
    }

    /// Does some work again and again until nothing is taken in any more.
    fn every<F: Future<Output = Rest> + Send>(&self, what: (&str, Duration), work: impl FnMut() -> F + Send + 'static) {
        self.parts.tasks.every(what, self.parts.stops.intake.clone(), work);
    }

    /// Ends the app where a thread of the store breaks, tells metrics what the store noticed, and sweeps.
    pub(super) fn of_the_store(&self) {
        let health = self.store.health();
        self.end_with(Arc::clone(&health));
        let metrics = Arc::clone(&self.parts.metrics);
        self.every(("telling of the store", LOOK_AFTER_EVERY), move || {
            tell_health(&health, &metrics);
            std::future::ready(Rest::default())
        });
        let store = Arc::clone(self.store);
        self.every(("sweeping the store", SWEEP_EVERY), move || {
            let store = Arc::clone(&store);
            async move {
                sweep(&store).await;
                Rest::default()
            }
        });
    }

    fn end_with(&self, health: Arc<Health>) {
        let (stop, tasks) = (self.parts.stops.dispatch.clone(), self.parts.tasks.clone());
        self.parts.tasks.run("watching the store's threads", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                thread = health.broken() => {
                    tracing::error!(thread, "a thread of the store broke: ending; what was acknowledged is durable");
                    tasks.note_broken(thread);
                    stop.cancelled().await;
                }
            }
        });
    }

    /// Counts what waits.
    pub(super) fn of_backlogs(&self, backlogs: Arc<Backlogs>) {
        self.every(("counting backlogs", LOOK_EVERY), move || {
            let backlogs = Arc::clone(&backlogs);
            async move {
                let began = Instant::now();
                backlogs.count().await;
                Rest(began.elapsed() * COUNTING_RESTS)
            }
        });
    }

    /// Judges again what operators vouch for or what waited for keys.
    pub(super) fn of_the_quarantine(&self, intake: &Arc<Intake>) {
        let intake = Arc::clone(intake);
        self.every(("judging again", LOOK_EVERY), move || {
            let intake = Arc::clone(&intake);
            async move {
                if let Err(error) = intake.replay().await {
                    tracing::warn!(%error, "could not carry out replays; trying again");
                }
                if let Err(error) = intake.decide().await {
                    tracing::warn!(%error, "could not decide what waited for keys; trying again");
                }
                Rest::default()
            }
        });
    }

    /// Tells what the log left out.
    pub(super) fn of_the_log(&self) {
        self.every(("telling what the log left out", TELL_EVERY), || async {
            telemetry::log::tell_left_out();
            Rest::default()
        });
    }

    /// Watches the machine's clock: whoever sets it is told what that does, and what it does not.
    pub(super) fn of_the_clock(&self) {
        let (store, metrics, clock) =
            (Arc::clone(self.store), Arc::clone(&self.parts.metrics), self.parts.clock.clone());
        self.every(("watching the clock", CLOCK_EVERY), move || {
            let (store, metrics, clock) = (Arc::clone(&store), Arc::clone(&metrics), clock.clone());
            async move {
                watch_clock(&store, &metrics, &clock).await;
                Rest::default()
            }
        });
    }
}

fn tell_health(health: &Health, metrics: &Metrics) {
    metrics.store_health(health.damage().is_some(), health.log_bytes(), health.n_lost_frames());
}

async fn watch_clock(store: &Arc<dyn Store>, metrics: &Metrics, clock: &Clock) {
    let step = clock.noticed_step();
    metrics.clock(clock.lead(), step.is_some());
    let Some(step) = step else { return };
    let step_seconds = step.as_secs_f64();
    tracing::warn!(step_seconds, "the machine's clock was set, or the machine slept: timers go on as before");
    if let Err(error) = store.note_time().await {
        tracing::warn!(%error, "the step could not be written down; the store does it within a minute");
    }
}

async fn sweep(store: &Arc<dyn Store>) {
    loop {
        match store.sweep().await {
            Ok(0) => return,
            Ok(n) => tracing::debug!(n, "swept"),
            Err(error) => {
                tracing::warn!(%error, "could not sweep the store; trying again");
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
