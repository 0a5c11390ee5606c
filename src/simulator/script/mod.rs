//! Scripts: calls in Graph's order and shapes, as small TOML files. The simulator's own scenarios are such files.
//!
//! docs/simulate.md describes the format.
//!
//! **Invariants**
//! 1. The same script and seed make the same bodies. Message ids and tokens are new each time.
//! 2. A script with a mistake plays nothing.

mod call;
mod facts;
mod reading;
mod run;

use self::facts::{CallFacts, Step};
pub use self::run::{PlayedCall, Request, Run};
use super::Graph;
use super::payload::Seed;
use crate::config::Mistakes;

/// A script that was read.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// What it plays, in one line.
    pub summary: String,
    calls: Vec<CallFacts>,
    steps: Vec<Step>,
}

impl Script {
    /// Reads the text of a script; `file` is how its mistakes name it.
    ///
    /// # Errors
    /// All mistakes, with their lines.
    pub fn read(name: &str, file: &str, text: &str) -> Result<Self, Mistakes> {
        let reading::Read { summary, calls, steps } = reading::read(file, text)?;
        Ok(Self { name: name.into(), summary, calls, steps })
    }

    /// The script with ids from a seed, of the bot and the tenant that Graph plays.
    pub fn run(&self, graph: &Graph, seed: &mut Seed) -> Run {
        Run::new(&self.calls, &self.steps, graph, seed)
    }
}
