//! A thread that answers the owners of jobs. Each answer wakes a task; meanwhile the writer can write the next
//! transaction.
//!
//! **Invariants**
//! 1. Owners are answered in the order of the commits, so a sink's new deliveries keep their order. Streams are woken
//!    once for a group.
//! 2. The writer is at most [`MAX_AHEAD`] groups ahead, so the answers that wait are bounded.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::job::Job;
use super::shared::Shared;
use super::threads;
use crate::store::StoreError;

/// The most groups that wait to be answered.
const MAX_AHEAD: usize = 2;

/// A job and its result.
pub type Answer = (Box<dyn Job>, Result<(), StoreError>);

/// The channel to the thread.
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

    /// Answers the owners of a group, on the thread.
    pub fn tell(&self, group: Vec<Answer>) {
        // Without the thread the writer answers them itself.
        if let Err(unsent) = self.groups.send(group) {
            finish(unsent.0, &self.shared);
        }
    }

    /// Returns after every owner was answered.
    pub fn close(self) {
        drop(self.groups);
        // The thread may have panicked. The answers that it held are lost, and their owners see a closed channel.
        let _ = self.thread.join();
    }
}

fn finish(group: Vec<Answer>, shared: &Shared) {
    group.into_iter().for_each(|(job, outcome)| job.finish(outcome));
    shared.tell_of_events();
}
