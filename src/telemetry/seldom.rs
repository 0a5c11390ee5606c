//! One line a second of each kind in the log, whatever arrives: what happens again and again must not fill the disk.
//!
//! A kind is a place in the code, with the words of ours that tell its lines apart (which sink, which reason). The next
//! line of a kind says in `n_suppressed` how many were left out before it; where none follows, [`tell`] says so.
//!
//! **Invariants**
//! 1. Every warning and error goes through here, since the log itself does: no place in the code has to think of it.
//! 2. What somebody with a name did (a field `caller`) is always written. So is what an operator asked to see:
//!    `debug` and `trace`.
//! 3. The memory is bounded, whatever the lines say.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Debug, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// The time in which one line of a kind is written.
const PERIOD: Duration = Duration::from_secs(1);
/// The most kinds that are distinguished by their words; beyond it only by their place.
const MAX_KINDS: usize = 1_000;
/// The longest word that tells kinds apart.
const MAX_WORD_BYTES: usize = 128;

/// When each kind was last written, and how many lines were suppressed since.
static KINDS: LazyLock<Mutex<Kinds>> = LazyLock::new(Mutex::default);

#[derive(Debug, Default)]
struct Kinds(HashMap<(Identifier, String), Last>);

#[derive(Debug)]
struct Last {
    written_at: Instant,
    n_suppressed: u64,
    message: String,
}

/// Writes events as `format` does, those of one kind once a second.
#[derive(Debug)]
pub(super) struct Seldom<F> {
    format: F,
    is_json: bool,
}

impl<F> Seldom<F> {
    /// Around a format that writes text.
    pub(super) fn text(format: F) -> Self {
        Self { format, is_json: false }
    }

    /// Around a format that writes one JSON object a line.
    pub(super) fn json(format: F) -> Self {
        Self { format, is_json: true }
    }
}

impl<S, N, F> FormatEvent<S, N> for Seldom<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match may_write(event) {
            Some(0) => self.format.format_event(context, writer, event),
            Some(n_suppressed) => {
                let mut line = String::new();
                self.format.format_event(context, Writer::new(&mut line), event)?;
                writer.write_str(&with_count(&line, n_suppressed, self.is_json))
            }
            None => Ok(()),
        }
    }
}

/// Logs how many lines were suppressed, for each kind that did not occur again within a second.
pub fn tell() {
    tell_at(Instant::now());
}

/// Tells all that was left out: nothing comes after this.
pub fn tell_at_the_end() {
    tell_at(Instant::now() + PERIOD);
}

fn tell_at(now: Instant) {
    // The lock is free again before anything is logged.
    let left_out = KINDS.lock().take_left_out(now);
    for (of, n_suppressed) in left_out {
        tracing::warn!(of, n_suppressed, "more lines of this kind were suppressed");
    }
}

/// `Some(number of suppressed lines)` if the line is written.
fn may_write(event: &Event<'_>) -> Option<u64> {
    if *event.metadata().level() > Level::INFO {
        return Some(0);
    }
    let mut words = Words::default();
    event.record(&mut words);
    if words.is_of_somebody {
        return Some(0);
    }
    KINDS.lock().turn(event.metadata().callsite(), words, Instant::now())
}

impl Kinds {
    fn turn(&mut self, place: Identifier, words: Words, now: Instant) -> Option<u64> {
        let mut key = (place, words.kind);
        if !self.0.contains_key(&key) {
            if self.0.len() >= MAX_KINDS {
                self.0.retain(|_, last| last.n_suppressed > 0 || now.duration_since(last.written_at) < PERIOD);
            }
            if self.0.len() >= MAX_KINDS {
                key.1.clear();
            }
        }
        let Some(last) = self.0.get_mut(&key) else {
            self.0.insert(key, Last { written_at: now, n_suppressed: 0, message: words.message });
            return Some(0);
        };
        if now.duration_since(last.written_at) < PERIOD {
            last.n_suppressed += 1;
            return None;
        }
        last.written_at = now;
        Some(std::mem::take(&mut last.n_suppressed))
    }

    /// By the lines' text: kinds that share it are told together.
    fn take_left_out(&mut self, now: Instant) -> BTreeMap<String, u64> {
        let mut left_out = BTreeMap::new();
        let over = self.0.values_mut().filter(|last| now.duration_since(last.written_at) >= PERIOD);
        for last in over.filter(|last| last.n_suppressed > 0) {
            *left_out.entry(last.message.clone()).or_default() += std::mem::take(&mut last.n_suppressed);
        }
        left_out
    }
}

/// The part of an event that distinguishes its kind from others at the same place.
#[derive(Default)]
struct Words {
    kind: String,
    message: String,
    is_of_somebody: bool,
}

