//! What a script says: its calls with their facts, and its steps.

use std::time::Duration;

use crate::simulator::payload::Dialect;

/// A call, as a script describes it.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// Its name in the script.
    pub name: String,
    /// Whether the bot calls.
    pub is_outgoing: bool,
    /// The caller's name; of an outgoing call, the name of the one who is called.
    pub caller: Option<String>,
    /// Their phone number, if they are on the telephone network.
    pub phone: Option<String>,
    /// `requestedModalities`.
    pub modalities: Vec<String>,
    /// The form of `meetingInfo`, if it is a call to a meeting.
    pub meeting: Option<Meeting>,
    /// Whether ids in paths are lower case with dashes, as captures have them.
    pub has_dashes: bool,
    /// Which paths an item has.
    pub paths: Paths,
}

/// The form of `meetingInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Its organizer.
    Organizer,
    /// A token that opens it: a secret.
    Token,
}

/// Which paths an item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// `resource` and `resourceUrl`, as captures have them.
    Both,
    /// `resourceUrl` alone, as the documentation has it.
    ResourceUrl,
    /// `resource` alone, as until 2019.
    Resource,
}

/// A step of a script.
#[derive(Clone, Debug)]
pub struct Step {
    /// The time after the answer before it.
    pub after: Duration,
    /// The answers that are as expected; empty: any 2xx.
    pub expect: Vec<u16>,
    /// What is sent.
    pub sends: Sends,
}

/// What a step sends.
#[derive(Clone, Debug)]
pub enum Sends {
    /// Items in one POST.
    Items(Vec<Item>),
    /// The POST before it, once more.
    Repeat,
}

/// One item of a call.
#[derive(Clone, Debug)]
pub struct Item {
    /// The place of its call among the script's.
    pub call: usize,
    /// What it says.
    pub says: Says,
}

/// What an item says.
#[derive(Clone, Debug)]
pub enum Says {
    /// The call has a state.
    State {
        /// The state.
        state: &'static str,
        /// Its `resultInfo`.
        result: Option<Outcome>,
        /// Its `terminationSender`.
        ended_by: Option<Party>,
    },
    /// Who takes part.
    Participants {
        /// Their names.
        names: Vec<String>,
        /// Whether they are muted.
        muted: bool,
        /// The direction of their audio.
        audio: &'static str,
    },
    /// The caller pressed a key: `tone1`.
    Tone(&'static str),
    /// A prompt ended.
    Prompt(Ending),
    /// What became of a recording.
    Recording(RecordingFacts),
}

/// A `resultInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its `code`.
    pub code: i64,
    /// Its `subcode`.
    pub subcode: i64,
    /// Its `message`.
    pub message: String,
}

/// How an operation ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The bot's `clientContext`.
    pub client_context: Option<String>,
    /// How it stands.
    pub status: Status,
    /// Its `resultInfo`.
    pub result: Option<Outcome>,
}

/// A recording, as a step describes it.
#[derive(Clone, Debug)]
pub struct RecordingFacts {
    /// The name of its operation. Steps of one call with the same name are about the same operation.
    pub operation: String,
    /// How it ended.
    pub ending: Ending,
    /// Its `completionReason`.
    pub completion_reason: Option<String>,
    /// Its `recordingLocation`.
    pub location: Option<String>,
    /// The dialects that it is told in.
    pub dialects: Vec<Dialect>,
}

/// The status of an operation in a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It succeeded.
    Completed,
    /// It failed.
    Failed,
    /// It runs: Graph sent this as a notification until 2019.
    Running2019,
}

/// One end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The one whom the bot talks with.
    Caller,
    /// The bot.
    Bot,
}
