//! The store in memory as dispatch's tests use it: tests name deliveries by numbers, count calls, and make calls fail or lie.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::domain::{
    Channel, ClientContext, Content, DeliveryId, Lease, NewDelivery, Notification, Outcome, Proof, Raw, RouteName,
    SinkName, Verified,
};
use reelhook::store::{
    Accepted, Batch, DeliveryState, DeliveryView, Limit, Newest, Process, Queue, SinkCondition, SinkPauses, StoreError,
    Views,
};
use tokio::sync::watch;

use super::id;
use crate::store::InState;
use crate::store::memory::{Contents, MemoryStore};

/// The state of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    Open { due: Timestamp },
    Leased,
    Delivered,
    Dead { reason: String },
}

/// The store.
pub struct Memory {
    clock: Clock,
    /// The store behind it.
    pub store: MemoryStore,
    /// The memory of its process.
    pub process: Arc<Process>,
    /// The store's ids of the deliveries that tests name.
    ids: Mutex<BTreeMap<DeliveryId, DeliveryId>>,
    changes: watch::Sender<u64>,
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
        let process = Arc::new(Process::default());
        let folder = tempfile::tempdir().unwrap();
        let settings = crate::store::settings(&folder);
        let store = MemoryStore::open(&settings, clock.clone(), &Contents::default(), Arc::clone(&process) as _);
        Self {
            clock: clock.clone(),
            store,
            process,
            ids: Mutex::default(),
            changes: watch::Sender::new(0),
            down: AtomicBool::new(false),
            lies: AtomicBool::new(false),
            n_asked: AtomicUsize::new(0),
            n_settled: AtomicUsize::new(0),
        }
    }

    /// Accepts a delivery: it goes into the memory queue if that has room; otherwise it waits to be leased.
    pub fn add(&self, n: u128) {
        self.add_large(n, 2);
    }

    /// As [`Self::add`], for one of so many bytes.
    pub fn add_large(&self, n: u128, n_bytes: usize) {
        let captures = BTreeMap::from([("ticket".to_owned(), n.to_string())]);
        let delivery = NewDelivery { sink: SinkName::new("crm"), route: RouteName::new("support"), captures };
        let notification = Verified::declare(resource(n, &"x".repeat(n_bytes)), Proof::BearerToken);
        self.accept(n, Accepted { notification, deliveries: vec![delivery] });
    }

    /// Accepts deliveries of one operation, each of which follows the one before it.
    pub fn add_chain(&self, ns: std::ops::Range<u128>) {
        ns.for_each(|n| self.accept(n, crate::store::link(&context(n), "crm")));
    }

    fn accept(&self, n: u128, accepted: Accepted) {
        if self.ids.lock().contains_key(&id(n)) {
            return;
        }
        let batch = Batch { received_at: self.clock.now(), accepted: vec![accepted], quarantined: Vec::new() };
        // Its name is known before its first attempt is recorded.
        let mut ids = self.ids.lock();
        let receipt = self.store.accept_at_once(batch).unwrap();
        let event = now(self.store.event(receipt.stored[0].event())).unwrap().unwrap();
        ids.insert(id(n), event.deliveries[0].id);
    }

    /// The store's id of a delivery.
    pub fn real(&self, id: DeliveryId) -> DeliveryId {
        self.ids.lock()[&id]
    }

    fn view(&self, id: DeliveryId) -> DeliveryView {
        now(self.store.delivery(self.real(id))).unwrap().unwrap()
    }

    pub fn state(&self, id: DeliveryId) -> State {
        self.state_of(&self.view(id))
    }

    fn state_of(&self, view: &DeliveryView) -> State {
        match view.state {
            DeliveryState::Delivered => State::Delivered,
            DeliveryState::Dead => State::Dead { reason: view.reason.clone() },
            DeliveryState::Open | DeliveryState::Blocked if self.store.is_leased(view.id) => State::Leased,
            DeliveryState::Open | DeliveryState::Blocked => State::Open { due: view.at },
        }
    }

    pub fn reasons(&self, id: DeliveryId) -> Vec<String> {
        self.view(id).failures.into_iter().map(|failure| failure.reason).collect()
    }

    pub fn n_attempts(&self, id: DeliveryId) -> u32 {
        self.view(id).n_attempts
    }

    /// Resolves when every delivery is in a state that `fits`.
    pub async fn until_all(&self, fits: impl Fn(&State) -> bool) {
        let states =
            [DeliveryState::Open, DeliveryState::Blocked, DeliveryState::Delivered, DeliveryState::Dead].into_iter();
        let all =
            || states.clone().flat_map(|state| now(self.store.deliveries(state, None, Newest::up_to(9_999))).unwrap());
        self.until(|| all().all(|view| fits(&self.state_of(&view)))).await;
    }

    /// Resolves when a delivery, which may not be there yet, has been delivered. This looks at no other.
    pub async fn until_delivered(&self, id: DeliveryId) {
        self.until(|| self.ids.lock().contains_key(&id) && self.state(id) == State::Delivered).await;
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
}

/// The store in memory waits for nothing.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory answers at once")
}

fn context(n: u128) -> String {
    format!("support-{n}")
}

/// The name of a delivery in the tests, by its client context.
pub fn named(context: Option<&ClientContext>) -> DeliveryId {
    let n = context.and_then(|context| context.as_str().strip_prefix("support-")?.parse().ok());
    id(n.expect("a delivery of these tests"))
}

/// A resource that is no operation.
fn resource(n: u128, text: &str) -> Notification {
    Notification {
        channel: Channel::Calls,
        resource_type: "chatMessage".into(),
        change_type: "created".into(),
        resource: "/chats/1".into(),
        tenant_id: None,
        subscription_id: None,
        subscription_expires_at: None,
        call_id: None,
        graph_id: None,
        mark: None,
        client_context: ClientContext::new(context(n)),
        content: Content::Resource(text.to_owned()),
        secrets: None,
        ended_call: None,
        dialects: Vec::new(),
        request: Default::default(),
        raw: Raw(Bytes::from(context(n))),
    }
}

#[async_trait]
impl Queue for Memory {
    async fn lease(&self, sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        if self.lies.load(Ordering::SeqCst) {
            return Ok(Vec::new());
        }
        self.store.lease(sink, limit, ttl).await
    }

    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        if self.lies.load(Ordering::SeqCst) {
            return Ok(Some(self.clock.steady()));
        }
        self.store.next_due(sink).await
    }

    async fn settle_noting(
        &self,
        outcomes: Arc<[Outcome]>,
        condition: Option<SinkCondition>,
    ) -> Result<(), StoreError> {
        self.n_settled.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        self.store.settle_noting(outcomes, condition).await?;
        self.changed();
        Ok(())
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        self.check()?;
        self.store.release(leases, due_at).await?;
        self.changed();
        Ok(())
    }
}

#[async_trait]
impl SinkPauses for Memory {
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError> {
        self.store.paused_sinks().await
    }

    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError> {
        self.check()?;
        self.store.pause_sink(sink).await
    }

    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError> {
        self.check()?;
        self.store.resume_sink(sink).await
    }
}
