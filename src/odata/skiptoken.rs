//! `$skiptoken`: where the next page begins, in a form that only this server can write.
//!
//! A token is base64url text of an HMAC-SHA256 and the bytes that it covers: the cursor of a page's last row, and a
//! fingerprint of the query. It is protected against change, not against reading: it contains nothing but values of
//! that row.
//!
//! **Invariants**
//! 1. A token continues the query for which it was made, at the place for which it was made. Otherwise it is refused.
//! 2. The MAC is compared in constant time, and nothing in a token is read before that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::order::Cursor;
use super::query::Query;

/// The first bytes that the MAC covers, because the key may have other uses as well.
const LABEL: &[u8] = b"reelhook $skiptoken 1\0";
const MAC_BYTES: usize = 32;
const FINGERPRINT_BYTES: usize = 16;
/// Three keys of 256 characters, escaped, are much shorter.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// Makes and reads tokens.
pub struct SkipTokens {
    mac: Hmac<Sha256>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipTokenError {
    /// It was not made by this server, or it was changed.
    #[error("found a $skiptoken that was changed or is not from this server, expected one from an @odata.nextLink")]
    Forged,
    /// It was made for another query.
    #[error("found the $skiptoken of another query, expected an unchanged @odata.nextLink")]
    OtherQuery,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    #[serde(flatten)]
    cursor: Cursor,
    #[serde(rename = "q")]
    fingerprint: String,
}

impl SkipTokens {
    /// Uses a secret key. A token is valid as long as the key: replicas and restarts must have the same one.
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC itself pads a short key with zeros to its block of 64 bytes.
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        Self { mac: Hmac::new(&block.into()) }
    }

    /// A token that continues `query` after a row. `scope`: what the rows depend on besides, such as the path.
    pub fn seal(&self, (query, scope): (&Query, &str), cursor: Cursor) -> String {
        let payload = Payload { cursor, fingerprint: fingerprint(query, scope) };
        // A struct of texts and numbers can always be written as JSON.
        let json = serde_json::to_vec(&payload).unwrap_or_default();
        let mut sealed = self.over(&json).finalize().into_bytes().to_vec();
        sealed.extend_from_slice(&json);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The place in `query` that a token contains, under the same scope.
    ///
    /// # Errors
    /// The token was changed, or belongs to another query. The caller starts again from the first page.
    pub fn open(&self, (query, scope): (&Query, &str), token: &str) -> Result<Cursor, SkipTokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(SkipTokenError::Forged);
        }
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_base64| SkipTokenError::Forged)?;
        let (mac, json) = sealed.split_at_checked(MAC_BYTES).ok_or(SkipTokenError::Forged)?;
        self.over(json).verify_slice(mac).map_err(|_mac| SkipTokenError::Forged)?;
        let payload: Payload = serde_json::from_slice(json).map_err(|_json| SkipTokenError::Forged)?;
        if payload.fingerprint != fingerprint(query, scope) {
            return Err(SkipTokenError::OtherQuery);
        }
        Ok(payload.cursor)
    }

    fn over(&self, json: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(LABEL);
        mac.update(json);
        mac
    }
}

/// The fingerprint of a query's options, in any order: some clients take a link apart and put it together again.
fn fingerprint(query: &Query, scope: &str) -> String {
    let mut given: Vec<_> = query.given().collect();
    given.sort_unstable();
    // As JSON, so that the border between two texts cannot be moved.
    let text = serde_json::to_vec(&(scope, given)).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..FINGERPRINT_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::{OrderBy, Subject};

    fn query(text: &str) -> Query {
        Query::parse(text, &["id", "status"]).unwrap()
    }

    fn cursor() -> Cursor {
        let order = OrderBy::parse("clientContext,status,createdDateTime desc").unwrap();
        let created_at = "2026-01-31T12:00:00Z".parse().ok();
        order.cursor(&Subject { client_context: Some("é'\""), created_at, ..Subject::default() }, 7)
    }

    const TEXT: &str = "$filter=status%20eq%20'failed'&$top=5&$select=id&x=1";

    #[test]
    fn a_token_leads_back_to_its_place() {
        let tokens = SkipTokens::new(&[7; 32]);
        let token = tokens.seal((&query(TEXT), "/a"), cursor());
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let reordered = query(&format!("x=1&top=5&$select=id&$skiptoken={token}&filter=status+eq+%27failed%27"));
        assert_eq!(tokens.open((&reordered, "/a"), &token), Ok(cursor()));
    }

    #[test]
    fn a_token_of_another_query_is_refused() {
        let tokens = SkipTokens::new(&[7; 32]);
        let token = tokens.seal((&query(TEXT), "/a"), cursor());
        let others = ["$top=5", "$filter=status eq 'running'&$top=5&$select=id&x=1", &TEXT.replace("top=5", "top=6")];
        for other in others.map(query) {
            assert_eq!(tokens.open((&other, "/a"), &token), Err(SkipTokenError::OtherQuery));
        }
        assert_eq!(tokens.open((&query(TEXT), "/b"), &token), Err(SkipTokenError::OtherQuery));
    }

    #[test]
    fn a_token_that_was_touched_is_refused() {
        let tokens = SkipTokens::new(&[7; 32]);
        let asked = query(TEXT);
        let token = tokens.seal((&asked, ""), cursor());
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed.replace_range(at..=at, if &token[at..=at] == "A" { "B" } else { "A" });
            assert_eq!(tokens.open((&asked, ""), &changed), Err(SkipTokenError::Forged));
            assert_eq!(tokens.open((&asked, ""), &token[..at]), Err(SkipTokenError::Forged));
        }
        for wrong in ["", "é", "AAAA", &format!("{token}A"), &format!("{token}="), &"A".repeat(1 << 20)] {
            assert_eq!(tokens.open((&asked, ""), wrong), Err(SkipTokenError::Forged));
        }
        assert_eq!(SkipTokens::new(&[8; 32]).open((&asked, ""), &token), Err(SkipTokenError::Forged));
    }
}
