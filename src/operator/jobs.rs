//! Actions on many entries that go on after their request was answered: the console has no place to wait for them. One runs
//! at a time, in rounds, so that notifications are accepted meanwhile. A job ends with the server: its page, and the log,
//! say how far it came.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Action, Bounds, Count, Entries, Operator, OperatorError};
use crate::domain::{DeliveryId, EventId};
use crate::store::{DeadKey, Judged, StoreError};

/// The most jobs that wait.
const MAX_WAITING: usize = 16;
/// How many jobs are remembered.
const REMEMBERED: usize = 100;

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for another one.
    Waiting,
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It ended before it was done, for this reason.
    Ended(String),
}

/// A job and how far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub action: Action,
    /// Who asked for it.
    pub who: String,
    /// When.
    pub asked_at: Timestamp,
    /// How it stands.
    pub state: JobState,
    /// How many entries the person was told, and when.
    pub count: Count,
    /// How many entries it looked at.
    pub n_seen: u64,
    /// For how many it did something.
    pub n_done: u64,
    /// Of a replay of quarantine entries: how many were judged since, and how.
    pub judged: Judged,
    /// Whether some of them are still to be judged, although the job is done.
    pub is_judging: bool,
}

impl Progress {
    /// How many quarantine entries it had verified again that were not judged yet.
    pub fn n_unjudged(&self) -> u64 {
        let n_asked = if matches!(self.action, Action::Verify(..)) { self.n_done } else { 0 };
        n_asked.saturating_sub(self.judged.n_accepted + self.judged.n_refused)
    }

    /// How many of the counted entries were not there any more when it was done. `None`: it is not done, or not all were
    /// counted.
    pub fn n_gone(&self) -> Option<u64> {
        let is_done = self.state == JobState::Done && self.count.counted.is_all;
        is_done.then(|| self.count.counted.n.saturating_sub(self.n_done))
    }

    /// Whether nothing more happens.
    pub fn is_over(&self) -> bool {
        matches!(self.state, JobState::Done | JobState::Ended(_)) && !self.is_judging
    }
}

/// The jobs of this process.
pub struct Jobs {
    queue: mpsc::Sender<Job>,
    waiting: Mutex<Option<mpsc::Receiver<Job>>>,
    last_id: AtomicU64,
    known: Mutex<VecDeque<Progress>>,
}

/// A job that runs, and where its next round begins.
struct Job {
    id: u64,
    who: String,
    action: Action,
    bounds: Bounds,
    place: Option<Place>,
}

/// The next round of an action begins behind this entry.
#[derive(Clone)]
enum Place {
    DeadLetter(DeadKey),
    Entry(i64),
    Event(EventId),
    Delivery(DeliveryId),
}

/// What a round did.
struct Step {
    n_seen: u64,
    n_done: u64,
    next: Option<Place>,
}

impl Default for Jobs {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let waiting = Mutex::new(Some(waiting));
        Self { queue, waiting, last_id: AtomicU64::new(0), known: Mutex::default() }
    }
}

impl Jobs {
    fn note(&self, id: u64, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = self.known.lock().iter_mut().find(|it| it.id == id) {
            change(progress);
        }
    }
}

impl Operator {
    /// Begins an action on the entries that were counted, and on no others. Returns the number of the job.
    ///
    /// # Errors
    /// Too many jobs wait.
    pub fn begin(&self, action: Action, count: Count, who: &str) -> Result<u64, OperatorError> {
        let id = self.jobs.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let who = who.to_owned();
        let (asked_at, state, judged) = (self.clock.now(), JobState::Waiting, Judged::default());
        let (n_seen, n_done, is_judging, by) = (0, 0, false, who.clone());
        let progress = Progress {
            id,
            action: action.clone(),
            who: by,
            asked_at,
            state,
            count,
            n_seen,
            n_done,
            judged,
            is_judging,
        };
        {
            let mut known = self.jobs.known.lock();
            known.push_back(progress);
            let n_beyond = known.len().saturating_sub(REMEMBERED);
            known.drain(..n_beyond);
            self.verdicts.forget_before(known.front().map_or(id, |first| first.id));
        }
        let sent = self.jobs.queue.try_send(Job { id, who, action, bounds: count.bounds(), place: None });
        sent.map(|()| id).map_err(|_full| {
            self.jobs.known.lock().retain(|it| it.id != id);
            OperatorError::TooManyJobs
        })
    }

