//! What a command says on its standard error.
//!
//! **Invariant**: only the end of it is kept, however much it is.

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;

use crate::sinks::masks::Masks;

/// How much is kept.
const MAX_BYTES: usize = 4096;

/// The end of what a command said.
pub(super) struct Messages(Vec<u8>);

impl Messages {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(2 * MAX_BYTES))
    }

    /// Reads until nobody can write any more.
    pub(super) async fn read(&mut self, mut pipe: ChildStderr) {
        // A pipe that breaks has ended too.
        while let Ok(1..) = pipe.read_buf(&mut self.0).await {
            let n_too_many = self.0.len().saturating_sub(MAX_BYTES);
            self.0.drain(..n_too_many);
        }
    }

    /// The last line that is not empty, without secrets.
    pub(super) fn last_line(&self, masks: &Masks) -> String {
        let text = masks.masked_text(&self.0);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        last.unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_is_not_empty_is_told_without_secrets() {
        let line = |text: &str| Messages(text.as_bytes().to_vec()).last_line(&Masks::of(["canary-secret"]));
        assert_eq!(line("first\nsecond\n\n  \n"), "second");
        assert_eq!(line(""), "");
        assert_eq!(line("first\nno: canary-secret\n"), "no: ***");
    }
}
