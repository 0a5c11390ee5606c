//! Reads a script: a small TOML file. Every mistake is told with its line, its key and what was expected.

use std::time::Duration;

use super::facts::{
    CallFacts, Ending, Item, Meeting, Outcome, Party, Paths, RecordingFacts, Says, Sends, Status, Step,
};
use crate::config::value::{choice, count, duration, name, switch, text};
use crate::config::{self, Mistakes, Section};
use crate::simulator::payload::Dialect;

/// The most characters of a name in a script.
const NAME: usize = 64;
/// The most characters of a text in a script: as many as Graph allows for a client context.
const TEXT: usize = 256;
/// The longest time between two steps.
const LONGEST: Duration = Duration::from_secs(600);

/// The kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    State(&'static str),
    Participants,
    Tone,
    Prompt,
    Recording,
}

const KINDS: [(&str, Kind); 13] = [
    ("incoming", Kind::State("incoming")),
    ("establishing", Kind::State("establishing")),
    ("established", Kind::State("established")),
    ("participants", Kind::Participants),
    ("prompt", Kind::Prompt),
    ("tone", Kind::Tone),
    ("recording", Kind::Recording),
    ("hold", Kind::State("hold")),
    ("transferring", Kind::State("transferring")),
    ("transferAccepted", Kind::State("transferAccepted")),
    ("redirecting", Kind::State("redirecting")),
    ("terminating", Kind::State("terminating")),
    ("terminated", Kind::State("terminated")),
];

/// The keys that only some steps have, and which.
const KEYS: [(&str, &[&str]); 14] = [
    ("client_context", &["recording", "prompt"]),
    ("operation", &["recording"]),
    ("status", &["recording", "prompt"]),
    ("completion_reason", &["recording"]),
    ("location", &["recording"]),
    ("dialects", &["recording"]),
    ("code", &["recording", "prompt", "established", "terminated"]),
    ("subcode", &["recording", "prompt", "established", "terminated"]),
    ("message", &["recording", "prompt", "established", "terminated"]),
    ("termination_sender", &["terminated"]),
    ("names", &["participants"]),
    ("muted", &["participants"]),
    ("audio", &["participants"]),
    ("tone", &["tone"]),
];

const TONES: [(&str, &str); 16] = [
    ("0", "tone0"),
    ("1", "tone1"),
    ("2", "tone2"),
    ("3", "tone3"),
    ("4", "tone4"),
    ("5", "tone5"),
    ("6", "tone6"),
    ("7", "tone7"),
    ("8", "tone8"),
    ("9", "tone9"),
    ("*", "star"),
    ("#", "pound"),
    ("A", "a"),
    ("B", "b"),
    ("C", "c"),
    ("D", "d"),
];

const STATUSES: [(&str, Status); 3] =
    [("completed", Status::Completed), ("failed", Status::Failed), ("running-2019", Status::Running2019)];

const DIRECTIONS: [(&str, &str); 4] = [
    ("sendReceive", "sendReceive"),
    ("sendOnly", "sendOnly"),
    ("receiveOnly", "receiveOnly"),
    ("inactive", "inactive"),
];

/// What a script says.
pub(super) struct Read {
    pub summary: String,
    pub calls: Vec<CallFacts>,
    pub steps: Vec<Step>,
}

/// Reads the text of a script, which is shown as `file`.
pub(super) fn read(file: &str, text: &str) -> Result<Read, Mistakes> {
    config::document(file, text, |root| {
        let summary = root.or("summary", String::new(), name(120));
        let mut calls: Vec<CallFacts> = match root.section("calls") {
            Some(mut section) => section.named_sections().into_iter().map(|(name, it)| call(name, it)).collect(),
            None => Vec::new(),
        };
        if calls.is_empty() {
            calls.push(CallFacts::default());
        }
        let mut steps = Vec::new();
        for mut section in root.sections("steps") {
            step(&mut section, &calls, &mut steps);
        }
        if !root.has("steps") {
            root.mistake("steps", "found nothing, expected one or more [[steps]], each with what it sends");
        }
        Read { summary, calls, steps }
    })
}

impl Default for CallFacts {
    fn default() -> Self {
        Self {
            name: "call".into(),
            is_outgoing: false,
            caller: None,
            phone: None,
            modalities: vec!["audio".into()],
            meeting: None,
            has_dashes: true,
            paths: Paths::Both,
        }
    }
}

fn call(name: String, mut section: Section<'_>) -> CallFacts {
    let section = &mut section;
    let phone = config::value::name(TEXT).check(|phone: &String| match phone.strip_prefix('+') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ => Err(format!("found {phone:?}, expected a phone number as \"+4512345678\"")),
    });
    CallFacts {
        name,
        is_outgoing: section.or("direction", false, choice(&[("incoming", false), ("outgoing", true)])),
        caller: section.read("caller", config::value::name(TEXT)),
        phone: section.read("phone", phone),
        modalities: section.list("modalities", vec!["audio".into()], config::value::name(NAME)),
        meeting: section.read("meeting", choice(&[("organizer", Meeting::Organizer), ("token", Meeting::Token)])),
        has_dashes: section.or("ids", true, choice(&[("dashed", true), ("undashed", false)])),
        paths: section.or(
            "paths",
            Paths::Both,
            choice(&[("both", Paths::Both), ("resourceUrl", Paths::ResourceUrl), ("resource", Paths::Resource)]),
        ),
    }
}

