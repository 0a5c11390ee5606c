//! What is wrong with a config, all of it at once: a mistake names where it is, its key path, what was found and what
//! was expected.

use std::fmt;

use super::Sink;
use super::places::Places;
use super::remark::Remark;

/// Every mistake of a config, in the order of the file. Displayed one a line.
#[derive(Debug)]
pub struct Mistakes {
    /// What is wrong.
    pub list: Vec<Remark>,
    /// The sinks that could be read all the same, so that their own tables can be checked in the same go.
    pub sinks: Vec<Sink>,
    /// Where each key stands.
    pub places: Places,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.list.iter().map(Remark::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}
