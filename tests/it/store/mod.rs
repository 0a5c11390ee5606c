//! The store's tests: one suite that every implementation passes, a model, and what concerns one engine alone.

/// Each of a file's functions as a test, against the store that `$open` opens.
macro_rules! tests {
    ($open:path, $file:ident: $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                $crate::store::$file::$test($crate::store::TestStore::new($open)).await;
            }
        )*
    };
}

mod backlogs;
mod clock;
mod conformance;
mod exchanges;
mod logs;
pub mod memory;
mod model;
mod operators;
mod postgres;
mod reads;
mod repeats;
mod rules;
mod sqlite;
mod writes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::{
    Attempt, Budget, Channel, ClientContext, Content, DeliveryId, Event, Exchanged, GraphId, Lease, Mark, NewDelivery,
    Notification, Order, Outcome, Proof, Quarantined, Raw, Reason, RecordOperation, Room, RouteName, Settlement,
    SinkName, Status, Verified,
};
use reelhook::store::operations::NewOperation;
use reelhook::store::sqlite::SqliteStore;
use reelhook::store::{
    Accepted, Batch, DeadFilter, DeadLetters, Deliveries, DeliveryFilter, DeliveryState, DeliveryView, Inbox, Logs,
    Newest, Operations, Phase, Process, Quarantine, Reception, Selections, Store, StoreError, Stored, Upkeep, Views,
};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use self::memory::{Contents, MemoryStore};

/// How a store is opened: all that the suite needs to know of an implementation.
type Open = fn(&config::Store, Clock, Arc<Process>) -> Result<Arc<dyn Store>, StoreError>;

fn open_sqlite(settings: &config::Store, clock: Clock, process: Arc<Process>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(SqliteStore::open_beside(settings, clock, process)?))
}

/// Deliveries by their state, as the rows have it.
pub trait InState {
    /// Those in a state, newest first, of one sink or of all.
    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError>;
}

impl<T: Logs + ?Sized> InState for T {
    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let phase = match state {
            DeliveryState::Open | DeliveryState::Blocked => Phase::Unsettled,
            DeliveryState::Delivered => Phase::Delivered,
            DeliveryState::Dead => Phase::Dead,
        };
        let which = DeliveryFilter { sink: sink.cloned(), phase: Some(phase), ..DeliveryFilter::default() };
        let (mut found, mut before, mut is_more) = (Vec::new(), page.before, true);
        while is_more && found.len() < page.limit {
            let some = self.delivery_log(&which, Newest { before, limit: 1_000 }).await?;
            found.extend(some.rows.into_iter().map(|row| row.delivery).filter(|delivery| delivery.state == state));
            (before, is_more) = (some.next, some.next.is_some());
        }
        found.truncate(page.limit);
        Ok(found)
    }
}

/// Dead letters are replayed as an operator does it: all of them, or all of a sink.
pub trait ReplayAll {
    /// Returns how many were replayed.
    async fn replay_all(&self, sink: Option<SinkName>) -> u64;
}

impl<T: Selections + Deliveries + ?Sized> ReplayAll for T {
    async fn replay_all(&self, sink: Option<SinkName>) -> u64 {
        let keys = self.dead_keys(&DeadFilter { sink, ..DeadFilter::default() }, None, usize::MAX).await.unwrap();
        self.replay_dead(DeadLetters::Some(keys.into_iter().map(|key| key.id).collect())).await.unwrap()
    }
}

/// Runs the suite against an implementation: one line each.
macro_rules! conforms {
    ($name:ident, $open:path) => {
        mod $name {
            super::conformance::suite!($open);
            super::exchanges::suite!($open);
            super::logs::suite!($open);
            super::reads::suite!($open);
            super::repeats::suite!($open);
            super::rules::suite!($open);
            super::writes::suite!($open);
        }
    };
}

/// What stores in memory hold, by the path in their settings. A store that is opened again goes on with it.
static CONTENTS: Mutex<BTreeMap<PathBuf, Contents>> = Mutex::new(BTreeMap::new());

