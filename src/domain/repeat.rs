//! Repeats: how a notification is identified as one that was accepted before.
//!
//! Equal bytes alone are not enough. Graph reports different changes in equal bytes: a callRecord that grew again, a
//! participant who muted, unmuted and muted. docs/graph.md has each rule with its source.

use super::Raw;

/// A value in a notification that differs with each change of the resource. If it is there and the bytes are equal, it
/// is the same notification. A notification's own id is such a mark too: [`super::Notification::graph_id`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Encrypted content: each one has its own random key. It stands for all bytes of the notification.
    Ciphertext(Raw),
    /// The resource's etag, version or sequence number.
    Version,
}

/// Why a notification with the bytes of an accepted one is a repeat, and not a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatOf {
    /// It has the same id from Graph.
    Notification,
    /// It came in the same message of the calling platform, at the same place, or in one that repeats that message.
    Message,
    /// It repeats the stored status of an operation.
    State,
    /// It has the same encrypted content.
    Ciphertext,
    /// It is about the same version of the resource.
    Version,
    /// The earlier POST was not answered 2xx in time, so Graph probably repeats it.
    Unanswered,
}

impl RepeatOf {
    /// The text used in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Message => "message",
            Self::State => "state",
            Self::Ciphertext => "ciphertext",
            Self::Version => "version",
            Self::Unanswered => "unanswered",
        }
    }
}
