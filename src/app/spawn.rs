//! The tasks that run as long as the app: dispatchers and housekeeping.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::BuiltSinks;
use crate::clock::Clock;
use crate::config::Config;
use crate::dispatch::{self, Dispatcher};
use crate::domain::SinkName;
use crate::intake::Intake;
use crate::store::{Health, Store};
use crate::tasks::{Rest, Tasks};
use crate::telemetry::{self, Metrics};
use crate::wording;

/// How often operators' requests are read and backlogs are counted.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many times the duration of the last count the counting pauses. The waiting deliveries are counted exactly, one
/// by one, which takes a tenth of a second for a million; counting must not use more than 2 % of a core.
const COUNTING_RESTS: u32 = 50;
/// How often the log reports how many lines it left out.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How often the store's health is copied to the metrics.
const LOOK_AFTER_EVERY: Duration = Duration::from_secs(1);
/// How often the wishes of operators' commands are read; a command waits for its wish.
const WISHES_EVERY: Duration = Duration::from_millis(250);
/// How often the machine's clock is compared with steady time.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// How often the store is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Starts tasks, each with an owner.
pub(super) struct Spawn<'a> {
    pub(super) tasks: &'a Tasks,
    pub(super) intake: &'a CancellationToken,
    pub(super) dispatch: &'a CancellationToken,
}

