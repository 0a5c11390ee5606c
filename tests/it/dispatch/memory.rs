//! A store in memory that keeps the part of the store's contract that dispatch lives by: fresh queues, leases, outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::domain::{
    Budget, Delivery, DeliveryId, EventId, Held, Lease, NewDelivery, Outcome, Reason, Room, Settlement, SinkName,
};
use reelhook::store::{
    Backlog, Batch, DeadLetters, DeliveryState, DeliveryView, EventView, Health, Newest, OperationView, QuarantineView,
    Receipt, ReplayWish, Store, StoreError, Waiting,
};
use tokio::sync::{Notify, mpsc, watch};

/// Where a delivery stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Open { due: Timestamp },
    Leased { until: Timestamp, token: i64 },
    Delivered,
    Dead { reason: String },
}

struct Row {
    delivery: Delivery,
    state: State,
    reasons: Vec<String>,
}

/// What a delivery takes of the budget.
fn size_of(delivery: &Delivery) -> usize {
    Delivery::n_bytes_with(&delivery.event.data)
}

/// The store.
pub struct Memory {
    clock: Clock,
    rows: Mutex<BTreeMap<DeliveryId, Row>>,
    fresh: Mutex<Option<(mpsc::Sender<Lease>, Duration)>>,
    budget: Mutex<Option<Arc<Budget>>>,
    tokens: AtomicUsize,
    wake: Notify,
    changes: watch::Sender<u64>,
    paused: Mutex<BTreeMap<SinkName, Timestamp>>,
    /// What may only be attempted behind the one before it.
    pub following: Mutex<BTreeSet<DeliveryId>>,
    /// Makes every call fail.
    pub down: AtomicBool,
    /// Says that something is due although there is nothing to lease.
    pub lies: AtomicBool,
    /// Calls of `lease` and `next_due`.
    pub n_asked: AtomicUsize,
    /// Calls of `settle`.
    pub n_settled: AtomicUsize,
}

impl Memory {
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            rows: Mutex::default(),
            fresh: Mutex::default(),
            budget: Mutex::default(),
            tokens: AtomicUsize::new(1),
            wake: Notify::new(),
            changes: watch::Sender::new(0),
            paused: Mutex::default(),
            following: Mutex::default(),
            down: AtomicBool::new(false),
            lies: AtomicBool::new(false),
            n_asked: AtomicUsize::new(0),
            n_settled: AtomicUsize::new(0),
        }
    }

    /// Takes a delivery in: into the memory queue where it has room, else it waits to be leased.
    pub fn add(&self, delivery: Delivery) {
        let place = self.fresh.lock().as_ref().and_then(|(sender, ttl)| {
            let place = sender.clone().try_reserve_owned().ok()?;
            let held = self.budget.lock().as_ref()?.try_hold(size_of(&delivery))?;
            Some((place, held, *ttl))
        });
        let mut rows = self.rows.lock();
        let state = State::Open { due: self.clock.steady() };
        let row = rows.entry(delivery.id).or_insert(Row { delivery, state, reasons: Vec::new() });
        match place {
            Some((place, held, ttl)) => drop(place.send(Lease { held, ..self.leased(row, ttl) })),
            None => self.wake.notify_one(),
        }
    }

    fn leased(&self, row: &mut Row, ttl: Duration) -> Lease {
        let token = i64::try_from(self.tokens.fetch_add(1, Ordering::SeqCst)).unwrap();
        let until = self.clock.steady() + SignedDuration::try_from(ttl).unwrap();
        row.state = State::Leased { until, token };
        let follows = self.following.lock().contains(&row.delivery.id);
        Lease { delivery: row.delivery.clone(), expires_at: until, token, follows, held: Held::default() }
    }

    pub fn state(&self, id: DeliveryId) -> State {
        self.rows.lock()[&id].state.clone()
    }

    pub fn reasons(&self, id: DeliveryId) -> Vec<String> {
        self.rows.lock()[&id].reasons.clone()
    }

    pub fn n_attempts(&self, id: DeliveryId) -> u32 {
        self.rows.lock()[&id].delivery.attempt - 1
    }

    /// Resolves when every delivery is in a state that `fits`.
    pub async fn until_all(&self, fits: impl Fn(&State) -> bool) {
        self.until(|| self.rows.lock().values().all(|row| fits(&row.state))).await;
    }

    /// Resolves when something `is_so`, looked at after every change.
    pub async fn until(&self, is_so: impl Fn() -> bool) {
        let mut changes = self.changes.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(30), changes.wait_for(|_| is_so())).await;
        drop(waited.expect("it does not get there").unwrap());
    }

    fn changed(&self) {
        self.changes.send_modify(|n| *n += 1);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::Database("down".into())) } else { Ok(()) }
    }

    fn is_due(state: &State, now: Timestamp) -> Option<Timestamp> {
        match state {
            State::Open { due } => Some(*due),
            State::Leased { until, .. } if *until <= now => Some(*until),
            _ => None,
        }
    }

    /// The row of a lease, if the lease still holds.
    fn held<'a>(rows: &'a mut BTreeMap<DeliveryId, Row>, lease: &Lease) -> Option<&'a mut Row> {
        let row = rows.get_mut(&lease.delivery.id)?;
        matches!(&row.state, State::Leased { token, .. } if *token == lease.token).then_some(row)
    }
}

