//! A queue in memory whose deliveries a test names, and that fails and lies as a test wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::domain::{Delivery, DeliveryId, EventId, Held, Lease, NewDelivery, Outcome, Settlement, SinkName};
use reelhook::store::{DeadLetters, Limit, Queue, Queues, SinkPauses, StoreError};
use tokio::sync::watch;

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
    /// The memory queues of its process.
    pub queues: Arc<Queues>,
    tokens: AtomicUsize,
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
            queues: Arc::default(),
            tokens: AtomicUsize::new(1),
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
        let place = self.queues.reserve(&SinkName::new("crm"), size_of(&delivery));
        let mut rows = self.rows.lock();
        let state = State::Open { due: self.clock.steady() };
        let row = rows.entry(delivery.id).or_insert(Row { delivery, state, reasons: Vec::new() });
        match place {
            Some(place) => {
                let ttl = place.ttl;
                place.fill(self.leased(row, ttl));
            }
            None => self.queues.wake(&SinkName::new("crm")),
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
impl Queue for Memory {
    async fn lease(&self, _sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        let now = self.clock.steady();
        let mut rows = self.rows.lock();
        let due = rows.values_mut().filter(|row| Self::is_due(&row.state, now).is_some_and(|due| due <= now));
        let mut left = limit.n_bytes;
        let fitting = due.take(limit.n).enumerate().map_while(|(n, row)| {
            let is_first = n == 0 && limit.takes_any;
            left = left.checked_sub(size_of(&row.delivery)).or(is_first.then_some(0))?;
            Some(self.leased(row, ttl))
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
        self.queues.wake(&SinkName::new("crm"));
        self.changed();
        Ok(())
    }

    // Nothing here is replayed or routed.

    async fn replay_dead(&self, _: DeadLetters) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }

    async fn route_again(&self, _: EventId, _: Vec<NewDelivery>) -> Result<usize, StoreError> {
        Err(StoreError::Closed)
    }

    async fn move_waiting(&self, _: &SinkName, _: &SinkName) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }

    async fn drop_waiting(&self, _: &SinkName) -> Result<u64, StoreError> {
        Err(StoreError::Closed)
    }
}

#[async_trait]
impl SinkPauses for Memory {
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
}
