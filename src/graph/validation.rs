//! `validationTokens`: the tenants whose encrypted items a POST's tokens verify
//! (<https://learn.microsoft.com/graph/change-notifications-with-resource-data#how-to-validate>).
//!
//! **Invariants**
//! 1. An item is covered by a verified token of its own tenant, and by no other.
//! 2. If a token fails, all items of the tenant that it claims fail. If its tenant cannot be read, only items fail that
//!    no verified token covers.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::value::RawValue;

use super::payload;
use super::token::{Tokens, unverified_tenant};
use super::walk;
use crate::domain::Reason;

/// The most tokens of one POST: one for each application and tenant.
const MAX_TOKENS: usize = 64;

/// The result of checking a POST's tokens.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    proven: HashSet<Arc<str>>,
    failed: Vec<(Option<String>, Reason)>,
}

impl Coverage {
    /// Checks every token, as of the time (in seconds) at which it arrived.
    pub(super) async fn of(tokens: Option<&RawValue>, prover: &Tokens, now: i64) -> Self {
        let mut coverage = Self::default();
        let Some(value) = tokens.filter(|value| !payload::is_null(value)) else { return coverage };
        let mut values = Vec::new();
        let read = walk::each_element(value.get(), |token| {
            values.push(token);
            values.len() <= MAX_TOKENS
        });
        if read.is_err() {
            return coverage.fail(None, Reason::JwtMalformed);
        }
        if values.len() > MAX_TOKENS {
            return coverage.fail(None, Reason::JwtTooMany);
        }
        let mut seen = HashSet::new();
        let tokens = values.into_iter().filter(|value| seen.insert(value.get()));
        // All at once, so that many tokens wait for keys no longer than one.
        for proof in join_all(tokens.map(|token| prove(token, prover, now))).await {
            match proof {
                Ok(tenant) => {
                    coverage.proven.insert(tenant);
                }
                Err((tenant, reason)) => coverage = coverage.fail(tenant, reason),
            }
        }
        coverage
    }

    fn fail(mut self, tenant: Option<String>, reason: Reason) -> Self {
        self.failed.push((tenant, reason));
        self
    }

    /// Whether an item of `tenant` (in lower case) is covered.
    ///
    /// # Errors
    /// Why it is not covered.
    pub(super) fn covers(&self, tenant: Option<&str>) -> Result<(), Reason> {
        let failure = |of: Option<&str>| self.failed.iter().find(|(it, _)| it.as_deref() == of).map(|(_, why)| *why);
        let Some(tenant) = tenant else { return Err(failure(None).unwrap_or(Reason::JwtTenant)) };
        if let Some(reason) = failure(Some(tenant)) {
            return Err(reason);
        }
        if self.proven.contains(tenant) {
            return Ok(());
        }
        let has_none = self.proven.is_empty() && self.failed.is_empty();
        Err(failure(None).unwrap_or(if has_none { Reason::JwtMissing } else { Reason::JwtTenant }))
    }
}

/// The tenant that a token verifies; or the tenant that it claims, and why the token is not valid.
async fn prove(token: &RawValue, prover: &Tokens, now: i64) -> Result<Arc<str>, (Option<String>, Reason)> {
    let token = payload::text(token).map_err(|_no_text| (None, Reason::JwtMalformed))?;
    prover.prove(token.as_bytes(), now).await.map_err(|reason| (unverified_tenant(&token), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(proven: &[&str], failed: &[(Option<&str>, Reason)]) -> Coverage {
        Coverage {
            proven: proven.iter().map(|tenant| Arc::from(*tenant)).collect(),
            failed: failed.iter().map(|(tenant, why)| (tenant.map(str::to_owned), *why)).collect(),
        }
    }

    #[test]
    fn a_token_covers_its_own_tenant_alone() {
        let coverage = coverage(&["a"], &[]);
        assert_eq!(coverage.covers(Some("a")), Ok(()));
        assert_eq!(coverage.covers(Some("b")), Err(Reason::JwtTenant));
        assert_eq!(coverage.covers(None), Err(Reason::JwtTenant));
    }

    #[test]
    fn a_token_that_fails_takes_its_tenants_items_with_it() {
        let coverage = coverage(&["a", "b"], &[(Some("b"), Reason::JwtExp), (None, Reason::JwtMalformed)]);
        assert_eq!(coverage.covers(Some("a")), Ok(()));
        assert_eq!(coverage.covers(Some("b")), Err(Reason::JwtExp));
        assert_eq!(coverage.covers(Some("c")), Err(Reason::JwtMalformed));
    }

    #[test]
    fn without_any_token_it_is_missing() {
        assert_eq!(coverage(&[], &[]).covers(Some("a")), Err(Reason::JwtMissing));
    }
}