/// Reads a step, and adds it to those before it: as one of its own, or to the POST of the last one.
fn step(section: &mut Section<'_>, calls: &[CallFacts], steps: &mut Vec<Step>) {
    let after = section.or("after", Duration::ZERO, duration(Duration::ZERO..=LONGEST));
    let expect = section.list("expect", Vec::new(), count(100..=599));
    let is_repeat = section.or("repeat", false, switch());
    let is_together = section.or("together", false, switch());
    let send = section.read("send", choice(&KINDS));
    let call = of_call(section, calls);
    let says = says(section, send);
    if is_repeat {
        for key in ["send", "call", "together"].into_iter().chain(KEYS.map(|(key, _)| key)) {
            if section.has(key) {
                section.mistake(key, "found it in a step that repeats, expected only after and expect beside repeat");
            }
        }
        if steps.is_empty() {
            section.mistake("repeat", "found a repeat in the first step, expected a step before it");
        }
        steps.push(Step { after, expect, sends: Sends::Repeat });
        return;
    }
    let Some(says) = says else {
        if !section.has("send") {
            section.mistake("send", format!("found nothing, expected one of {}, or repeat = true", kinds()));
        }
        return;
    };
    let item = Item { call, says };
    if !is_together {
        steps.push(Step { after, expect, sends: Sends::Items(vec![item]) });
        return;
    }
    for key in ["after", "expect"] {
        if section.has(key) {
            section.mistake(key, "found it in a step that is sent together, expected it in the first step of the POST");
        }
    }
    match steps.last_mut() {
        Some(Step { sends: Sends::Items(items), .. }) => items.push(item),
        _ => section.mistake("together", "found true, expected a step before it that sends items"),
    }
}

fn kinds() -> String {
    KINDS.map(|(name, _)| format!("{name:?}")).join(", ")
}

/// The place of the step's call.
fn of_call(section: &mut Section<'_>, calls: &[CallFacts]) -> usize {
    let known: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    match section.read("call", name(NAME)) {
        Some(name) => known.iter().position(|call| **call == *name).unwrap_or_else(|| {
            section.mistake("call", format!("found {name:?}, expected one of the calls: {}", known.join(", ")));
            0
        }),
        None => {
            if known.len() > 1 && !section.has("repeat") && !section.has("call") {
                section.mistake("call", format!("found nothing, expected one of the calls: {}", known.join(", ")));
            }
            0
        }
    }
}

/// What an item says. All keys are read, whatever is sent: so one at the wrong place is told as such.
fn says(section: &mut Section<'_>, send: Option<Kind>) -> Option<Says> {
    let result = outcome(section);
    let status = section.or("status", Status::Completed, choice(&STATUSES));
    let client_context = section.read("client_context", text());
    let operation = section.read("operation", name(NAME));
    let completion_reason = section.read("completion_reason", text());
    let location = section.read("location", text());
    let dialects = dialects(section);
    let ended_by = section.read("termination_sender", choice(&[("caller", Party::Caller), ("bot", Party::Bot)]));
    let names = section.list("names", Vec::new(), name(TEXT));
    let muted = section.or("muted", false, switch());
    let audio = section.or("audio", "sendReceive", choice(&DIRECTIONS));
    let tone = section.read("tone", choice(&TONES));
    let send = send?;
    check_keys(section, send);
    let ending = |client_context| Ending { client_context, status, result: result.clone() };
    Some(match send {
        Kind::State(state) => Says::State { state, result, ended_by },
        Kind::Participants => Says::Participants { names, muted, audio },
        Kind::Prompt => Says::Prompt(ending(client_context)),
        Kind::Tone => {
            if !section.has("tone") {
                section.mistake("tone", "found nothing, expected the key that was pressed, as \"1\" or \"#\"");
            }
            Says::Tone(tone.unwrap_or("tone1"))
        }
        Kind::Recording => Says::Recording(RecordingFacts {
            operation: operation.or_else(|| client_context.clone()).unwrap_or_default(),
            ending: ending(client_context),
            completion_reason,
            location,
            dialects,
        }),
    })
}

/// A key at a step that has no use for it is a mistake.
fn check_keys(section: &Section<'_>, send: Kind) {
    let sent = KINDS.iter().find(|(_, kind)| *kind == send).map_or("", |(name, _)| *name);
    for (key, with) in KEYS.iter().filter(|(key, with)| section.has(key) && !with.contains(&sent)) {
        let with: Vec<String> = with.iter().map(|name| format!("{name:?}")).collect();
        let with = with.join(" or ");
        section
            .mistake(key, format!("found it in a step that sends {sent:?}, expected it only in one that sends {with}"));
    }
}

