//! Load: notifications at a given rate, or as fast as the receiver answers.
//!
//! **Invariants**
//! 1. With a given rate, the time of each notification is fixed before the start, and its latency counts from then: a
//!    receiver that stalls is charged for every notification that had to wait (no coordinated omission). Timers are
//!    precise to a millisecond, which is part of the figure.
//! 2. Every due notification is counted once: by the status of its answer, or as failed.
//! 3. No task outlives the run.

pub mod bodies;
pub mod histogram;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use hyper::http::request::Parts;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::bodies::Bodies;
pub use self::histogram::Histogram;
pub use self::report::Report;
use super::client::{Answer, Client, ClientError, Connection, Post};

/// How long a connection waits after it could not connect.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How much, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections that send at the same time; each has one request under way.
    pub connections: usize,
    /// Notifications a second; `None`: each connection sends again as soon as it has its answer.
    pub rate: Option<f64>,
    /// Ends after so many notifications.
    pub count: Option<u64>,
    /// Ends after this time; running requests are completed.
    pub duration: Option<Duration>,
}

impl Plan {
    /// When a notification is due after the start, `None` where it is not part of the run.
    fn due(&self, number: u64, elapsed: Duration) -> Option<Duration> {
        if self.count.is_some_and(|count| number >= count) {
            return None;
        }
        let due = match self.rate {
            #[allow(clippy::cast_precision_loss, reason = "2^52 notifications are not sent")]
            Some(rate) => Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX),
            None => elapsed,
        };
        (self.duration.is_none_or(|duration| due < duration)).then_some(due)
    }

    /// How many notifications it will be, where that is known before.
    pub fn n_total(&self) -> Option<u64> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let scheduled = self.rate.zip(self.duration).map(|(rate, time)| (rate * time.as_secs_f64()).ceil() as u64);
        match (self.count, scheduled) {
            (Some(count), Some(scheduled)) => Some(count.min(scheduled)),
            (count, scheduled) => count.or(scheduled),
        }
    }
}

/// A run that can be watched, and ended early.
pub struct Load {
    client: Client,
    head: Parts,
    bodies: Bodies,
    plan: Plan,
    next: AtomicU64,
    n_done: AtomicU64,
    stopped: CancellationToken,
}

impl Load {
    /// A run of these bodies, under the head of this POST.
    ///
    /// # Errors
    /// The POST's path cannot be sent.
    pub fn new(client: Client, head: &Post, bodies: Bodies, plan: Plan) -> Result<Arc<Self>, ClientError> {
        let (head, _body) = client.request(head)?.into_parts();
        let (next, n_done) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Arc::new(Self { client, head, bodies, plan, next, n_done, stopped: CancellationToken::new() }))
    }

    /// What was planned.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// How many notifications were answered or failed so far.
    pub fn n_done(&self) -> u64 {
        self.n_done.load(Ordering::Relaxed)
    }

    /// Starts nothing new from now on.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    /// Runs to the end.
    pub async fn run(self: &Arc<Self>) -> Report {
        let began = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..self.plan.connections.max(1) {
            connections.spawn(Arc::clone(self).one_connection(began));
        }
        let mut tally = Tally::default();
        while let Some(ended) = connections.join_next().await {
            match ended {
                Ok(one) => tally.merge(one),
                Err(error) => tally.fail(error.to_string()),
            }
        }
        Report { tally, elapsed: began.elapsed() }
    }

    async fn one_connection(self: Arc<Self>, began: Instant) -> Tally {
        let mut tally = Tally::default();
        let mut connection = None;
        while !self.stopped.is_cancelled() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(due) = self.plan.due(number, began.elapsed()) else { break };
            let due = began + due;
            // Timers round up: one that is due already is not waited for.
            if due > Instant::now() {
                tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {}
                    () = self.stopped.cancelled() => break,
                }
            }
            match self.send(&mut connection, number).await {
                Ok(answer) => tally.answered(answer.status, due.elapsed()),
                Err(error) => {
                    connection = None;
                    let unreachable = matches!(error, ClientError::Connect { .. });
                    tally.fail(error.to_string());
                    if unreachable {
                        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                    }
                }
            }
            self.n_done.fetch_add(1, Ordering::Relaxed);
        }
        tally
    }

    async fn send(&self, open: &mut Option<Connection>, number: u64) -> Result<Answer, ClientError> {
        let body = self.bodies.get(number);
        let request = || Request::from_parts(self.head.clone(), Full::new(body.clone()));
        let reused = open.as_mut().filter(|connection| connection.is_open());
        if let Some(connection) = reused {
            match connection.send(request()).await {
                // A connection that was closed while it was idle is no failure: it is tried once more on a new one.
                Err(ClientError::Closed) => {}
                outcome => return outcome,
            }
        }
        let connection = open.insert(self.client.connect().await?);
        connection.send(request()).await
    }
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers by their status.
    pub statuses: BTreeMap<u16, u64>,
    /// Notifications without an answer.
    pub n_failed: u64,
    /// Why the first of them has none.
    pub first_failure: Option<String>,
    /// How long answers took.
    pub latency: Histogram,
}

impl Tally {
    fn answered(&mut self, status: u16, took: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.latency.record(took);
    }

    fn fail(&mut self, why: String) {
        self.n_failed += 1;
        self.first_failure.get_or_insert(why);
    }

    fn merge(&mut self, other: Self) {
        for (status, n) in other.statuses {
            *self.statuses.entry(status).or_default() += n;
        }
        self.n_failed += other.n_failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.latency.merge(&other.latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Plan = Plan { connections: 1, rate: None, count: None, duration: None };

    #[test]
    fn at_a_rate_the_schedule_is_fixed_however_late_it_is() {
        let plan = Plan { rate: Some(100.0), duration: Some(Duration::from_secs(2)), ..ANY };
        for elapsed in [Duration::ZERO, Duration::from_secs(60)] {
            assert_eq!(plan.due(0, elapsed), Some(Duration::ZERO));
            assert_eq!(plan.due(150, elapsed), Some(Duration::from_millis(1500)));
            assert_eq!(plan.due(199, elapsed), Some(Duration::from_millis(1990)));
            assert_eq!(plan.due(200, elapsed), None);
        }
        assert_eq!(plan.n_total(), Some(200));
    }

    #[test]
    fn without_a_rate_the_time_or_the_count_ends_it() {
        let time = Plan { duration: Some(Duration::from_secs(1)), ..ANY };
        assert!(time.due(1_000_000, Duration::from_millis(999)).is_some());
        assert!(time.due(0, Duration::from_secs(1)).is_none());
        let count = Plan { count: Some(3), ..ANY };
        assert!(count.due(2, Duration::MAX).is_some());
        assert!(count.due(3, Duration::ZERO).is_none());
    }
}
