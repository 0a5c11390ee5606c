//! The record operation and its state machine.
//!
//! **Invariants**
//! 1. `completed` and `failed` are terminal: nothing that arrives later changes the operation's status.
//! 2. `changeType: deleted` says nothing about the status: Graph sends it with the normal end
//!    (<https://learn.microsoft.com/graph/api/call-record>).

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ClientContext, GraphId, ResultInfo};

/// The `operationStatus` of an operation. Read in any case; members that Graph may add are stored as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// `notStarted`, and what Graph sends as `null`.
    NotStarted,
    /// `running`.
    Running,
    /// `completed`: terminal.
    Completed,
    /// `failed`: terminal.
    Failed,
    /// A member that this version does not know, as Graph spelt it.
    Unknown(String),
}

impl Status {
    /// Reads Graph's text, in any case.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "" | "notstarted" => Self::NotStarted,
            "running" => Self::Running,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            _ => Self::Unknown(text.to_owned()),
        }
    }

    /// Graph's documented spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NotStarted => "notStarted",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unknown(text) => text,
        }
    }

    /// Whether the operation has ended.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::NotStarted => 0,
            Self::Unknown(_) | Self::Running => 1,
            Self::Completed | Self::Failed => 2,
        }
    }
}

impl Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

/// How a notification compares with the stored state of its operation. Graph promises no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// The first notification of the operation.
    First,
    /// It changed the status.
    Advanced,
    /// It repeated the stored status.
    Repeated,
    /// It reported an earlier status; the operation keeps its status.
    Late,
    /// It reported another end than the stored one; the first end stays.
    Conflicting,
    /// Its proof was weaker than the stored one: it changed nothing.
    Weaker,
}

impl Order {
    /// Every order.
    pub const ALL: [Self; 6] =
        [Self::First, Self::Advanced, Self::Repeated, Self::Late, Self::Conflicting, Self::Weaker];

    /// Compares the stored status (`None`: nothing stored) with the new one.
    pub fn of(known: Option<&Status>, incoming: &Status) -> Self {
        let Some(known) = known else { return Self::First };
        if known == incoming {
            return Self::Repeated;
        }
        match (known.is_terminal(), incoming.is_terminal()) {
            (true, true) => Self::Conflicting,
            (true, false) => Self::Late,
            (false, _) if incoming.rank() < known.rank() => Self::Late,
            (false, _) => Self::Advanced,
        }
    }

    /// Whether the operation takes over this notification's state.
    pub fn moves(self) -> bool {
        matches!(self, Self::First | Self::Advanced | Self::Repeated)
    }

    /// The text used in events, metrics and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Advanced => "advanced",
            Self::Repeated => "repeated",
            Self::Late => "late",
            Self::Conflicting => "conflicting",
            Self::Weaker => "weaker",
        }
    }

    /// Its meaning in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::First => "the first notification of the operation",
            Self::Advanced => "this notification changed the status of the operation",
            Self::Repeated => "this notification repeated the stored status",
            Self::Late => "this notification has an earlier status than the operation, so the status was not changed",
            Self::Conflicting => "this notification reported another end than the stored one: the stored end stays",
            Self::Weaker => "this notification has weaker proof than the stored status: it changed nothing",
        }
    }

    /// Reads [`Order::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::First, Self::Advanced, Self::Repeated, Self::Late, Self::Conflicting, Self::Weaker]
            .into_iter()
            .find(|order| order.as_str() == text)
    }
}

/// Graph's `recordOperation`, normalised: empty strings are absent, old names are read as the new ones.
#[derive(Clone, Debug)]
pub struct RecordOperation {
    /// The operation's id, from the payload or, where it has none, from the resource path.
    pub id: GraphId,
    /// The call that is recorded, from the resource path.
    pub call_id: Option<GraphId>,
    /// The bot's correlation key.
    pub client_context: Option<ClientContext>,
    /// Where the operation stands according to this notification.
    pub status: Status,
    /// Absent in some completed notifications; absent with `completed` is a success.
    pub result_info: Option<ResultInfo>,
    /// Why the recording ended, as Graph spelt it.
    pub completion_reason: Option<String>,
    /// Where the recording can be fetched from, for a short time.
    pub recording_location: Option<String>,
    /// The bearer token for that location. Encrypted at rest, wiped when settled.
    pub recording_access_token: Option<SecretString>,
    /// `@odata.etag`, as Graph spelt it.
    pub etag: Option<String>,
    /// Members that could not be read as documented, by their keys, as Graph sent them: they stand in for what was read.
    pub as_sent: Vec<(&'static str, Box<RawValue>)>,
    /// Properties that this version does not know, as Graph sent them (the type is open): JSON members without the braces
    /// around them, each key once, none of [`RecordOperation::OWN_KEYS`], no secret.
    pub additional: String,
}

impl RecordOperation {
    /// The keys of an operation's `data` that are reelhook's reading: a property that Graph may add under one of these
    /// names does not stand beside it.
    pub const OWN_KEYS: [&str; 11] = [
        "@odata.type",
        "@odata.etag",
        "id",
        "callId",
        "tenantId",
        "changeType",
        "clientContext",
        "status",
        "completionReason",
        "resultInfo",
        "recordingLocation",
    ];

    /// The resource's type, as in [`super::Notification::resource_type`].
    pub const TYPE: &str = "recordOperation";

    /// Whether its end brings back what was given up: a failure that names no recording does not.
    pub fn recovers(&self) -> bool {
        self.status == Status::Completed || self.recording_location.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_status_is_read_in_any_case_and_an_unknown_one_is_kept() {
        assert_eq!(Status::parse("Completed"), Status::Completed);
        assert_eq!(Status::parse("NOTSTARTED"), Status::NotStarted);
        assert_eq!(Status::parse("unknownFutureValue").as_str(), "unknownFutureValue");
    }

    #[test]
    fn completed_after_failed_is_a_conflict_and_does_not_move() {
        let order = Order::of(Some(&Status::Failed), &Status::Completed);
        assert_eq!(order, Order::Conflicting);
        assert!(!order.moves());
    }

    #[test]
    fn running_after_completed_is_late() {
        assert_eq!(Order::of(Some(&Status::Completed), &Status::Running), Order::Late);
    }

    fn any_status() -> impl Strategy<Value = Status> {
        prop_oneof![
            Just(Status::NotStarted),
            Just(Status::Running),
            Just(Status::Completed),
            Just(Status::Failed),
            "[a-z]{1,8}".prop_map(|text| Status::parse(&text)),
        ]
    }

    proptest! {
        #[test]
        fn a_terminal_status_never_regresses(story in prop::collection::vec(any_status(), 0..20)) {
            let mut known: Option<Status> = None;
            for incoming in story {
                let ended = known.clone().filter(Status::is_terminal);
                if Order::of(known.as_ref(), &incoming).moves() {
                    known = Some(incoming);
                }
                if ended.is_some() {
                    prop_assert_eq!(&known, &ended);
                }
            }
        }
    }
}
