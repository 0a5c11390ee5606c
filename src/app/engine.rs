//! The second step of the start: everything that works without a request. Intake, dispatchers, deadlines, housekeeping.

use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;

use super::backlogs::Backlogs;
use super::channels;
use super::contents::Contents;
use super::dispatchers::{Dispatchers, Work};
use super::housekeeping::Housekeeping;
use super::parts::Parts;
use super::store::Stored;
use crate::intake::{Intake, quarantine_rate};
use crate::operator_events::OperatorEvents;
use crate::routing::Router;
use crate::store::{Changes, Rules, Told};
use crate::telemetry::Rejections;
use crate::watch::Watcher;

/// The parts that work without a request.
pub(super) struct Engine {
    pub(super) intake: Arc<Intake>,
    pub(super) dispatchers: Arc<Dispatchers>,
    pub(super) routes: Arc<Router>,
    pub(super) rules: Arc<dyn Rules>,
    pub(super) changes: Arc<Changes>,
}

impl Engine {
    pub(super) async fn start(parts: &Parts, stored: &Stored) -> anyhow::Result<Self> {
        let setup = parts.running.now();
        let intake = intake(parts, stored).await?;
        let dispatchers = Arc::new(Dispatchers::new(parts, stored));
        for sink in &setup.config.sinks {
            dispatchers.set(&sink.name, Work::of(&setup, &sink.name));
        }
        let watcher = Watcher {
            store: Arc::clone(&stored.store) as _,
            changes: Arc::clone(&stored.process.changes),
            reception: Arc::clone(&stored.reception),
            routes: Arc::clone(&stored.routes),
            metrics: Arc::clone(&parts.metrics),
            clock: parts.clock.clone(),
        };
        // This task ends first. While the listener closes nothing can arrive, so no operation may become lost or
        // overdue then.
        parts.tasks.run("watching deadlines", watcher.run(parts.stops.waiting.clone()));
        let told = stored.store.told().await.context("what operators were told cannot be read")?;
        let events = operator_events(parts, stored, told);
        parts.tasks.run("telling operators", events.run(parts.stops.waiting.clone()));
        intake.wait_on().await.context("the items that wait for the provider's keys cannot be read")?;
        let housekeeping = Housekeeping::new(parts, stored);
        housekeeping.of_the_store();
        // The first scrape may come with the first request, so these are read before there is one.
        let (contents, backlogs) = (Contents::new(stored, parts), Backlogs::new(parts, stored));
        contents.tell().await;
        backlogs.count().await;
        housekeeping.of_contents(contents);
        housekeeping.of_the_history();
        housekeeping.of_backlogs(backlogs);
        housekeeping.of_the_quarantine(&intake);
        housekeeping.of_the_log();
        housekeeping.of_the_clock();
        let (routes, rules) = (Arc::clone(&stored.routes), Arc::clone(&stored.store) as _);
        let changes = Arc::clone(&stored.process.changes);
        Ok(Self { intake, dispatchers, routes, rules, changes })
    }
}

/// Tells operators what happens to reelhook itself.
fn operator_events(parts: &Parts, stored: &Stored, told: Vec<Told>) -> OperatorEvents {
    OperatorEvents {
        store: Arc::clone(&stored.store),
        routes: Arc::clone(&stored.routes),
        running: Arc::clone(&parts.running),
        pauses: Arc::clone(&stored.pauses),
        conditions: Arc::clone(&stored.conditions),
        told,
        metrics: Arc::clone(&parts.metrics),
        clock: parts.clock.clone(),
    }
}

/// Builds the intake and starts the tasks that keep its keys fresh.
async fn intake(parts: &Parts, stored: &Stored) -> anyhow::Result<Arc<Intake>> {
    let channels = channels::open(parts)?;
    let intake = Arc::new(Intake {
        channels: ArcSwap::from_pointee(channels),
        routes: Arc::clone(&stored.routes),
        store: Arc::clone(&stored.store),
        reception: Arc::clone(&stored.reception),
        verdicts: Arc::clone(&stored.process.verdicts),
        metrics: Arc::clone(&parts.metrics),
        rejections: Arc::new(Rejections::new(Arc::clone(&parts.metrics), parts.clock.clone())),
        clock: parts.clock.clone(),
        quarantine_rate: quarantine_rate(),
        undecided: Default::default(),
    });
    let rich = stored.store.rich_subscriptions().await;
    intake.remember_rich(&rich.context("the subscriptions with encrypted content cannot be read")?);
    Ok(intake)
}
