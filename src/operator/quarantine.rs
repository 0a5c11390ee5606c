//! The quarantine: unverified items. An operator can look at one, have it verified again, or accept it without its
//! token.

use super::{Operator, OperatorError};
use crate::graph::without_secrets;
use crate::store::{Newest, QuarantineView, StoreError};

/// How much of a quarantined body a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether the caller may see bodies. A body may hold a secret.
    pub bodies: bool,
    /// Whether the caller may also see the secrets in them.
    pub secrets: bool,
}

/// The part of a quarantined body that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The whole body, byte for byte.
    Whole(Vec<u8>),
    /// The body with tokens and `clientState` hidden.
    WithoutSecrets(String),
    /// Nothing.
    Withheld,
}

impl Body {
    /// The part of an entry that a caller may see. Without the right to see secrets, only JSON is shown: reelhook
    /// cannot find the secrets in other bodies.
    pub fn of(entry: &QuarantineView, sight: Sight) -> Self {
        match entry.raw.as_ref().filter(|_| sight.bodies) {
            Some(raw) if sight.secrets => Self::Whole(raw.0.to_vec()),
            Some(raw) => without_secrets(&raw.0).map_or(Self::Withheld, Self::WithoutSecrets),
            None => Self::Withheld,
        }
    }
}

impl Operator {
    /// A page of entries, newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn quarantine(&self, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError> {
        self.store.quarantine(page).await
    }

    /// One entry with its bytes. [`Body::of`] says what may be shown of them.
    ///
    /// # Errors
    /// There is no such entry, or the store could not be read.
    pub async fn quarantine_entry(&self, id: i64) -> Result<QuarantineView, OperatorError> {
        self.store.quarantine_entry(id).await?.ok_or(OperatorError::Missing)
    }

    /// Asks the server to verify an entry again; it does so within seconds. With `vouch` the entry is accepted without
    /// its token, because the operator knows that it comes from Graph. If it is accepted, the entry is removed;
    /// otherwise it stays, with the new reason.
    ///
    /// # Errors
    /// There is no such entry, or the store failed: nothing was changed.
    pub async fn verify_again(&self, id: i64, vouch: bool, who: &str) -> Result<(), OperatorError> {
        if !self.store.wish_replay(id, vouch).await? {
            return Err(OperatorError::Missing);
        }
        tracing::info!(caller = who, entry = id, vouch, "a quarantine entry will be verified again");
        Ok(())
    }
}
