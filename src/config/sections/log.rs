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

/// The levels. The filter of `tracing` also takes numbers.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks a filter. For `tracing` a word that is no level is a module at the level `trace`, so a typo (`inof`) would log
/// nothing; here a module needs its level.
fn is_filter(text: &str) -> Read<()> {
    let expected =
        format!("expected a level ({}), or modules with levels as \"info,reelhook=debug\"", LEVELS.join(", "));
    let is_level = |word: &str| LEVELS.contains(&&*word.to_ascii_lowercase()) || matches!(word.parse(), Ok(0..=5_u8));
    for part in text.split(',').map(str::trim).filter(|part| !part.contains(['[', '{', '}', ']'])) {
        let level = part.rsplit_once('=').map_or(part, |(_module, level)| level);
        if !level.is_empty() && !is_level(level) {
            return Err(format!("found {level:?}, {expected}"));
        }
    }
    let parsed = tracing_subscriber::EnvFilter::try_new(text).map(drop);
    parsed.map_err(|error| format!("found {text:?} ({error}), {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_no_filter() {
        for filter in [
            "info",
            "WARN",
            "off",
            "info,reelhook::dispatch=debug",
            "reelhook=trace, warn",
            "3",
            "",
            "warn,[request{path=calls}]=debug",
        ] {
            assert_eq!(is_filter(filter), Ok(()), "{filter}");
        }
        for (filter, found) in [("inof", "inof"), ("info,reelhook=loud", "loud"), ("reelhook", "reelhook"), ("9", "9")]
        {
            let told = is_filter(filter).unwrap_err();
            assert!(told.starts_with(&format!("found {found:?}, expected a level (off, error, ")), "{filter}: {told}");
        }
    }
}