fn open_memory(settings: &config::Store, clock: Clock, process: Arc<Process>) -> Result<Arc<dyn Store>, StoreError> {
    let contents = CONTENTS.lock().entry(settings.path.clone()).or_default().clone();
    Ok(Arc::new(MemoryStore::open(settings, clock, &contents, process)))
}

conforms!(sqlite_conforms, super::open_sqlite);
conforms!(memory_conforms, super::open_memory);
conforms!(postgres_conforms, super::postgres::open);

/// A store in a temporary folder, with a clock that stands still until it is moved.
struct TestStore {
    store: Arc<dyn Store>,
    operations: Arc<dyn Operations>,
    process: Arc<Process>,
    reception: Arc<Reception>,
    clock: Clock,
    settings: config::Store,
    open: Open,
    /// What attempts tell of their exchanges.
    exchange: Mutex<Exchanged>,
    _folder: TempDir,
}

impl TestStore {
    fn new(open: Open) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        Self::on(folder, clock, open)
    }

    /// One in a folder of the test's.
    fn on(folder: TempDir, clock: Clock, open: Open) -> Self {
        let settings = settings(&folder);
        let process = Arc::new(Process::default());
        let store = open(&settings, clock.clone(), Arc::clone(&process)).unwrap();
        let (operations, reception) = (Arc::clone(&store) as _, Arc::new(Reception::new(clock.clone())));
        let exchange = Mutex::default();
        Self { store, operations, process, reception, clock, settings, open, exchange, _folder: folder }
    }

    /// Closes it and opens it again, after `change`.
    async fn reopen(&mut self, change: impl FnOnce(&mut config::Store)) {
        self.store.close().await;
        change(&mut self.settings);
        self.process = Arc::new(Process::default());
        self.store = (self.open)(&self.settings, self.clock.clone(), Arc::clone(&self.process)).unwrap();
        self.operations = Arc::clone(&self.store) as _;
        self.reception = Arc::new(Reception::new(self.clock.clone()));
    }

    /// Whether the store's files contain these bytes. A store that writes no files keeps no promise about them: this is
    /// the one question of the suite that only concerns stores on a disk.
    fn wrote(&self, bytes: &[u8]) -> bool {
        let Some(folder) = self.settings.path.parent().filter(|folder| folder.is_dir()) else { return false };
        let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files.into_iter().any(|file| file.windows(bytes.len()).any(|part| part == bytes))
    }

    fn pass(&self, duration: SignedDuration) {
        self.clock.advance(duration);
    }

    async fn accept(&self, accepted: Vec<Accepted>) -> Vec<Stored> {
        self.accept_batch(accepted, Vec::new()).await.unwrap()
    }

    async fn accept_batch(
        &self,
        accepted: Vec<Accepted>,
        quarantined: Vec<Quarantined>,
    ) -> Result<Vec<Stored>, StoreError> {
        let batch = Batch { received_at: self.clock.now(), accepted, quarantined };
        Ok(self.store.accept(batch).await?.stored)
    }

    /// Quarantines one item; returns its number.
    async fn quarantine_one(&self, text: &str) -> i64 {
        let batch = Batch { received_at: self.clock.now(), accepted: Vec::new(), quarantined: vec![refused(text)] };
        self.store.accept(batch).await.unwrap().quarantined[0]
    }

    /// All that is due; what waits behind it is handed back.
    async fn lease(&self, sink: &str) -> Vec<Lease> {
        let (behind, due) = self.lease_run(sink, 100).await.into_iter().partition(|lease| lease.follows);
        self.store.release(behind, self.clock.now()).await.unwrap();
        due
    }

    /// What is due, with what waits behind it.
    async fn lease_run(&self, sink: &str, limit: usize) -> Vec<Lease> {
        self.process.queues.lease(&*self.store, &SinkName::new(sink), limit, TTL).await.unwrap()
    }

    /// The one delivery that is due.
    async fn lease_one(&self, sink: &str) -> Lease {
        let mut leases = self.lease(sink).await;
        assert_eq!(leases.len(), 1, "one delivery is due");
        leases.remove(0)
    }

    async fn settle(&self, lease: Lease, settlement: Settlement) {
        self.settle_all(vec![lease], &settlement).await;
    }

    async fn settle_all(&self, leases: Vec<Lease>, settlement: &Settlement) {
        let outcomes = leases.into_iter().map(|lease| self.outcome(lease, settlement.clone()));
        self.store.settle(outcomes.collect()).await.unwrap();
    }

    fn outcome(&self, lease: Lease, settlement: Settlement) -> Outcome {
        let (number, started_at) = (lease.delivery.attempt, self.clock.now());
        let exchange = self.exchange.lock().clone();
        let attempt = Attempt { number, started_at, took: Duration::from_millis(7), exchange };
        Outcome { lease, attempt, settlement }
    }

    async fn deliver(&self, lease: Lease) {
        self.settle(lease, Settlement::Delivered).await;
    }

    async fn bury(&self, lease: Lease) {
        self.settle(lease, Settlement::Dead { reason: "410 Gone".into() }).await;
    }

    async fn sweep(&self) {
        while self.store.sweep().await.unwrap() > 0 {}
    }
}

