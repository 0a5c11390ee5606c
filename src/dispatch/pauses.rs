//! Sinks that an operator paused: their deliveries wait, and nothing is attempted. And operators' wishes to end the
//! pause that a sink asked for.
//!
//! **Invariants**
//! 1. A pause is durable before it holds, and outlasts a restart.
//! 2. Once [`Pauses::pause`] has returned no attempt begins; running ones end.
//! 3. A pause that a sink asked for ends at the latest when its dispatcher is next woken after [`Pauses::end_own`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Mutex, watch};

use crate::domain::SinkName;
use crate::store::{SinkPauses, StoreError};

/// Which sinks are paused.
pub struct Pauses {
    store: Arc<dyn SinkPauses>,
    paused: watch::Sender<BTreeMap<SinkName, Timestamp>>,
    /// The state in memory and in the store change together, one change after the other.
    changing: Mutex<()>,
    /// Sinks whose own pause is to end.
    ending: parking_lot::Mutex<BTreeSet<SinkName>>,
}

impl Pauses {
    /// Loads the paused sinks from the store.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn load(store: Arc<dyn SinkPauses>) -> Result<Self, StoreError> {
        let paused = watch::Sender::new(store.paused_sinks().await?);
        Ok(Self { store, paused, changing: Mutex::default(), ending: Default::default() })
    }

    /// Whether a sink is paused.
    pub fn is_paused(&self, sink: &SinkName) -> bool {
        self.since(sink).is_some()
    }

    /// Since when a sink is paused.
    pub fn since(&self, sink: &SinkName) -> Option<Timestamp> {
        self.paused.borrow().get(sink).copied()
    }

    /// The paused sinks, and since when they are paused. Some may not be in the config.
    pub fn all(&self) -> BTreeMap<SinkName, Timestamp> {
        self.paused.borrow().clone()
    }

    /// Pauses a sink. Returns whether it was not paused before.
    ///
    /// # Errors
    /// It is not paused.
    pub async fn pause(&self, sink: &SinkName) -> Result<bool, StoreError> {
        let _changing = self.changing.lock().await;
        let since = self.store.pause_sink(sink).await?;
        let mut is_new = false;
        self.paused.send_modify(|paused| is_new = paused.insert(sink.clone(), since).is_none());
        Ok(is_new)
    }

    /// Resumes a sink. Returns whether it was paused.
    ///
    /// # Errors
    /// It is still paused.
    pub async fn resume(&self, sink: &SinkName) -> Result<bool, StoreError> {
        let _changing = self.changing.lock().await;
        self.store.resume_sink(sink).await?;
        let mut was_paused = false;
        self.paused.send_modify(|paused| was_paused = paused.remove(sink).is_some());
        Ok(was_paused)
    }

    /// Ends the pause that a sink itself asked for, if it has one. An operator's pause stays.
    pub fn end_own(&self, sink: &SinkName) {
        self.ending.lock().insert(sink.clone());
        self.paused.send_modify(|_unchanged| {});
    }

    /// Whether the pause that a sink itself asked for is to end. Says so once.
    pub(super) fn takes_end(&self, sink: &SinkName) -> bool {
        self.ending.lock().remove(sink)
    }

    /// Changes whenever a sink is paused or resumed, or its own pause is to end.
    pub fn changes(&self) -> watch::Receiver<BTreeMap<SinkName, Timestamp>> {
        self.paused.subscribe()
    }
}
