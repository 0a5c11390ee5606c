//! Deliveries of one operation wait for each other: over the store in memory, to a sink that takes one or many at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::config::SinkDispatch;
use reelhook::dispatch::{Dispatcher, Pauses, Shared};
use reelhook::domain::{Delivery, SinkName};
use reelhook::sinks::{DeliveryError, Sink};
use reelhook::store::{Process, Store};
use reelhook::telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use super::recording::retry;
use crate::recording_sink::PATIENCE;
use crate::sinks::samples::dispatch;
use crate::store::memory::{Contents, MemoryStore};
use crate::store::{accept_chain, settings};

/// A sink that writes down whose turn it was. A call that begins with one of the failing fails the first time.
#[derive(Default)]
struct Turns {
    seen: Mutex<Vec<usize>>,
    arrived: Mutex<Vec<usize>>,
    failing: Vec<usize>,
    batch_size: usize,
    n_calls: AtomicUsize,
    is_called: AtomicBool,
}

#[async_trait]
impl Sink for Turns {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.deliver_batch(&[delivery]).await.remove(0)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        assert!(!self.is_called.swap(true, Ordering::SeqCst), "the chain is attempted twice at a time");
        self.n_calls.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let turn = |it: &&Delivery| it.event.client_context.as_ref().unwrap().as_str().parse().unwrap();
        let turns: Vec<usize> = deliveries.iter().map(turn).collect();
        self.seen.lock().extend(&turns);
        let fails = deliveries[0].attempt == 1 && self.failing.contains(&turns[0]);
        if !fails {
            self.arrived.lock().extend(&turns);
        }
        self.is_called.store(false, Ordering::SeqCst);
        deliveries.iter().map(|_| if fails { retry() } else { Ok(()) }).collect()
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn is_all_or_nothing(&self) -> bool {
        true
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        Ok(Vec::new())
    }
}

/// Has a chain of `n` delivered to a sink, by a dispatcher that may make four calls at a time.
async fn drain(n: usize, sink: Turns) -> Arc<Turns> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let (process, contents) = (Arc::new(Process::default()), Contents::default());
    let store = MemoryStore::open(&settings(&folder), clock.clone(), &contents, Arc::clone(&process) as _);
    let store: Arc<dyn Store> = Arc::new(store);
    accept_chain(&*store, clock.now(), n).await;
    let (sink, metrics) = (Arc::new(sink), Arc::new(Metrics::new()));
    let pauses = Arc::new(Pauses::load(Arc::clone(&store) as _).await.unwrap());
    let settings = SinkDispatch { concurrency: 4, retry: vec![Duration::ZERO; 3], ..dispatch() };
    let shared = Shared {
        store: Arc::clone(&store) as _,
        queues: Arc::clone(&process.queues),
        pauses,
        conditions: Arc::default(),
        metrics,
        clock,
    };
    let dispatcher = Dispatcher::new(SinkName::new("archive"), Arc::clone(&sink) as _, settings, shared);
    let cancel = CancellationToken::new();
    let until_drained = async {
        let drained = async {
            while !store.backlog().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, drained).await.expect("the chain is drained");
        cancel.cancel();
    };
    tokio::join!(dispatcher.run(cancel.clone()), until_drained);
    store.close().await;
    sink
}

fn in_order(n: usize) -> Vec<usize> {
    (0..n).collect()
}

#[tokio::test]
async fn a_chain_is_delivered_in_order_a_batch_at_a_time() {
    let sink = drain(1_000, Turns { batch_size: 256, ..Turns::default() }).await;
    assert_eq!(*sink.seen.lock(), in_order(1_000));
    assert_eq!(sink.n_calls.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_chain_is_delivered_in_order_one_after_the_other() {
    let sink = drain(300, Turns { batch_size: 1, ..Turns::default() }).await;
    assert_eq!(*sink.seen.lock(), in_order(300));
}

#[tokio::test]
async fn a_chain_waits_for_what_is_attempted_again() {
    for batch_size in [1, 16] {
        let sink = drain(100, Turns { batch_size, failing: vec![0, 16, 50], ..Turns::default() }).await;
        assert_eq!(*sink.arrived.lock(), in_order(100), "{batch_size}");
    }
}
