//! The tasks that run as long as the app.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backlogs::Backlogs;
use super::contents::Contents;
use super::history::{History, SAVE_EVERY};
use super::parts::Parts;
use super::store::Stored;
use crate::clock::Clock;
use crate::intake::Intake;
use crate::store::{Health, Store};
use crate::tasks::Rest;
use crate::telemetry::{self, Metrics};

/// How often replay requests are looked for, the numbers of the backlogs read, and the contents of the store.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The pause after the backlogs were read, as a multiple of the time that this took: so it uses at most 2 % of one core,
/// however slow the store is.
const COUNTING_RESTS: u32 = 50;
/// How often the log reports how many lines it suppressed.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often the store's own findings are read.
const LOOK_AFTER_EVERY: Duration = Duration::from_secs(1);
/// How often the machine's clock is compared with steady time.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// How often old data is removed from the store.
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

    /// Repeats some work until the intake has stopped.
    fn every<F: Future<Output = Rest> + Send>(&self, what: (&str, Duration), work: impl FnMut() -> F + Send + 'static) {
        self.parts.tasks.every(what, self.parts.stops.intake.clone(), work);
    }

    /// Stops the app if a thread of the store fails, copies the store's findings into metrics, and removes old data.
    pub(super) fn of_the_store(&self) {
        let health = self.store.health();
        self.end_with(Arc::clone(&health));
        let metrics = Arc::clone(&self.parts.metrics);
        // As with the clock: the first scrape may come before the first round.
        tell_health(&health, &metrics);
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
                    tracing::error!(thread, "a thread of the store failed: stopping; acknowledged notifications are on disk");
                    tasks.note_broken(thread);
                    stop.cancelled().await;
                }
            }
        });
    }

    /// Reads how much the store holds.
    pub(super) fn of_contents(&self, contents: Arc<Contents>) {
        self.every(("reading how much the store holds", LOOK_EVERY), move || {
            let contents = Arc::clone(&contents);
            async move {
                contents.tell().await;
                Rest::default()
            }
        });
    }

    /// Stores what happened in each minute.
    pub(super) fn of_the_history(&self) {
        let history = History::new(self.parts, self.store);
        self.every(("storing what happened", SAVE_EVERY), move || {
            let history = history.clone();
            async move {
                history.save().await;
                Rest::default()
            }
        });
    }

    /// Counts the backlogs.
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

    /// Verifies quarantine entries again: those that an operator replays, and those that waited for keys.
    pub(super) fn of_the_quarantine(&self, intake: &Arc<Intake>) {
        let intake = Arc::clone(intake);
        self.every(("judging again", LOOK_EVERY), move || {
            let intake = Arc::clone(&intake);
            async move {
                if let Err(error) = intake.replay().await {
                    tracing::warn!(%error, "could not replay quarantine entries; trying again");
                }
                if let Err(error) = intake.decide().await {
                    tracing::warn!(%error, "could not verify the items that waited for keys; trying again");
                }
                Rest::default()
            }
        });
    }

    /// Reports how many lines the log suppressed.
    pub(super) fn of_the_log(&self) {
        self.every(("telling what the log left out", TELL_EVERY), || async {
            telemetry::log::tell_left_out();
            Rest::default()
        });
    }

    /// Watches the machine's clock, and logs when it was set.
    pub(super) fn of_the_clock(&self) {
        let (store, metrics, clock) =
            (Arc::clone(self.store), Arc::clone(&self.parts.metrics), self.parts.clock.clone());
        metrics.clock(clock.lead(), false);
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
    tracing::warn!(
        step_seconds,
        "the machine's clock was set, or the machine slept: reelhook's timers are not affected"
    );
    if let Err(error) = store.note_time().await {
        tracing::warn!(%error, "could not store the step of the clock; the store does it within a minute");
    }
}

async fn sweep(store: &Arc<dyn Store>) {
    loop {
        match store.sweep().await {
            Ok(0) => return,
            Ok(n) => tracing::debug!(n_rows = n, "removed old data"),
            Err(error) => {
                tracing::warn!(%error, "could not remove old data; trying again");
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
