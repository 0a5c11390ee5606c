//! A job of the writer.

use super::failure::Failure;
use super::tx::Tx;
use crate::store::StoreError;

/// A piece of work within a transaction.
pub trait Job: Send {
    /// Does the work. Called again after a rollback, which makes earlier notes void.
    ///
    /// # Errors
    /// It cannot be done; nothing of it stays.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure>;

    /// Answers its owner: after the commit, or with the reason why there was none.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}
