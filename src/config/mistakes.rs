//! The mistakes of a config, all of them at once. Each names its place, its key path, what was found and what was
//! expected.

use std::fmt;

use super::Sink;
use super::places::Places;
use super::remark::Remark;

/// Every mistake of a config, in the order of the file. Displayed one per line.
#[derive(Debug)]
pub struct Mistakes {
    /// The mistakes.
    pub list: Vec<Remark>,
    /// The readable sinks, so that their own tables can be checked at the same time.
    pub sinks: Vec<Sink>,
    /// Where each key is.
    pub places: Places,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.list.iter().map(Remark::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}
