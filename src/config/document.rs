//! Reads another TOML file with the config's reader, so that its mistakes are told as those of a config.

use super::load::Mistakes;
use super::places::Places;
use super::report::{Found, Report};
use super::section::Section;
use super::tree;
use super::variables::Secrets;

/// Reads `text`, which is shown as `file`. `read` gets its root; a key that it does not read is a mistake.
///
/// # Errors
/// All mistakes, with their lines. Of errors of syntax, the first one.
pub fn document<T>(file: &str, text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Result<T, Mistakes> {
    let report = Report::new(Places::new(file), Secrets::default());
    let value = match tree::parse(text) {
        Ok(root) => Some(read(&mut Section::root(&report, root))),
        Err(errors) => {
            // Further errors of syntax may only follow from the first one, such as an array that is not closed.
            if let Some((place, text)) = errors.into_iter().next() {
                report.mistake_at(place, "", format!("is not TOML: {text}"));
            }
            None
        }
    };
    let Found { mistakes: list, .. } = report.into_found();
    match value {
        Some(value) if list.is_empty() => Ok(value),
        _ => Err(Mistakes { list, readable: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::switch;

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let read = |text: &str| document("a.toml", text, |root| root.or("on", false, switch()));
        assert!(read("on = true").unwrap());
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            told("on = 1\noff = 2\n"),
            "a.toml:1: on: found 1, expected true or false\na.toml:2: off: found an unknown key, expected one of: on"
        );
        assert!(told("\non = \n").starts_with("a.toml:2: is not TOML: "));
        let unclosed = told("on = [1\n[a]\nb = \"x\"\nc = 2\n");
        assert!(unclosed.starts_with("a.toml:") && unclosed.lines().count() == 1, "{unclosed}");
    }
}