    /// How far a job came; `None`: there is none with this number, or not any more.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn progress(&self, id: u64) -> Result<Option<Progress>, StoreError> {
        let Some(before) = self.noted(id) else { return Ok(None) };
        // An entry that was removed meanwhile, to make room, is not waited for: then no request waits any more.
        let may_wait = before.n_unjudged() == 0 || !self.store.replay_wishes(1).await?.is_empty();
        // Looked at after the requests: each that had ended by then is judged.
        Ok(self.noted(id).map(|now| Progress { is_judging: now.n_unjudged() > 0 && may_wait, ..now }))
    }

    fn noted(&self, id: u64) -> Option<Progress> {
        let found = self.jobs.known.lock().iter().find(|it| it.id == id).cloned();
        found.map(|found| Progress { judged: self.verdicts.of(id), ..found })
    }

    /// Does the jobs, one after the other, until `stop`.
    pub async fn work(&self, stop: CancellationToken) {
        let Some(mut waiting) = self.jobs.waiting.lock().take() else { return };
        loop {
            let job = tokio::select! {
                () = stop.cancelled() => return,
                job = waiting.recv() => job,
            };
            let Some(job) = job else { return };
            self.run(job, &stop).await;
        }
    }

    async fn run(&self, mut job: Job, stop: &CancellationToken) {
        self.jobs.note(job.id, |it| it.state = JobState::Running);
        let state = loop {
            if stop.is_cancelled() {
                break JobState::Ended("the server stopped".into());
            }
            let step = match self.step(&job).await {
                Ok(step) => step,
                Err(error) => break JobState::Ended(error.to_string()),
            };
            self.jobs.note(job.id, |it| {
                it.n_seen += step.n_seen;
                it.n_done += step.n_done;
            });
            job.bounds = job.bounds.less(step.n_done);
            job.place = step.next;
            if job.place.is_none() {
                break JobState::Done;
            }
        };
        if let JobState::Ended(why) = &state {
            tracing::warn!(caller = job.who, job = job.id, action = ?job.action, error = why, "a job of an operator ended early");
        }
        self.jobs.note(job.id, |it| it.state = state);
    }

    async fn step(&self, job: &Job) -> Result<Step, OperatorError> {
        let (place, bounds, who) = (job.place.clone(), job.bounds, job.who.as_str());
        match &job.action {
            Action::Resend(which) => {
                let after = if let Some(Place::Delivery(after)) = place { Some(after) } else { None };
                let round = self.resend_round(which, after, bounds, who).await?;
                Ok(Step { n_seen: round.n_seen, n_done: round.n_resent, next: round.next.map(Place::Delivery) })
            }
            Action::Replay(which) => {
                let after = if let Some(Place::DeadLetter(after)) = place { Some(after) } else { None };
                let round = self.replay_round(which, after, bounds, who).await?;
                let (n, next) = (round.n_replayed, round.next.map(Place::DeadLetter));
                Ok(Step { n_seen: n, n_done: n, next })
            }
            Action::Verify(which, vouch) => {
                let after = if let Some(Place::Entry(after)) = place { Some(after) } else { None };
                let round = self
                    .verify_round_again(which, Entries { vouch: *vouch, after, job: Some(job.id) }, bounds, who)
                    .await?;
                Ok(Step { n_seen: round.n_asked, n_done: round.n_asked, next: round.next.map(Place::Entry) })
            }
            Action::Route(which) => {
                let after = if let Some(Place::Event(after)) = place { Some(after) } else { None };
                let round = self.route_some_again(which, after, bounds, who).await?;
                let (n_seen, n_done) = (round.n_events as u64, round.n_matched as u64);
                Ok(Step { n_seen, n_done, next: round.next.map(Place::Event) })
            }
        }
    }
}
