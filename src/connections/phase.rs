//! What a connection is doing.

use crate::telemetry::ConnectionState;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is new, and nothing has arrived.
    New,
    /// A head is arriving.
    Head,
    /// A body is arriving, and the request waits for it.
    Body,
    /// A request is in progress. It has time limits of its own.
    Answering,
    /// The answer to a request is a stream that goes on.
    Streaming,
    /// It is idle, between two requests.
    Rest,
    /// It got its last answer: a refusal. Faults in the bytes that follow need no other answer.
    Over,
}

impl Phase {
    pub(super) fn state(self) -> ConnectionState {
        match self {
            Self::New | Self::Head => ConnectionState::Head,
            Self::Body => ConnectionState::Body,
            Self::Answering | Self::Streaming => ConnectionState::Answering,
            Self::Rest => ConnectionState::Rest,
            Self::Over => ConnectionState::Over,
        }
    }

    /// Whether a request is in progress that needs nothing more from its sender.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Answering | Self::Streaming)
    }
}
