//! Values that are sealed beside events' contents: quarantined bytes, validation tokens, and how a call ended. Each kind
//! has a label, and is bound to its row, so that no value can be opened in another's place.

use bytes::Bytes;
use secrecy::SecretString;

use super::instants::instant;
use crate::domain::{CallEnd, Raw, WhyEnded};
use crate::store::StoreError;
use crate::store::seal::Seal;

const QUARANTINED: &str = "quarantine";
const TOKENS: &str = "validation tokens";
const CALL_END: &str = "ended call";

/// Seals the bytes of a quarantine entry.
///
/// # Errors
/// The cryptographic provider failed.
pub fn seal_quarantined(seal: &Seal, id: i64, raw: &[u8]) -> Result<Vec<u8>, StoreError> {
    seal.seal(QUARANTINED, &id.to_be_bytes(), &[raw])
}

/// Opens the bytes of a quarantine entry.
///
/// # Errors
/// They were sealed with another key, or they are damaged.
pub fn open_quarantined(seal: &Seal, id: i64, sealed: &[u8]) -> Result<Raw, StoreError> {
    Ok(Raw(Bytes::from(seal.open(QUARANTINED, &id.to_be_bytes(), sealed)?)))
}

/// Seals the validation tokens of a POST.
///
/// # Errors
/// The cryptographic provider failed.
pub fn seal_tokens(seal: &Seal, post: i64, tokens: &str) -> Result<Vec<u8>, StoreError> {
    seal.seal(TOKENS, &post.to_be_bytes(), &[tokens.as_bytes()])
}

/// Opens the validation tokens of a POST.
///
/// # Errors
/// They were sealed with another key, or they are damaged.
pub fn open_tokens(seal: &Seal, post: i64, sealed: &[u8]) -> Result<SecretString, StoreError> {
    let text = String::from_utf8(seal.open(TOKENS, &post.to_be_bytes(), sealed)?)
        .map_err(|_error| StoreError::Database("tokens are not what was sealed".into()))?;
    Ok(SecretString::from(text))
}

/// Seals the facts of the end of a call.
///
/// # Errors
/// The cryptographic provider failed.
pub fn seal_call_end(seal: &Seal, call_id: &str, why: &WhyEnded) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(why).map_err(|error| StoreError::Database(error.to_string()))?;
    seal.seal(CALL_END, call_id.as_bytes(), &[&json])
}

/// The end of a call from its row: its time and its sealed facts.
pub fn open_call_end(seal: &Seal, call_id: &str, (ended_at, sealed): (i64, Option<Vec<u8>>)) -> CallEnd {
    let why = sealed.map(|sealed| seal.open(CALL_END, call_id.as_bytes(), &sealed)).transpose();
    let why = why.unwrap_or_else(|error| {
        tracing::warn!(%error, "an operation is shown without the end of its call");
        None
    });
    let why: Option<WhyEnded> = why.and_then(|json| serde_json::from_slice(&json).ok());
    CallEnd { at: instant(ended_at), why: why.unwrap_or_default() }
}
