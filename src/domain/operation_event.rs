//! The events of record operations: a closed set. Each has one entry below; its type, its words, its colour, the metrics' label
//! and the documentation's tables follow from it.

use super::Status;

/// How good the news is, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// It needs a look.
    Warn,
    /// It went wrong.
    Bad,
    /// It goes on.
    Running,
    /// Neither good nor bad.
    Quiet,
}

impl Tone {
    /// The name of the console's class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Running => "running",
            Self::Quiet => "quiet",
        }
    }
}

macro_rules! operation_events {
    ($($event:ident, $word:literal, $source:ident, $tone:ident, $meaning:literal;)*) => {
        /// What happened to a record operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum OperationEvent {
            $(#[doc = $meaning] $event,)*
        }

        impl OperationEvent {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$event,)*];

            /// The CloudEvents `type`.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$event => concat!("recordOperation.", $word),)* }
            }

            /// The type without what all types of operations begin with: the text of metrics and logs.
            pub fn word(self) -> &'static str {
                match self { $(Self::$event => $word,)* }
            }

            /// Whether reelhook itself reports it, and not Graph.
            pub fn is_own(self) -> bool {
                match self { $(Self::$event => Source::$source == Source::Reelhook,)* }
            }

            /// How good the news is.
            pub fn tone(self) -> Tone {
                match self { $(Self::$event => Tone::$tone,)* }
            }

            /// What it means, in words.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$event => $meaning,)* }
            }
        }
    };
}

#[derive(PartialEq)]
enum Source {
    Graph,
    Reelhook,
}

operation_events! {
    NotStarted, "notStarted", Graph, Quiet, "the recording has not started";
    Running, "running", Graph, Running, "the recording runs";
    Completed, "completed", Graph, Good, "the recording completed";
    Failed, "failed", Graph, Bad, "the recording failed";
    Unknown, "unknown", Graph, Quiet, "a status that Microsoft does not document today. The data has it";
    Overdue, "overdue", Reelhook, Warn, "the deadline has passed";
    Lost, "lost", Reelhook, Bad, "the call ended, and no end of the operation arrived";
    Recovered, "recovered", Reelhook, Good, "the overdue or lost operation completed, or failed although Graph sent a recordingLocation";
}

impl OperationEvent {
    /// Reads [`OperationEvent::word`] back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.word() == word)
    }
}

impl From<&Status> for OperationEvent {
    fn from(status: &Status) -> Self {
        match status {
            Status::NotStarted => Self::NotStarted,
            Status::Running => Self::Running,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
            Status::Unknown(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::RecordOperation;
    use super::*;

    #[test]
    fn a_word_is_read_back_and_is_the_status_that_it_tells_of() {
        for event in OperationEvent::ALL {
            assert_eq!(OperationEvent::parse(event.word()), Some(*event));
            assert_eq!(event.kind(), format!("{}.{}", RecordOperation::TYPE, event.word()));
        }
        for status in [Status::NotStarted, Status::Running, Status::Completed, Status::Failed] {
            let event = OperationEvent::from(&status);
            assert_eq!((event.word(), event.is_own()), (status.as_str(), false));
        }
    }
}