impl Words {
    fn add(&mut self, name: &str, word: &dyn Debug) {
        // Cut on the way: a text from outside costs no more than this.
        let mut cut = Cut(&mut self.kind);
        let _ = write!(cut, "{name}={word:?} ");
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        // As text they are words of ours: what comes from outside is recorded by its `Debug` or `Display`.
        match field.name() {
            "reason" | "channel" | "task" | "of" => self.add(field.name(), &value),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "sink" => self.add("sink", value),
            "caller" => self.is_of_somebody = true,
            "message" => {
                let _ = write!(Cut(&mut self.message), "{value:?}");
            }
            _ => {}
        }
    }
}

/// Writes no more than [`MAX_WORD_BYTES`].
struct Cut<'a>(&'a mut String);

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_WORD_BYTES.saturating_sub(self.0.len());
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

fn with_count(line: &str, n_suppressed: u64, is_json: bool) -> String {
    let line = line.trim_end_matches('\n');
    match line.strip_suffix('}').filter(|_| is_json) {
        Some(object) => format!("{object},\"n_suppressed\":{n_suppressed}}}\n"),
        None => format!("{line} n_suppressed={n_suppressed}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `work` has written.
    fn logged(work: impl FnOnce()) -> Vec<serde_json::Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().json().flatten_event(true).map_event_format(Seldom::json);
        let subscriber = subscriber.with_max_level(Level::TRACE).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = written.0.lock().clone();
        str::from_utf8(&bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_flood_of_one_kind_is_one_line_and_other_kinds_are_written_beside_it() {
        let lines = logged(|| {
            for n in 0..3_000 {
                tracing::warn!(n, error = %"of the flood", "it failed");
                tracing::error!(sink = %"crm", error = n, "dead letter");
                tracing::error!(sink = %"archive", error = n, "dead letter");
                let reason = if n % 2 == 0 { "jwt_exp" } else { "jwt_aud" };
                tracing::warn!(reason, request_id = %n, "refused");
            }
        });
        let told: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        // More than a second may pass on a busy machine.
        assert!((5..60).contains(&lines.len()), "{}", lines.len());
        for (message, n) in [("it failed", 1), ("dead letter", 2), ("refused", 2)] {
            assert!(told.iter().filter(|it| **it == message).count() >= n, "{told:?}");
        }
    }

    #[test]
    fn what_somebody_did_and_what_was_asked_for_is_always_written() {
        let lines = logged(|| {
            for n in 0..100 {
                tracing::info!(caller = "ops", n, "announced");
                tracing::debug!(n, "delivered");
            }
        });
        assert_eq!(lines.len(), 200);
    }

    fn words(kind: &str) -> Words {
        Words { kind: kind.into(), message: "refused".into(), is_of_somebody: false }
    }

    /// A place in the code.
    fn place() -> Identifier {
        let callsite = tracing::callsite!(name: "here", kind: tracing::metadata::Kind::EVENT, fields: message);
        tracing::Callsite::metadata(callsite).callsite()
    }

    #[test]
    fn the_next_line_tells_how_many_were_left_out_and_so_does_the_end_of_a_flood() {
        let (mut kinds, place, start) = (Kinds::default(), place(), Instant::now());
        let mut turn =
            |seconds: f64, kind: &str| kinds.turn(place.clone(), words(kind), start + Duration::from_secs_f64(seconds));
        assert_eq!((turn(0.0, "a"), turn(0.0, "b")), (Some(0), Some(0)));
        assert_eq!((turn(0.5, "a"), turn(0.9, "a"), turn(1.1, "a")), (None, None, Some(2)));
        assert_eq!(turn(1.2, "a"), None);
        assert_eq!(turn(1.0, "b"), Some(0));
        assert_eq!(turn(1.3, "b"), None);
        let early = kinds.take_left_out(start + Duration::from_secs_f64(1.4));
        assert_eq!(early, BTreeMap::new(), "their second is not over");
        let later = start + Duration::from_secs(3);
        assert_eq!(kinds.take_left_out(later), BTreeMap::from([("refused".to_owned(), 2)]));
        assert_eq!(kinds.take_left_out(later), BTreeMap::new());
    }

    #[test]
    fn more_kinds_than_are_told_apart_take_no_more_memory_and_no_more_lines() {
        let (mut kinds, place, now) = (Kinds::default(), place(), Instant::now());
        let n_lines =
            (0..10 * MAX_KINDS).filter(|n| kinds.turn(place.clone(), words(&n.to_string()), now).is_some()).count();
        assert!(n_lines <= MAX_KINDS + 1 && kinds.0.len() <= MAX_KINDS + 1, "{n_lines}");
    }

    #[test]
    fn a_word_from_outside_is_cut() {
        let mut words = Words::default();
        words.add("sink", &"é".repeat(1_000));
        assert!(words.kind.len() <= MAX_WORD_BYTES && words.kind.starts_with("sink=\"é"), "{}", words.kind);
    }

    #[test]
    fn the_count_is_a_member_of_the_object_or_the_end_of_the_line() {
        assert_eq!(with_count("{\"a\":1}\n", 7, true), "{\"a\":1,\"n_suppressed\":7}\n");
        assert_eq!(with_count("WARN a {b}\n", 7, false), "WARN a {b} n_suppressed=7\n");
    }
}