/// Room in memory for so many deliveries of any size.
fn room(n: usize) -> Room {
    Room { n, budget: Budget::new(usize::MAX) }
}

const TTL: Duration = Duration::from_secs(90);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub fn settings(folder: &TempDir) -> config::Store {
    config::Store {
        url: None,
        path: folder.path().join("data/reelhook.db"),
        encryption_key: None,
        deduplicate: Duration::from_secs(24 * 3600),
        token_retention: Duration::from_secs(24 * 3600),
        retention: Duration::from_secs(30 * 24 * 3600),
        disk_reserve_bytes: 0,
        quarantine_max_entries: 10_000,
        quarantine_max_bytes: 64 << 20,
        quarantine_strangers_share: 0.25,
        exchanges_max_entries: 10_000,
        exchanges_max_bytes: 64 << 20,
    }
}

/// What Graph tells of one recording.
#[derive(Clone, Debug)]
struct Told {
    notification: Notification,
    proof: Proof,
}

/// A completed recording of call `call`.
fn recording(id: &str) -> Told {
    let operation = RecordOperation {
        id: GraphId::new(id).unwrap(),
        call_id: GraphId::new("call"),
        client_context: None,
        status: Status::Completed,
        result_info: None,
        completion_reason: None,
        recording_location: Some("https://file.location/1".into()),
        recording_access_token: None,
        etag: None,
        as_sent: Vec::new(),
        additional: String::new(),
    };
    let notification = notification("recordOperation", Content::Operation(Box::new(operation)));
    Told { notification, proof: Proof::BearerToken }.raw(id)
}

/// Any other resource.
fn resource(text: &str) -> Told {
    let notification = notification("chatMessage", Content::Resource(text.into()));
    Told { notification, proof: Proof::BearerToken }.raw(text)
}

fn notification(resource_type: &str, content: Content) -> Notification {
    Notification {
        channel: Channel::Calls,
        resource_type: resource_type.into(),
        change_type: "updated".into(),
        resource: "/communications/calls/call/operations/1".into(),
        tenant_id: Some("1fdd12d0-4620-44ed-baec-459b611f84b2".into()),
        subscription_id: None,
        subscription_expires_at: None,
        call_id: None,
        graph_id: None,
        mark: None,
        client_context: None,
        content,
        secrets: None,
        ended_call: None,
        dialects: Vec::new(),
        request: Default::default(),
        raw: Raw(Bytes::new()),
    }
}

impl Told {
    fn with(mut self, change: impl FnOnce(&mut RecordOperation)) -> Self {
        match &mut self.notification.content {
            Content::Operation(operation) => change(operation),
            _ => panic!("no operation"),
        }
        self
    }