impl Spawn<'_> {
    pub(super) fn dispatchers(&self, config: &Config, sinks: BuiltSinks, shared: &dispatch::Shared) {
        for (name, sink) in sinks {
            let settings = config.sinks.iter().find(|it| it.name == name).map(|it| it.dispatch.clone());
            let settings = settings.unwrap_or_else(|| config.dispatch.defaults.clone());
            let task = format!("deliveries to {name}");
            let dispatcher = Dispatcher::new(name, sink, settings, shared.clone());
            self.tasks.run(task, dispatcher.run(self.dispatch.clone()));
        }
    }

    /// Ends the app if a thread of the store breaks, and copies the store's health to the metrics.
    pub(super) fn looking_after(&self, store: &Arc<dyn Store>, metrics: &Arc<Metrics>) {
        let (stop, tasks, health) = (self.dispatch.clone(), self.tasks.clone(), store.health());
        self.tasks.run("watching the store's threads", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                thread = health.broken() => {
                    tracing::error!(thread, "a thread of the store broke: ending; acknowledged notifications are durable");
                    tasks.note_broken(thread);
                    stop.cancelled().await;
                }
            }
        });
        let (metrics, health) = (Arc::clone(metrics), store.health());
        self.tasks.every(("watching the store's health", LOOK_AFTER_EVERY), self.intake.clone(), move || {
            tell_health(&health, &metrics);
            std::future::ready(Rest::default())
        });
    }

    /// Watches the machine's clock, and logs what setting it changes and what it does not.
    pub(super) fn clock(&self, store: &Arc<dyn Store>, (metrics, clock): (&Arc<Metrics>, &Clock)) {
        let (store, metrics, clock) = (Arc::clone(store), Arc::clone(metrics), clock.clone());
        self.tasks.every(("watching the clock", CLOCK_EVERY), self.intake.clone(), move || {
            let (store, metrics, clock) = (Arc::clone(&store), Arc::clone(&metrics), clock.clone());
            async move {
                watch_clock(&store, &metrics, &clock).await;
                Rest::default()
            }
        });
    }

    pub(super) fn housekeeping(
        &self,
        config: &Config,
        store: &Arc<dyn Store>,
        intake: &Arc<Intake>,
        (metrics, clock): (&Arc<Metrics>, &Clock),
    ) {
        let backlogs = Arc::new(Backlogs {
            store: Arc::clone(store),
            metrics: Arc::clone(metrics),
            clock: clock.clone(),
            sinks: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
            gone: Mutex::default(),
        });
        // Their series exist from the start, even if counting fails.
        backlogs.sinks.iter().for_each(|sink| metrics.sink_backlog(sink.as_str(), 0, 0, Duration::ZERO));
        let (swept, wished, replayed) = (Arc::clone(store), Arc::clone(store), Arc::clone(intake));
        self.tasks.every(("counting backlogs", LOOK_EVERY), self.intake.clone(), move || {
            let backlogs = Arc::clone(&backlogs);
            async move {
                let began = Instant::now();
                backlogs.count().await;
                Rest(began.elapsed() * COUNTING_RESTS)
            }
        });
        self.tasks.every(("carrying out operators' requests", WISHES_EVERY), self.intake.clone(), move || {
            let store = Arc::clone(&wished);
            async move {
                carry_out_wishes(&store).await;
                Rest::default()
            }
        });
        self.tasks.every(("sweeping the store", SWEEP_EVERY), self.intake.clone(), move || {
            let store = Arc::clone(&swept);
            async move {
                sweep(&store).await;
                Rest::default()
            }
        });
        self.tasks.every(("counting suppressed log lines", TELL_EVERY), self.intake.clone(), || async {
            telemetry::log::tell_left_out();
            Rest::default()
        });
        self.tasks.every(("verifying entries again", LOOK_EVERY), self.intake.clone(), move || {
            let intake = Arc::clone(&replayed);
            async move {
                if let Err(error) = intake.replay().await {
                    tracing::warn!(%error, "could not verify quarantine entries again; trying again");
                }
                if let Err(error) = intake.decide().await {
                    tracing::warn!(%error, "could not verify the items that waited for keys; trying again");
                }
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
    tracing::warn!(step_seconds, "the machine's clock was set, or the machine was suspended: timers go on as before");
    if let Err(error) = store.note_time().await {
        tracing::warn!(%error, "the clock's step could not be stored; the store tries again within a minute");
    }
}

/// Counts the deliveries of each sink, removed sinks included.
struct Backlogs {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// The configured sinks.
    sinks: BTreeSet<SinkName>,
    /// Removed sinks that were found to have deliveries.
    gone: Mutex<BTreeSet<SinkName>>,
}

impl Backlogs {
    async fn count(&self) {
        let now = self.clock.now();
        let backlogs = match self.store.backlog().await {
            Ok(backlogs) => backlogs,
            // The last count stays; the metric of its time says how old it is.
            Err(error) => {
                tracing::warn!(%error, "the waiting deliveries could not be counted; trying again");
                return;
            }
        };
        self.metrics.backlog_counted(now);
        let mut gone = self.gone.lock();
        for (sink, backlog) in &backlogs {
            if !self.sinks.contains(sink) && gone.insert(sink.clone()) && backlog.n_open > 0 {
                let n = backlog.n_open;
                tracing::warn!(%sink, n, "{}", wording::sink_is_gone(sink.as_str(), (n, &n.to_string())));
            }
        }
        for sink in self.sinks.iter().chain(gone.iter()) {
            let (n_open, n_dead, age) = backlogs.get(sink).map_or((0, 0, Duration::ZERO), |backlog| {
                (backlog.n_open, backlog.n_dead, backlog.oldest.map(|oldest| oldest.age).unwrap_or_default())
            });
            self.metrics.sink_backlog(sink.as_str(), n_open, n_dead, age);
            self.metrics.sink_configured(sink.as_str(), self.sinks.contains(sink));
        }
    }
}

async fn carry_out_wishes(store: &Arc<dyn Store>) {
    loop {
        match store.carry_out_wishes().await {
            Ok(0) => return,
            Ok(_more) => {}
            Err(error) => {
                tracing::warn!(%error, "could not carry out operators' requests; trying again");
                return;
            }
        }
    }
}

async fn sweep(store: &Arc<dyn Store>) {
    loop {
        match store.sweep().await {
            Ok(0) => return,
            Ok(n) => tracing::debug!(n, "swept"),
            Err(error) => {
                tracing::warn!(%error, "could not remove old data from the store; trying again");
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
