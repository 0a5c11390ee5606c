//! A batch: events that become one object. Those who wait for it do its work, whoever of them is there.
//!
//! **Invariants**
//! 1. It is stored once, with all events that were added, and has one outcome.
//! 2. A waiting delivery that is given up takes nothing from the others: as long as one waits, the batch goes on. When none
//!    does, it ends, because all of them are attempted again.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::lines::Lines;
use super::name;
use super::objects::Objects;
use crate::domain::Delivery;
use crate::sinks::{DeliveryError, reason};

/// What became of a batch.
pub(super) type Outcome = Result<(), DeliveryError>;

/// Events that become one object.
pub(super) struct Batch {
    /// `None`: it takes no more.
    lines: Arc<Mutex<Option<Lines>>>,
    is_full: CancellationToken,
    limits: Limits,
    done: Shared<BoxFuture<'static, Outcome>>,
}

/// What the batches of a sink share.
pub(super) struct Common {
    pub(super) objects: Arc<Objects>,
    pub(super) limits: Limits,
    /// As many objects are stored at a time as the sink's `concurrency` says.
    pub(super) permits: Semaphore,
    /// Cancelled when nothing waits for others any more.
    pub(super) hurry: CancellationToken,
}

impl Batch {
    /// Begins a batch, whose object has the name `text` with its id.
    pub(super) fn begin(common: &Arc<Common>, text: &str) -> Self {
        let lines = Arc::new(Mutex::new(Some(Lines::default())));
        let (is_full, limits) = (CancellationToken::new(), common.limits);
        let now = Instant::now();
        let until = now.checked_add(limits.age).unwrap_or(now);
        let (common, text, added, full) = (Arc::clone(common), text.to_owned(), Arc::clone(&lines), is_full.clone());
        let done = async move {
            tokio::select! {
                () = full.cancelled() => {}
                () = common.hurry.cancelled() => {}
                () = tokio::time::sleep_until(until) => {}
            }
            let lines = added.lock().take().unwrap_or_default();
            store(&common, &text, lines).await
        };
        Self { lines, is_full, limits, done: done.boxed().shared() }
    }

    /// Adds an event, as a line with its end. `false`: it takes no more, and goes without it.
    pub(super) fn add(&self, delivery: &Delivery, line: &[u8]) -> bool {
        let mut lines = self.lines.lock();
        let Some(open) = lines.as_mut().filter(|_| !self.is_full.is_cancelled()) else { return false };
        let has_room = open.n() == 0 || open.n_bytes() + line.len() <= self.limits.n_bytes;
        if has_room {
            open.add(delivery, line);
        }
        if !has_room || open.n() >= self.limits.count || open.n_bytes() >= self.limits.n_bytes {
            self.is_full.cancel();
        }
        has_room
    }

    /// What became of it, once it is stored.
    pub(super) fn done(&self) -> Shared<BoxFuture<'static, Outcome>> {
        self.done.clone()
    }
}

async fn store(common: &Common, text: &str, lines: Lines) -> Outcome {
    // It is never closed.
    let _permit = common.permits.acquire().await;
    let n = lines.n();
    let name = name::of_batch(&common.objects.settings, text, &lines.id())?;
    let outcome = common.objects.create(&name, lines.into_message()).await;
    outcome.map_err(|error| match error {
        // What is wrong with one object need not be wrong with each of its events.
        DeliveryError::Reject { reason } if n > 1 => reason::retry(&format!("an object of {n} events: {reason}")),
        other => other,
    })
}
