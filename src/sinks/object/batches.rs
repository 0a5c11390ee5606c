//! The batches that are waited for. Events whose objects would have another name are in different ones.
//!
//! **Invariants**
//! 1. An event that cannot be in a batch costs no other.
//! 2. What is given up is forgotten: a batch lives only as long as a delivery waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, Common, Outcome};
use super::limits::Limits;
use super::name;
use super::objects::Objects;
use crate::domain::Delivery;
use crate::sinks::DeliveryError;

/// The batches of a sink.
pub(super) struct Batches {
    common: Arc<Common>,
    begun: Mutex<Begun>,
}

#[derive(Default)]
struct Begun {
    /// By name, the one that was begun last.
    last: BTreeMap<String, Weak<Batch>>,
    /// All of them.
    all: Vec<Weak<Batch>>,
}

impl Batches {
    /// Without a batch. `concurrency` is how many objects are stored at a time.
    pub(super) fn of(objects: Arc<Objects>, limits: Limits, concurrency: usize) -> Self {
        let (permits, hurry) = (Semaphore::new(concurrency.max(1)), CancellationToken::new());
        Self { common: Arc::new(Common { objects, limits, permits, hurry }), begun: Mutex::default() }
    }

    /// When a batch is stored.
    pub(super) fn limits(&self) -> Limits {
        self.common.limits
    }

    /// Adds deliveries to their batches, and waits until these are stored: one outcome for each, in order.
    pub(super) async fn deliver(&self, deliveries: &[&Delivery]) -> Vec<Outcome> {
        let mut batches: Vec<Arc<Batch>> = Vec::new();
        let mut number_of = |batch: Arc<Batch>| {
            batches.iter().rposition(|it| Arc::ptr_eq(it, &batch)).unwrap_or_else(|| {
                batches.push(batch);
                batches.len() - 1
            })
        };
        let added: Vec<Result<usize, DeliveryError>> =
            deliveries.iter().map(|delivery| self.add(delivery).map(&mut number_of)).collect();
        let outcomes = join_all(batches.iter().map(|batch| batch.done())).await;
        added.into_iter().map(|number| number.and_then(|number| outcomes[number].clone())).collect()
    }

    /// Adds a delivery to its batch.
    fn add(&self, delivery: &Delivery) -> Result<Arc<Batch>, DeliveryError> {
        let text = name::text_of_batch(&self.common.objects.settings, delivery)?;
        let line = self.common.objects.settings.shape.lines(&[delivery]);
        let mut begun = self.begun.lock();
        let last = begun.last.get(&text).and_then(Weak::upgrade);
        if let Some(batch) = last.filter(|batch| batch.add(delivery, &line)) {
            return Ok(batch);
        }
        begun.forget();
        let batch = Arc::new(Batch::begin(&self.common, &text));
        // An empty batch takes every event.
        batch.add(delivery, &line);
        begun.last.insert(text, Arc::downgrade(&batch));
        begun.all.push(Arc::downgrade(&batch));
        Ok(batch)
    }

    /// From now on nothing waits for others.
    pub(super) fn hurry(&self) {
        self.common.hurry.cancel();
    }

    /// Stores what waits.
    pub(super) async fn finish(&self) {
        self.hurry();
        let all: Vec<Arc<Batch>> = self.begun.lock().all.iter().filter_map(Weak::upgrade).collect();
        // Who waits for them gets the outcomes.
        join_all(all.iter().map(|batch| batch.done())).await;
    }
}

impl Begun {
    /// Forgets the batches that nobody waits for.
    fn forget(&mut self) {
        self.last.retain(|_, batch| batch.strong_count() > 0);
        self.all.retain(|batch| batch.strong_count() > 0);
    }
}
