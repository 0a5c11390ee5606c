//! The program of a sink and its arguments.
//!
//! **Invariants**
//! 1. The program is the same for every event.
//! 2. A value never becomes an option of the program, nor text that a shell runs.

use serde_json::json;

use crate::config::value::text;
use crate::config::{Reading, Section};
use crate::domain::Delivery;
use crate::sinks::template::{Limit, as_it_is};
use crate::sinks::{DeliveryError, Template, reason};

/// The key.
const KEY: &str = "command";
/// The longest argument that Linux takes: 128 KiB with the NUL at its end.
const LIMIT: Limit = Limit { place: "argument", n_bytes: 128 * 1024 - 1 };
/// After this argument most programs take no options.
const END_OF_OPTIONS: &str = "--";
/// Programs that run the text after `-c`.
const SHELLS: [&str; 8] = ["ash", "bash", "busybox", "dash", "fish", "ksh", "sh", "zsh"];

/// A program and its arguments.
pub(super) struct CommandLine {
    program: String,
    arguments: Vec<Template>,
}

impl CommandLine {
    /// Reads the key `command`. `None` where a mistake was noted.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let missing = "found nothing, expected a program and its arguments, as [\"/usr/local/bin/store\", \"--quiet\"]";
        let mut words = section.need_list(KEY, missing, word()).into_iter();
        let first = words.next()?;
        let arguments: Vec<Template> = words.collect();
        let program = first.fixed().filter(|program| !program.is_empty()).map(str::to_owned);
        if program.is_none() {
            let text =
                format!("found {:?} as the program, expected a name or a path without placeholders", first.as_str());
            section.mistake(KEY, text);
        }
        if let Some(script) = program.as_deref().and_then(|program| script_with_values(program, &arguments)) {
            let text = format!(
                "found placeholders in {:?}, which a shell runs: a value could hold commands. Expected a text without, and \
                 the values as arguments after it, which the shell has as $1, $2: [\"sh\", \"-c\", \"..\", \"sh\", \"{{call_id}}\"]",
                script.as_str()
            );
            section.mistake(KEY, text);
        }
        Some(Self { program: program?, arguments })
    }

    /// The program.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// The arguments for an event.
    ///
    /// # Errors
    /// [`DeliveryError::Reject`]: with a value of this event one of them cannot be an argument, or would be an option.
    pub(super) fn arguments(&self, delivery: &Delivery) -> Result<Vec<String>, DeliveryError> {
        let mut filled = Vec::with_capacity(self.arguments.len());
        let mut has_options = true;
        for (n, template) in (1..).zip(&self.arguments) {
            let argument = template.fill_within(delivery, LIMIT, as_it_is)?;
            if argument.contains('\0') {
                return Err(reason::reject(&format!("argument {n} would contain a NUL, which no argument can")));
            }
            let is_option = argument.len() > 1 && argument.starts_with('-') && !template.as_str().starts_with('-');
            if has_options && is_option {
                return Err(reason::reject(&format!(
                    "argument {n} would begin with - by a value of the event: the program would take it for an option"
                )));
            }
            has_options &= argument != END_OF_OPTIONS;
            filled.push(argument);
        }
        Ok(filled)
    }
}

/// A word of a command: any text, also an empty one.
fn word() -> Reading<Template> {
    let read = |text: String| {
        if text.contains('\0') {
            return Err("found a NUL, expected text without".to_owned());
        }
        Template::parse(&text)
    };
    text().then(read, |template| json!(template.as_str()))
}

/// The text that a shell would run, if it has placeholders.
fn script_with_values<'a>(program: &str, arguments: &'a [Template]) -> Option<&'a Template> {
    let is_shell = |word: &str| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word));
    let of_arguments = arguments.iter().position(|it| it.fixed().is_some_and(is_shell)).map(|at| at + 1);
    let rest = arguments.get(if is_shell(program) { 0 } else { of_arguments? }..)?;
    let runs_text = |word: &str| word.starts_with('-') && !word.starts_with(END_OF_OPTIONS) && word.contains('c');
    let flag = rest.iter().position(|it| it.fixed().is_some_and(runs_text))?;
    rest.get(flag + 1).filter(|script| script.fixed().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_a_shell_runs_is_found_behind_other_programs_too() {
        let has_values = |words: &[&str]| {
            let words: Vec<Template> = words.iter().map(|word| Template::parse(word).unwrap()).collect();
            script_with_values(words[0].as_str(), &words[1..]).is_some()
        };
        assert!(has_values(&["sh", "-c", "echo {call_id}"]));
        assert!(has_values(&["/bin/bash", "-e", "-lc", "echo {call_id}"]));
        assert!(has_values(&["env", "-i", "/bin/sh", "-c", "echo {call_id}"]));
        assert!(!has_values(&["sh", "-c", "echo $1", "sh", "{call_id}"]));
        assert!(!has_values(&["sh", "store.sh", "{call_id}"]));
        assert!(!has_values(&["grep", "-c", "{call_id}"]));
    }
}
