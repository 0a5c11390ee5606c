//! The quarantine: unverified items. An operator looks at one, has it verified again, or vouches for its origin.

use super::{Operator, OperatorError};
use crate::graph::without_secrets;
use crate::store::{Newest, QuarantineView, StoreError};

/// How much of a quarantined body somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether the body: it may hold a secret.
    pub bodies: bool,
    /// Whether also the secrets in it.
    pub secrets: bool,
}

/// What somebody sees of a quarantined body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it, byte for byte.
    Whole(Vec<u8>),
    /// All but the tokens and the `clientState`, which are hidden.
    WithoutSecrets(String),
    /// Nothing.
    Withheld,
}

impl Body {
    /// What is seen of an entry. Without sight of secrets only JSON is shown: nothing else can be searched for them.
    pub fn of(entry: &QuarantineView, sight: Sight) -> Self {
        match entry.raw.as_ref().filter(|_| sight.bodies) {
            Some(raw) if sight.secrets => Self::Whole(raw.0.to_vec()),
            Some(raw) => without_secrets(&raw.0).map_or(Self::Withheld, Self::WithoutSecrets),
            None => Self::Withheld,
        }
    }
}

impl Operator {
    /// Entries: a page, the newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn quarantine(&self, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError> {
        self.store.quarantine(page).await
    }

    /// One entry with its bytes, of which [`Body::of`] tells what somebody may see.
    ///
    /// # Errors
    /// There is none, or the store could not be read.
    pub async fn quarantine_entry(&self, id: i64) -> Result<QuarantineView, OperatorError> {
        self.store.quarantine_entry(id).await?.ok_or(OperatorError::Missing)
    }

    /// Has an entry verified again, within seconds. `vouch`: the operator's word stands for proof that was not stored.
    /// Accepted, the entry is gone; refused again, it stays with the reason.
    ///
    /// # Errors
    /// There is no such entry, or the store failed: nothing was changed.
    pub async fn verify_again(&self, id: i64, vouch: bool, who: &str) -> Result<(), OperatorError> {
        if !self.store.wish_replay(id, vouch).await? {
            return Err(OperatorError::Missing);
        }
        tracing::info!(who, id, vouch, "a quarantine entry will be verified again");
        Ok(())
    }
}
