//! How long answers are waited for, so that a receiver that hangs is found out within a minute.

use std::time::Duration;

use super::super::client::{Answer, ClientError, Post};
use super::ended::Ended;
use crate::simulator::Graph;

/// The bounds on waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For an answer, until the first one that does not come.
    pub first: Duration,
    /// For an answer after that.
    pub after_a_hang: Duration,
    /// For all answers together that come late or never. Then the rest is not checked.
    pub in_all: Duration,
    /// An answer after this is late: Graph then counts the notification as not delivered.
    pub in_time: Duration,
    /// For a receiver to take connections after it was restarted.
    pub to_come_back: Duration,
}

impl Default for Patience {
    /// Graph's times: 3 s, and 10 s for the handshake and for repeats.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(10),
            after_a_hang: Duration::from_secs(3),
            in_all: Duration::from_secs(25),
            in_time: Duration::from_secs(3),
            to_come_back: Duration::from_secs(10),
        }
    }
}

/// What waiting has cost so far.
pub(super) struct Waiting {
    patience: Patience,
    n_answered: u32,
    n_unanswered: u32,
    n_late: u32,
    late_for: Duration,
}

impl Waiting {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, n_answered: 0, n_unanswered: 0, n_late: 0, late_for: Duration::ZERO }
    }

    /// Sends, and waits as long as it may.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) async fn send(&mut self, graph: &Graph, post: Post) -> Result<Answer, ClientError> {
        let limit = if self.n_unanswered == 0 { self.patience.first } else { self.patience.after_a_hang };
        let answer = tokio::time::timeout(limit, graph.send(post)).await.unwrap_or(Err(ClientError::Timeout(limit)));
        self.n_answered += u32::from(answer.is_ok());
        match &answer {
            Err(ClientError::Timeout(_)) => {
                self.n_unanswered += 1;
                self.late_for += limit;
            }
            Ok(answer) if answer.took > self.patience.in_time => {
                self.n_late += 1;
                self.late_for += answer.took;
            }
            _ => {}
        }
        answer
    }

    /// Whether anything was answered so far.
    pub(super) fn has_answer(&self) -> bool {
        self.n_answered > 0
    }

    /// Why nothing more is sent, if so.
    pub(super) fn exhausted(&self) -> Option<Ended> {
        (self.late_for > self.patience.in_all).then(|| self.hangs())
    }

    /// What is wrong with a receiver that answers nothing at all, however few POSTs it got.
    pub(super) fn answers_nothing(&self) -> Option<Ended> {
        (self.n_answered == 0 && self.n_unanswered > 0).then(|| self.hangs())
    }

    fn hangs(&self) -> Ended {
        match self.n_unanswered {
            0 => Ended::Slow { n_late: self.n_late, after: self.patience.in_time },
            n_unanswered => Ended::Hangs { n_unanswered, n_late: self.n_late },
        }
    }
}
