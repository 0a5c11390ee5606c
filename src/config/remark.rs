//! A remark on a place in a config: a mistake, or a warning.

use std::fmt;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable that overrides the file.
    Variable(String),
}

/// Something to say about one place in a config: a mistake, or a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The config's file, as it is shown.
    pub file: Arc<str>,
    /// Where it is.
    pub place: Place,
    /// The key path: `subscriptions.client_states[0].env`; empty where it is about the whole file.
    pub key: String,
    /// What was found, what was expected. Holds no secret.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File => write!(f, "{}", self.file)?,
            Place::Line(line) => write!(f, "{}:{line}", self.file)?,
            Place::Variable(name) => write!(f, "{name}")?,
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)
    }
}
