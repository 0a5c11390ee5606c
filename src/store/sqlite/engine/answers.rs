//! Telling owners what became of their jobs, on a thread of its own: each answer wakes somebody, and the writer has the
//! next transaction to write meanwhile.
//!
//! **Invariants**
//! 1. Owners are told in the order of the commits: a sink's fresh deliveries keep their order. Streams are told once for
//!    a group.
//! 2. The writer is at most [`MAX_AHEAD`] groups ahead: what waits to be told is bounded.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::threads;
use super::tx::Shared;
use super::writer::Job;
use crate::store::StoreError;

/// Groups that wait to be told.
const MAX_AHEAD: usize = 2;

/// A job with what became of it.
pub type Answer = (Box<dyn Job>, Result<(), StoreError>);

/// The way to the thread.
pub struct Answers {
    groups: SyncSender<Vec<Answer>>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Answers {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        let (groups, told) = sync_channel::<Vec<Answer>>(MAX_AHEAD);
        let by = Arc::clone(&shared);
        let thread = threads::start("store-answers", &shared.health, move || {
            told.into_iter().for_each(|group| {
                threads::break_if_asked("store-answers");
                finish(group, &by);
            });
        })?;
        Ok(Self { groups, shared, thread })
    }

    /// Has the owners of a group told.
    pub fn tell(&self, group: Vec<Answer>) {
        // Without the thread the writer tells them itself.
        if let Err(unsent) = self.groups.send(group) {
            finish(unsent.0, &self.shared);
        }
    }

    /// Returns when every owner was told.
    pub fn close(self) {
        drop(self.groups);
        // It may have ended by a panic: what it held is lost, and its owners see that.
        let _ = self.thread.join();
    }
}

fn finish(group: Vec<Answer>, shared: &Shared) {
    group.into_iter().for_each(|(job, outcome)| job.finish(outcome));
    shared.tell_of_events();
}
