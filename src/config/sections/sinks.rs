//! `[dispatch]` and `[sinks.NAME]`. A sink's own keys are handed on as they are: the sinks read them.

use std::time::Duration;

use bytesize::ByteSize;
use serde_json::json;

use super::words;
use crate::config::section::Section;
use crate::config::table::Table;
use crate::config::tree::{Node, Value};
use crate::config::value::{count, duration, name, share, show, size};
use crate::domain::{EventChoice, SinkName};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The most delays of a schedule.
const MAX_ATTEMPTS: usize = 100;
/// The delay before each attempt, in seconds; the first is made at once. The schedule that Standard Webhooks recommends
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
const RETRY: [u64; 10] = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// `[dispatch]`
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The settings of every sink that does not set its own.
    pub defaults: SinkDispatch,
}

/// How deliveries to one sink are made: the keys that every sink has.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkDispatch {
    /// Deliveries at a time.
    pub concurrency: usize,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// New deliveries held in memory; the others wait in the store.
    pub queue: usize,
    /// The most bytes of deliveries in memory, waiting or being attempted; the others wait in the store.
    pub queue_bytes: usize,
    /// The delay before each attempt. The first is zero: the first attempt is made at once. After the last one the
    /// delivery becomes a dead letter.
    pub retry: Vec<Duration>,
    /// The share by which a delay is varied, 0 to 1.
    pub jitter: f64,
    /// The longest `Retry-After` that is obeyed.
    pub max_retry_after: Duration,
}

/// `[sinks.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// Its name.
    pub name: SinkName,
    /// Its kind, which decides who reads the table.
    pub kind: String,
    /// The events that it gets of those that are routed to it.
    pub events: EventChoice,
    /// How deliveries are made: the keys that every sink has.
    pub dispatch: SinkDispatch,
    /// The other keys, which its kind reads.
    pub table: Table,
}

/// Reads `[dispatch]`: what holds for every sink unless the sink says otherwise.
pub fn dispatch(root: &mut Section<'_>) -> Dispatch {
    let defaults = SinkDispatch {
        concurrency: 8,
        timeout: Duration::from_secs(30),
        queue: 1024,
        queue_bytes: 8 << 20,
        retry: RETRY.map(Duration::from_secs).to_vec(),
        jitter: 0.2,
        max_retry_after: HOUR,
    };
    Dispatch { defaults: sink_dispatch(&mut root.section_or_empty("dispatch"), &defaults) }
}

/// Reads the keys that every sink has. A kind that sends to a queue may name it with `queue`: a text there is left to it.
fn settings(section: &mut Section<'_>, defaults: &SinkDispatch) -> SinkDispatch {
    const KEY: &str = "queue";
    let is_name = |node: &Node| match &node.value {
        Value::Leaf(toml::Value::String(_)) => true,
        Value::Variable(text) => text.trim().parse::<i64>().is_err(),
        _ => false,
    };
    let name = if section.table.get(KEY).is_some_and(is_name) { section.table.remove(KEY) } else { None };
    let settings = sink_dispatch(section, defaults);
    section.table.extend(name.map(|name| (KEY.to_owned(), name)));
    settings
}

fn sink_dispatch(section: &mut Section<'_>, defaults: &SinkDispatch) -> SinkDispatch {
    SinkDispatch {
        concurrency: section.or("concurrency", defaults.concurrency, count(1..=1024)),
        timeout: section.or("timeout", defaults.timeout, duration(Duration::from_millis(100)..=HOUR)),
        queue: section.or("queue", defaults.queue, count(1..=1_000_000)),
        queue_bytes: section.or("queue_bytes", defaults.queue_bytes, size(ByteSize::kib(64)..=ByteSize::gib(64))),
        retry: retry(section, &defaults.retry),
        jitter: section.or("jitter", defaults.jitter, share()),
        max_retry_after: section.or("max_retry_after", defaults.max_retry_after, duration(Duration::ZERO..=7 * DAY)),
    }
}

fn retry(section: &mut Section<'_>, default: &[Duration]) -> Vec<Duration> {
    let key = section.path_of("retry");
    let delays = section.list("retry", default.to_vec(), duration(Duration::ZERO..=30 * DAY));
    if !section.has("retry") {
        return delays;
    }
    if delays.len() > MAX_ATTEMPTS || (delays.is_empty() && !section.report.has_mistake(&key)) {
        let text = format!(
            "found {} delays, expected 1 to {MAX_ATTEMPTS}: one before each attempt, as [\"0s\", \"5s\", \"5m\"]",
            delays.len()
        );
        section.report.mistake(&key, text);
    }
    let first_key = format!("{key}[0]");
    if let Some(first) = delays.first().filter(|first| !first.is_zero() && !section.report.has_mistake(&first_key)) {
        let text = format!(
            "found \"{}\", expected \"0s\": the first attempt is made at once; put \"0s\" before it",
            show(*first)
        );
        section.report.mistake(&first_key, text);
    }
    delays
}

/// Reads `[sinks.NAME]`, each.
pub fn sinks(root: &mut Section<'_>, dispatch: &Dispatch) -> Vec<Sink> {
    let Some(mut section) = root.section("sinks") else { return Vec::new() };
    section.report.rule("sinks", json!({ "propertyNames": { "pattern": "^[a-z0-9_-]{1,64}$" } }));
    let sections = section.named_sections();
    let mut sinks = Vec::with_capacity(sections.len());
    for (name, mut section) in sections {
        if !is_sink_name(&name) {
            let text = format!(
                "found {name:?}, expected a name of 1 to 64 characters a-z, 0-9, - and _ without a double __ \
                 (so that variables can name it)"
            );
            section.report.mistake(section.path(), text);
        }
        let kind = section.need("kind", "the kind of sink, as \"file\" or \"http\"", self::name(64));
        let events = words::checked(&mut section, "events", words::unlike_a_type);
        section = section.inheriting("dispatch");
        let settings = settings(&mut section, &dispatch.defaults);
        let table = section.rest();
        if let Some(kind) = kind {
            let (name, events) = (SinkName::new(&name), EventChoice::new(&events));
            sinks.push(Sink { name, kind, events, dispatch: settings, table });
        }
    }
    sinks
}

fn is_sink_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    plain && (1..=64).contains(&name.len()) && !name.contains("__")
}
