//! A sink that records its attempts and behaves as a test says.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use reelhook::domain::{Delivery, DeliveryId};
use reelhook::sinks::{DeliveryError, Sink};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::memory::named;

type Answering = Pin<Box<dyn Future<Output = Result<(), DeliveryError>> + Send>>;

/// An attempt, as the sink saw it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its name in the tests.
    pub id: DeliveryId,
    /// Its id in the store.
    pub delivery: DeliveryId,
    pub attempt: u32,
    pub at: Instant,
}

pub struct Recording {
    behave: Box<dyn Fn(Seen) -> Answering + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    under_way: Mutex<BTreeSet<DeliveryId>>,
    n_calls: AtomicUsize,
    most_calls: AtomicUsize,
    pub batch_size: usize,
    pub most_at_a_time: usize,
    pub waiting_at_a_time: usize,
    /// Cancelled when nothing waits for company any more.
    pub hurry: CancellationToken,
    pub batches: Mutex<Vec<usize>>,
    /// How often it was closed.
    pub n_closed: AtomicUsize,
    /// Whether a close never ends.
    pub hangs: bool,
}

impl Recording {
    pub fn new<F>(behave: impl Fn(Seen) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), DeliveryError>> + Send + 'static,
    {
        Self {
            behave: Box::new(move |seen| Box::pin(behave(seen))),
            seen: Mutex::default(),
            under_way: Mutex::default(),
            n_calls: AtomicUsize::new(0),
            most_calls: AtomicUsize::new(0),
            batch_size: 1,
            most_at_a_time: usize::MAX,
            waiting_at_a_time: 0,
            hurry: CancellationToken::new(),
            batches: Mutex::default(),
            n_closed: AtomicUsize::new(0),
            hangs: false,
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The most calls that were under way at a time.
    pub fn most_calls(&self) -> usize {
        self.most_calls.load(Ordering::SeqCst)
    }
}

/// Removes a delivery from those under way, also when its attempt is given up.
struct UnderWay<'a>(&'a Recording, DeliveryId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.lock().remove(&self.1);
    }
}

#[async_trait]
impl Sink for Recording {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let (id, attempt) = (named(delivery.event.client_context.as_ref()), delivery.attempt);
        let seen = Seen { id, delivery: delivery.id, attempt, at: Instant::now() };
        self.seen.lock().push(seen);
        assert!(self.under_way.lock().insert(seen.id), "{} is attempted twice at a time", seen.id);
        let _under_way = UnderWay(self, seen.id);
        (self.behave)(seen).await
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        self.batches.lock().push(deliveries.len());
        let n = self.n_calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_calls.fetch_max(n, Ordering::SeqCst);
        let mut results = Vec::new();
        for delivery in deliveries {
            results.push(self.deliver(delivery).await);
        }
        self.n_calls.fetch_sub(1, Ordering::SeqCst);
        results
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn most_at_a_time(&self) -> usize {
        self.most_at_a_time
    }

    fn waiting_at_a_time(&self) -> usize {
        self.waiting_at_a_time
    }

    fn hurry(&self) {
        self.hurry.cancel();
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        Ok(Vec::new())
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        assert!(self.under_way.lock().is_empty(), "closed while an attempt is under way");
        self.n_closed.fetch_add(1, Ordering::SeqCst);
        if self.hangs { std::future::pending().await } else { Ok(()) }
    }
}

pub fn retry() -> Result<(), DeliveryError> {
    Err(DeliveryError::Retry { reason: "not now".into(), after: None, pause: false })
}

pub fn pause(after: Duration) -> Result<(), DeliveryError> {
    Err(DeliveryError::Retry { reason: "leave me alone".into(), after: Some(after), pause: true })
}
