//! The two jobs of which many are done in one transaction: accepting, and settling.

use async_trait::async_trait;

use super::accept::{self, Accept};
use super::settle::{self, Settle};
use crate::store::StoreError;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::{Grouped, Work};

/// A job of which many are done in one transaction.
pub enum Hot {
    /// Accepts a batch.
    Accept(Box<Accept>),
    /// Records outcomes.
    Settle(Settle),
}

#[async_trait]
impl Grouped for Hot {
    async fn run(jobs: &mut [Self], tx: &mut Tx<'_>) -> Result<(), Failure> {
        let (mut accepts, mut settles) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Self::Accept(accept) => accepts.push(&mut **accept),
                Self::Settle(settle) => settles.push(&*settle),
            }
        }
        // First what waits: what is settled lets what is accepted go to memory.
        settle::run(&settles, tx).await?;
        accept::run(&mut accepts, tx).await
    }

    fn n_bytes(&self) -> usize {
        match self {
            Self::Accept(accept) => accept.n_bytes(),
            Self::Settle(settle) => settle.n_bytes(),
        }
    }

    fn finish(self, outcome: Result<(), StoreError>) {
        match self {
            Self::Accept(accept) => accept.finish(outcome),
            Self::Settle(settle) => settle.finish(outcome),
        }
    }
}

/// Writes something that nobody reads, so that a commit is synced.
pub struct Beat;

#[async_trait]
impl Work for Beat {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let statement = "UPDATE epochs SET version = version WHERE number = $1";
        sql::execute(tx.client, statement, &[&tx.shared.epoch.number]).await.map(drop)
    }
}