    fn status(self, status: Status) -> Self {
        let raw = format!("{} {}", self.raw_text(), status.as_str());
        self.with(|operation| operation.status = status).raw(&raw)
    }

    fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    fn call(self, call: Option<&str>) -> Self {
        let raw = format!("{} {call:?}", self.raw_text());
        self.with(|operation| operation.call_id = call.and_then(GraphId::new)).raw(&raw)
    }

    fn context(mut self, text: &str) -> Self {
        self.notification.client_context = ClientContext::new(text);
        let context = self.notification.client_context.clone();
        self.with(|operation| operation.client_context = context)
    }

    fn token(self, text: &str) -> Self {
        let raw = format!("{} {text}", self.raw_text());
        self.with(|operation| operation.recording_access_token = Some(text.into())).raw(&raw)
    }

    fn graph_id(mut self, id: &str, subscription: &str) -> Self {
        self.notification.channel = Channel::Subscriptions;
        self.notification.graph_id = Some(id.into());
        self.notification.subscription_id = Some(subscription.into());
        self
    }

    /// It says which version of the resource it tells of.
    fn versioned(mut self) -> Self {
        self.notification.mark = Some(Mark::Version);
        self
    }

    fn raw(mut self, text: &str) -> Self {
        self.notification.raw = Raw(Bytes::copy_from_slice(text.as_bytes()));
        self
    }

    fn raw_text(&self) -> String {
        String::from_utf8(self.notification.raw.0.to_vec()).unwrap()
    }

    fn to(self, sinks: &[&str]) -> Accepted {
        Accepted {
            notification: Verified::declare(self.notification, self.proof),
            deliveries: sinks.iter().map(|sink| delivery_to(sink)).collect(),
        }
    }
}

/// A notification of an operation that others are about too; its client context tells it from them.
pub fn link(context: &str, sink: &str) -> Accepted {
    recording("chain").status(Status::Running).raw(context).context(context).to(&[sink])
}

/// Accepts `n` notifications of one operation for `archive`, whose client contexts are their turns.
pub async fn accept_chain(store: &dyn Inbox, received_at: Timestamp, n: usize) {
    let accepted = (0..n).map(|n| link(&n.to_string(), "archive")).collect();
    store.accept(Batch { received_at, accepted, quarantined: Vec::new() }).await.unwrap();
}

fn delivery_to(sink: &str) -> NewDelivery {
    let captures = BTreeMap::from([("queue".to_owned(), sink.to_owned())]);
    NewDelivery { sink: SinkName::new(sink), route: RouteName::new("all"), captures }
}

fn refused(text: &str) -> Quarantined {
    Quarantined {
        channel: Channel::Subscriptions,
        reason: Reason::ClientState,
        tenant_id: None,
        raw: Raw(Bytes::copy_from_slice(text.as_bytes())),
        request: Arc::default(),
        had_client_state: false,
        held: None,
    }
}

/// Everything that a sink could see of an event, as text.
fn seen(event: &Event) -> String {
    let token = event.recording_access_token.as_ref().map(|token| token.expose_secret().to_owned());
    format!("{event:?} {token:?}")
}

fn is_duplicate(stored: &Stored) -> bool {
    matches!(stored, Stored::Duplicate { .. })
}

fn orders(stored: &[Stored]) -> Vec<Option<Order>> {
    stored.iter().map(|stored| if let Stored::New { order, .. } = stored { *order } else { None }).collect()
}

#[test]
fn the_architecture_names_each_trait_of_the_store() {
    let source = include_str!("../../../src/store/mod.rs");
    let (_, traits) = source.split_once("pub trait Store:").unwrap();
    let (traits, _) = traits.split_once('{').unwrap();
    let traits: Vec<&str> = traits.split('+').map(str::trim).collect();
    let (_, page) = include_str!("../../../docs/architecture.md").split_once("| trait | purpose |").unwrap();
    let rows = page.trim_start().lines().skip(1).take_while(|line| line.starts_with("| `"));
    let named: Vec<&str> = rows.filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(named, traits);
}
