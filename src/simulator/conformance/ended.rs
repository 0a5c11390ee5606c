//! Why nothing more is sent: the receiver is gone, hangs, or is too slow.

use std::fmt;
use std::time::Duration;

use crate::simulator::Graph;
use crate::simulator::client::{Answer, ClientError};

/// How long a look for a receiver may take that broke a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the checks ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It takes no connections any more, since this check.
    Gone(&'static str),
    /// It takes no connections after the restart command: what was found.
    NotBack(String),
    /// So many POSTs were not answered, and so many late.
    Hangs { n_unanswered: u32, n_late: u32 },
    /// It answers everything, but so many POSTs late: after more than this.
    Slow { n_late: u32, after: Duration },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(since) => write!(f, "the receiver is gone since {since}: nothing more was sent"),
            Self::NotBack(found) => {
                write!(f, "the receiver is gone: it did not come back after --restart-command: {found}")
            }
            Self::Hangs { n_unanswered, n_late: 0 } => {
                write!(f, "the receiver hangs: {n_unanswered} POSTs were not answered; nothing more was sent")
            }
            Self::Hangs { n_unanswered, n_late } => write!(
                f,
                "the receiver hangs: {n_unanswered} POSTs were not answered, {n_late} were answered late; nothing more \
                 was sent"
            ),
            Self::Slow { n_late, after } => write!(
                f,
                "the receiver is too slow: {n_late} POSTs were answered after more than {after:?}; nothing more was sent"
            ),
        }
    }
}

impl Ended {
    /// What the user can look at.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Gone(_) => {
                "look into the receiver's log: did it crash, or was it stopped? Start it again, and let the command run \
                 again"
            }
            Self::NotBack(_) => {
                "--restart-command ended, and the receiver takes no connections: does the command start it again, and \
                 does the receiver start after it was killed?"
            }
            Self::Hangs { .. } => "the receiver takes connections, and does not answer: is --url the right port?",
            Self::Slow { .. } => "let the receiver store the notification, answer, and do its work after the answer",
        }
    }
}

/// Whether nobody takes connections any more.
pub(super) async fn is_gone(graph: &Graph, answer: &Result<Answer, ClientError>) -> bool {
    match answer {
        Err(ClientError::Connect { .. }) => true,
        // It may have closed this one connection only.
        Err(ClientError::Broken(_) | ClientError::Closed) => {
            matches!(tokio::time::timeout(CONNECT_TIMEOUT, graph.client.tcp()).await, Ok(Err(_)))
        }
        _ => false,
    }
}
