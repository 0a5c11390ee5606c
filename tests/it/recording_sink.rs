//! A sink that keeps what it was given and fails when told to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use reelhook::domain::Delivery;
use reelhook::sinks::{DeliveryError, Sink};
use tokio::sync::watch;

use crate::sinks::schemas::mistake;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps deliveries; answers them with the scripted results first, and well after that.
#[derive(Default)]
pub struct RecordingSink {
    attempts: watch::Sender<Vec<Delivery>>,
    delivered: watch::Sender<Vec<Delivery>>,
    script: Mutex<VecDeque<DeliveryError>>,
    /// What is wrong with the events, by their schemas.
    mistakes: Mutex<Vec<String>>,
    n_closed: AtomicUsize,
    hangs: AtomicBool,
}

impl RecordingSink {
    /// The next attempts fail so, one after the other.
    pub fn fail(&self, errors: impl IntoIterator<Item = DeliveryError>) {
        self.script.lock().extend(errors);
    }

    /// A failure that a later attempt may mend.
    pub fn retry(reason: &str) -> DeliveryError {
        DeliveryError::Retry { reason: reason.into(), after: None, pause: false }
    }

    /// From now on neither an attempt nor a close ends.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// How often it was closed.
    pub fn n_closed(&self) -> usize {
        self.n_closed.load(Ordering::SeqCst)
    }

    /// What was delivered so far.
    pub fn delivered(&self) -> Vec<Delivery> {
        self.keep_to_the_schemas();
        self.delivered.borrow().clone()
    }

    /// Fails if an event was not as its schemas say.
    fn keep_to_the_schemas(&self) {
        let mistakes = self.mistakes.lock();
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    }

    /// Every attempt so far.
    pub fn attempts(&self) -> Vec<Delivery> {
        self.attempts.borrow().clone()
    }

    /// Waits until `n` deliveries have arrived, and returns all.
    pub async fn wait_for(&self, n: usize) -> Vec<Delivery> {
        let delivered = wait(&self.delivered, n).await;
        self.keep_to_the_schemas();
        delivered
    }

    /// Waits until `n` attempts were made, and returns all.
    pub async fn wait_for_attempts(&self, n: usize) -> Vec<Delivery> {
        wait(&self.attempts, n).await
    }
}

async fn wait(list: &watch::Sender<Vec<Delivery>>, n: usize) -> Vec<Delivery> {
    let mut seen = list.subscribe();
    let reached = tokio::time::timeout(PATIENCE, seen.wait_for(|list| list.len() >= n)).await;
    match reached {
        Ok(reached) => reached.unwrap().clone(),
        Err(_elapsed) => panic!("waited for {n} deliveries, found {:?}", list.borrow()),
    }
}

#[async_trait]
impl Sink for RecordingSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.mistakes.lock().extend(mistake(delivery));
        self.attempts.send_modify(|list| list.push(delivery.clone()));
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(error) = self.script.lock().pop_front() {
            return Err(error);
        }
        self.delivered.send_modify(|list| list.push(delivery.clone()));
        Ok(())
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        Ok(Vec::new())
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        self.n_closed.fetch_add(1, Ordering::SeqCst);
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
