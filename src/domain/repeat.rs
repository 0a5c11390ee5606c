//! Repeats: by what a notification is known to be one that was accepted before.
//!
//! Equal bytes alone are no proof. Graph tells different changes in equal bytes: a callRecord that grew again, a
//! participant who muted, unmuted and muted. docs/graph.md has each rule with its source.

use super::Raw;

/// What stands in a notification and is another with each change of the resource. Where it is there and the bytes are
/// equal, it is the same notification. A notification's own id is a mark too: [`super::Notification::graph_id`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Encrypted content: each is encrypted with a random key of its own. It stands for all bytes of the notification.
    Ciphertext(Raw),
    /// The resource's etag, version or sequence number.
    Version,
}

/// Why a notification of bytes that were accepted before is a repeat, and no news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatOf {
    /// It has the same id of Graph's.
    Notification,
    /// It came in the same message of the calling platform, at the same place, or in one that repeats that message.
    Message,
    /// It tells again what an operation's status is.
    State,
    /// It has the same encrypted content.
    Ciphertext,
    /// It tells of the same version of the resource.
    Version,
    /// The earlier POST was not answered 2xx in time: Graph had reason to repeat it.
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
