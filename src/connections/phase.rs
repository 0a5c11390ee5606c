//! What a connection is doing.

use crate::telemetry::ConnectionState;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is new and has said nothing.
    New,
    /// It sends a head.
    Head,
    /// It sends a body that its request waits for.
    Body,
    /// Its request is at work, with time limits of its own.
    Answering,
    /// Its request's answer is a stream that goes on.
    Streaming,
    /// Nothing: it rests between two requests.
    Rest,
    /// It got its last answer: what is wrong with the bytes that follow was told by that.
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

    /// Whether a request is at work that needs nothing more of its sender.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::Answering | Self::Streaming)
    }
}
