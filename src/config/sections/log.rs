//! `[log]`.

use crate::config::reading::Read;
use crate::config::section::Section;
use crate::config::value::{choice, text};

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// A `tracing` filter: "info", "reelhook=debug".
    pub filter: String,
    /// The format of a line.
    pub format: LogFormat,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for a terminal.
    Text,
}

const FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];

/// Reads `[log]`.
pub fn log(root: &mut Section<'_>) -> Log {
    let mut section = root.section_or_empty("log");
    Log {
        filter: section.or("filter", "info".to_owned(), text().check(|text| is_filter(text))),
        format: section.or("format", LogFormat::Json, choice(FORMATS)),
    }
}

fn is_filter(text: &str) -> Read<()> {
    let expected = "expected a filter as \"info,reelhook=debug\"";
    let parsed = tracing_subscriber::EnvFilter::try_new(text).map(drop);
    parsed.map_err(|error| format!("found {text:?} ({error}), {expected}"))
}