#[async_trait]
impl Store for Memory {
    fn fresh(&self, _sink: &SinkName, room: &Room, ttl: Duration) -> mpsc::Receiver<Lease> {
        let (sender, receiver) = mpsc::channel(room.n);
        *self.fresh.lock() = Some((sender, ttl));
        *self.budget.lock() = Some(Arc::clone(&room.budget));
        receiver
    }

    async fn lease(&self, _sink: &SinkName, limit: usize, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        let now = self.clock.steady();
        let mut rows = self.rows.lock();
        let due = rows.values_mut().filter(|row| Self::is_due(&row.state, now).is_some_and(|due| due <= now));
        let budget = self.budget.lock().clone();
        let fitting = due.take(limit).map_while(|row| {
            let held = match &budget {
                Some(budget) => budget.try_hold(size_of(&row.delivery))?,
                None => Held::default(),
            };
            Some(Lease { held, ..self.leased(row, ttl) })
        });
        Ok(fitting.collect())
    }

    async fn next_due(&self, _sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        let now = self.clock.steady();
        if self.lies.load(Ordering::SeqCst) {
            return Ok(Some(now));
        }
        Ok(self.rows.lock().values().filter_map(|row| Self::is_due(&row.state, now)).min())
    }

    async fn woken(&self, _sink: &SinkName) {
        self.wake.notified().await;
    }

    fn unanswered(&self, _: Vec<EventId>) {}

    async fn settle(&self, outcomes: Arc<[Outcome]>) -> Result<(), StoreError> {
        self.n_settled.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        for outcome in outcomes.iter() {
            let mut rows = self.rows.lock();
            let Some(row) = Self::held(&mut rows, &outcome.lease) else { continue };
            row.delivery.attempt += 1;
            row.state = match outcome.settlement.clone() {
                Settlement::Delivered => State::Delivered,
                Settlement::RetryAt { at, reason } => {
                    row.reasons.push(reason);
                    State::Open { due: at }
                }
                Settlement::Dead { reason } => State::Dead { reason },
            };
        }
        self.changed();
        Ok(())
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        self.check()?;
        for lease in leases {
            if let Some(row) = Self::held(&mut self.rows.lock(), &lease) {
                row.state = State::Open { due: due_at };
            }
        }
        self.wake.notify_one();
        self.changed();
        Ok(())
    }

    async fn rich_subscriptions(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn remember_rich(&self, _ids: Vec<String>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError> {
        Ok(self.paused.lock().clone())
    }

    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError> {
        self.check()?;
        Ok(*self.paused.lock().entry(sink.clone()).or_insert(self.clock.steady()))
    }

    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError> {
        self.check()?;
        self.paused.lock().remove(sink);
        Ok(())
    }

    // The rest of the contract is not dispatch's: nothing is in it.

    async fn accept(&self, _: Batch) -> Result<Receipt, StoreError> {
        Err(StoreError::Closed)
    }
    async fn ready(&self) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn operations(&self, _: &str) -> Result<Vec<OperationView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn deliveries(
        &self,
        _: DeliveryState,
        _: Option<&SinkName>,
        _: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn delivery(&self, _: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn event(&self, _: EventId) -> Result<Option<EventView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn unmatched_after(&self, _: Option<EventId>, _: usize) -> Result<Vec<EventView>, StoreError> {
        unreachable!()
    }

    async fn unmatched(&self, _: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn route_again(&self, _: EventId, _: Vec<NewDelivery>) -> Result<usize, StoreError> {
        Err(StoreError::Closed)
    }
    async fn replay_dead(&self, _: DeadLetters) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    async fn quarantine(&self, _: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn quarantine_entry(&self, _: i64) -> Result<Option<QuarantineView>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn wish_replay(&self, _: i64, _: bool) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }
    async fn replay_wishes(&self, _: usize) -> Result<Vec<ReplayWish>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn end_wish(&self, _: i64, _: Option<Reason>) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn end_waiting(&self, _: i64, _: Reason) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    fn health(&self) -> Arc<Health> {
        Arc::default()
    }
    async fn move_waiting(&self, _: &SinkName, _: &SinkName) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    async fn drop_waiting(&self, _: &SinkName) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    async fn note_time(&self) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn sweep(&self) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
    async fn close(&self) {}
}
