//! The watch over the store in memory, which fails, lies and loses hints as a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::{NewDelivery, SinkName};
use reelhook::routing::{Router, Routes};
use reelhook::store::operations::NewOperation;
use reelhook::store::{
    Changes, Due, EventView, Logs, Newest, Operations, Process, Raised, Reception, StoreError, Views, Watches,
};
use reelhook::telemetry::Metrics;
use reelhook::watch::Watcher;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::recording_sink::PATIENCE;
use crate::store::memory::{Contents, MemoryStore};
use crate::test_app::announcement;

/// The store in memory, with faults.
struct Faulty {
    store: MemoryStore,
    /// Makes every call fail.
    is_down: AtomicBool,
    /// Makes every report be refused, although the operation stays due.
    refuses: AtomicBool,
    /// When the due operations were asked for.
    asked: watch::Sender<Vec<Instant>>,
}

impl Faulty {
    fn check(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::SeqCst) { Err(StoreError::Database("down".into())) } else { Ok(()) }
    }

    /// Resolves with the times of the first `n` questions.
    async fn until_asked(&self, n: usize) -> Vec<Instant> {
        let mut asked = self.asked.subscribe();
        let waited = tokio::time::timeout(PATIENCE, asked.wait_for(|asked| asked.len() >= n)).await;
        waited.expect("the store is asked").unwrap()[..n].to_vec()
    }
}

#[async_trait]
impl Watches for Faulty {
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.asked.send_modify(|asked| asked.push(Instant::now()));
        self.check()?;
        self.store.due(limit).await
    }

    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        self.check()?;
        self.store.next_watch().await
    }

    async fn raise(
        &self,
        due: Due,
        deliveries: Vec<NewDelivery>,
        reception: &Arc<Reception>,
    ) -> Result<Raised, StoreError> {
        self.check()?;
        if self.refuses.load(Ordering::SeqCst) {
            return Ok(Raised::Nothing);
        }
        self.store.raise(due, deliveries, reception).await
    }
}

struct House {
    clock: Clock,
    store: Arc<Faulty>,
    /// The process that the store gives its hints to.
    process: Arc<Process>,
}

impl House {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let process = Arc::new(Process::default());
        let settings = crate::store::settings(&tempfile::tempdir().unwrap());
        let store = MemoryStore::open(&settings, clock.clone(), &Contents::default(), Arc::clone(&process) as _);
        let (is_down, refuses) = (AtomicBool::new(false), AtomicBool::new(false));
        let store = Arc::new(Faulty { store, is_down, refuses, asked: watch::Sender::new(Vec::new()) });
        Self { clock, store, process }
    }

    /// Watches by these hints until `story` ends.
    async fn watch_by(&self, changes: &Arc<Changes>, story: impl Future<Output = ()>) {
        let text =
            "[calls]\napp_ids = ['x']\n[sinks.routed]\nkind = 'stdout'\n[[routes]]\nname = 'all'\nsinks = ['routed']\n";
        let routes = config::parse(text, std::iter::empty()).unwrap().config.routes;
        let watcher = Watcher {
            store: Arc::clone(&self.store) as _,
            changes: Arc::clone(changes),
            reception: Arc::new(Reception::new(self.clock.clone())),
            routes: Arc::new(Router::new(Routes::new(&routes, &[]).unwrap())),
            metrics: Arc::new(Metrics::new()),
            clock: self.clock.clone(),
        };
        let stop = CancellationToken::new();
        let story = async {
            story.await;
            stop.cancel();
        };
        tokio::join!(watcher.run(stop.clone()), story);
    }

    /// As [`Self::watch_by`], by the hints of the store.
    async fn watch(&self, story: impl Future<Output = ()>) {
        self.watch_by(&self.process.changes, story).await;
    }

    /// Announces an operation that must end within so many seconds.
    async fn announce(&self, context: &str, within: i64, sinks: &[&str]) {
        let new = NewOperation {
            sinks: sinks.iter().map(|name| SinkName::new(name)).collect(),
            expected_by: Some(self.clock.now() + SignedDuration::from_secs(within)),
            ..announcement(context)
        };
        self.store.store.create(new).await.unwrap();
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The events once there are `n`, oldest first.
    async fn events(&self, n: usize) -> Vec<EventView> {
        let mut changes = self.process.changes.of_events();
        let waited = async {
            loop {
                let events = reelhook::store::Events::stream(&self.store.store, None, 100).await.unwrap();
                if events.len() >= n {
                    return events.into_iter().map(|streamed| streamed.event).collect();
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.expect("the events are made")
    }
}

fn contexts(events: &[EventView]) -> Vec<&str> {
    events.iter().filter_map(|event| event.client_context.as_deref()).collect()
}

#[tokio::test]
async fn a_deadline_is_reported_once_although_every_hint_is_lost() {
    let house = House::new();
    let deaf = Arc::new(Changes::default());
    let story = async {
        house.announce("first", 60, &[]).await;
        house.advance(60);
        assert_eq!(contexts(&house.events(1).await), ["first"]);
        house.announce("second", 60, &[]).await;
        house.advance(60);
        assert_eq!(contexts(&house.events(2).await), ["first", "second"]);
    };
    house.watch_by(&deaf, story).await;
}

#[tokio::test]
async fn while_the_store_fails_it_is_asked_once_a_second_and_nothing_is_missed() {
    let house = House::new();
    house.announce("late", 60, &[]).await;
    house.store.is_down.store(true, Ordering::SeqCst);
    let story = async {
        house.advance(60);
        // The hint of the announcement brings the second question at once.
        let asked = house.store.until_asked(3).await;
        assert!(asked[2] - asked[1] >= Duration::from_millis(900), "{asked:?}");
        house.store.is_down.store(false, Ordering::SeqCst);
        assert_eq!(contexts(&house.events(1).await), ["late"]);
    };
    house.watch(story).await;
}

#[tokio::test]
async fn a_store_that_contradicts_itself_is_not_asked_in_a_loop() {
    let house = House::new();
    house.announce("late", 60, &[]).await;
    house.store.refuses.store(true, Ordering::SeqCst);
    house.advance(60);
    let story = async {
        // The hint of the announcement brings the second question at once.
        let asked = house.store.until_asked(3).await;
        assert!(asked[2] - asked[1] >= Duration::from_millis(900), "{asked:?}");
        house.store.refuses.store(false, Ordering::SeqCst);
        assert_eq!(contexts(&house.events(1).await), ["late"]);
    };
    house.watch(story).await;
}

#[tokio::test]
async fn a_report_goes_to_the_sinks_of_its_expectation_or_else_of_the_routes() {
    let house = House::new();
    house.announce("named", 60, &["crm", "archive"]).await;
    house.announce("routed", 61, &[]).await;
    let story = async {
        house.advance(61);
        house.events(2).await;
    };
    house.watch(story).await;
    for (context, sinks) in [("named", vec!["crm", "archive"]), ("routed", vec!["routed"])] {
        let events = house.events(2).await;
        let event = events.iter().find(|event| event.client_context.as_deref() == Some(context)).unwrap();
        let event = house.store.store.event(event.id).await.unwrap().unwrap();
        let found: Vec<&str> = event.deliveries.iter().map(|delivery| delivery.sink.as_str()).collect();
        assert_eq!((found, event.kind.as_str()), (sinks, super::OVERDUE));
    }
    assert!(house.store.store.unmatched(Newest::up_to(10)).await.unwrap().is_empty());
}
