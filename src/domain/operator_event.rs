//! The events about reelhook itself, for those who run it: a closed set. Each has one entry below; its type, its colour and
//! the documentation's table follow from it.

use super::Tone;

macro_rules! operator_events {
    ($($event:ident, $what:literal, $tone:ident, $meaning:literal;)*) => {
        /// What happened to reelhook itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum OperatorEvent {
            $(#[doc = $meaning] $event,)*
        }

        impl OperatorEvent {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$event,)*];

            /// The CloudEvents `type`.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$event => concat!("reelhook.", $what),)* }
            }

            /// The type without its first part.
            pub fn word(self) -> &'static str {
                match self { $(Self::$event => $what,)* }
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

operator_events! {
    SinkPaused, "sink.paused", Warn, "a sink was paused, by an operator or because most attempts fail";
    SinkResumed, "sink.resumed", Good, "the pause of a sink ended";
    DeadLetter, "deadLetter", Bad, "deliveries to a sink were given up";
    Quarantined, "quarantined", Warn, "notifications were quarantined";
    AnswersSlow, "answers.slow", Warn, "too many answers to Graph take over 3 s";
    DiskLow, "disk.low", Bad, "the store's disk fills up";
}

impl OperatorEvent {
    /// The first part of every type, and what all of them are about.
    pub const TYPE: &'static str = "reelhook";

    /// Reads [`OperatorEvent::word`] back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_back() {
        for event in OperatorEvent::ALL {
            assert_eq!(OperatorEvent::parse(event.word()), Some(*event));
            assert_eq!(event.kind(), format!("{}.{}", OperatorEvent::TYPE, event.word()));
        }
    }
}