/// The `resultInfo`: all of it, or nothing.
fn outcome(section: &mut Section<'_>) -> Option<Outcome> {
    let code = section.read("code", count::<i64>(0..=999));
    let subcode = section.read("subcode", count::<i64>(0..=999_999));
    let message = section.read("message", text());
    let has_any = ["code", "subcode", "message"].iter().any(|key| section.has(key));
    if has_any && !section.has("code") {
        section.mistake("code", "found nothing, expected it beside subcode and message");
    }
    Some(Outcome { code: code?, subcode: subcode.unwrap_or(0), message: message.unwrap_or_default() })
}

fn dialects(section: &mut Section<'_>) -> Vec<Dialect> {
    let names = section.list("dialects", Vec::new(), name(NAME));
    let find = |name: &String| Dialect::CALLS.iter().find(|dialect| dialect.as_str() == name).copied();
    if let Some(unknown) = names.iter().find(|name| find(name).is_none()) {
        let known: Vec<&str> = Dialect::CALLS.iter().map(|dialect| dialect.as_str()).collect();
        section.mistake("dialects", format!("found {unknown:?}, expected some of: {}", known.join(", ")));
    }
    names.iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mistakes = read("s.toml", text).err().unwrap();
        mistakes.list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_script_without_calls_has_one() {
        let script = read("s", "[[steps]]\nsend = 'incoming'\n[[steps]]\nsend = 'terminated'\ncode = 200\n").unwrap();
        assert_eq!((script.calls.len(), script.steps.len()), (1, 2));
        let Sends::Items(items) = &script.steps[1].sends else { panic!() };
        assert!(matches!(&items[0].says, Says::State { state: "terminated", result: Some(it), .. } if it.code == 200));
    }

    #[test]
    fn steps_that_are_sent_together_are_one_post() {
        let text = "[[steps]]\nsend = 'recording'\nexpect = [202]\n[[steps]]\nsend = 'terminated'\ntogether = true\n\
                    [[steps]]\nrepeat = true\nafter = '1s'\n";
        let steps = read("s", text).unwrap().steps;
        assert_eq!(steps.len(), 2);
        assert!(matches!(&steps[0].sends, Sends::Items(items) if items.len() == 2));
        assert!(matches!(steps[1].sends, Sends::Repeat) && steps[1].after == Duration::from_secs(1));
    }

    #[test]
    fn every_mistake_is_told_with_its_line_its_key_and_what_was_expected() {
        let text = "sumary = 'x'\n[calls.a]\nphone = '12'\n[calls.b]\nids = 'upper'\n[[steps]]\nsend = 'recording'\n\
                    status = 'running'\ncall = 'c'\n[[steps]]\nsend = 'hold'\ncall = 'a'\nlocation = 'x'\nafter = 3\n\
                    [[steps]]\nsend = 'ring'\ncall = 'a'\n[[steps]]\ncall = 'a'\n[[steps]]\nsend = 'tone'\n";
        let told = told(text);
        let expected = [
            "s.toml:1: sumary: found an unknown key, expected one of: summary, calls, steps",
            "s.toml:3: calls.a.phone: found \"12\", expected a phone number as \"+4512345678\"",
            "s.toml:5: calls.b.ids: found \"upper\", expected one of \"dashed\", \"undashed\"",
            "s.toml:8: steps[0].status: found \"running\", expected one of \"completed\", \"failed\", \"running-2019\"",
            "s.toml:9: steps[0].call: found \"c\", expected one of the calls: a, b",
            "s.toml:13: steps[1].location: found it in a step that sends \"hold\", expected it only in one that sends \
             \"recording\"",
            "s.toml:14: steps[1].after: found 3, expected a duration with its unit, as \"30s\", \"5m\" or \"PT3M\", \
             from 0s to 10m",
        ];
        assert_eq!(told[..7], expected);
        assert!(
            told[7].starts_with("s.toml:16: steps[2].send: found \"ring\", expected one of \"incoming\", "),
            "{told:?}"
        );
        assert!(told[8].starts_with("s.toml:18: steps[3].send: found nothing, expected one of "), "{told:?}");
        assert_eq!(told[9], "s.toml:20: steps[4].call: found nothing, expected one of the calls: a, b");
        assert!(told[10].starts_with("s.toml:20: steps[4].tone: found nothing, expected the key"), "{told:?}");
        assert_eq!(told.len(), 11, "{told:?}");
    }

    #[test]
    fn a_repeat_repeats_something_and_has_nothing_of_its_own() {
        let told = told("[[steps]]\nrepeat = true\nsend = 'hold'\n");
        assert!(told[0].contains("steps[0].repeat: found a repeat in the first step"), "{told:?}");
        assert!(told[1].contains("steps[0].send: found it in a step that repeats"), "{told:?}");
    }
}
