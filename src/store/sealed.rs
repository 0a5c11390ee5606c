//! Values that are sealed beside events' contents: quarantined bytes and the facts of their requests, validation tokens, how a call ended, and exchanges.
//! Each kind has a label, and is bound to its row, so that no value can be opened in another's place.

use std::sync::Arc;

use bytes::Bytes;
use secrecy::SecretString;

use super::instants::instant;
use crate::domain::{CallEnd, Exchange, Outcome, Raw, Request, WhyEnded};
use crate::store::seal::Seal;
use crate::store::{StoreError, ids};

const QUARANTINED: &str = "quarantine";
const REQUEST: &str = "quarantined request";
const TOKENS: &str = "validation tokens";
const CALL_END: &str = "ended call";
const EXCHANGE: &str = "exchange";

/// What names an attempt.
#[derive(Clone, Copy, Debug)]
pub struct AttemptKey {
    /// The row of its delivery.
    pub delivery: i64,
    /// When it began, in microseconds.
    pub started_at: i64,
    /// Its number since the last replay.
    pub number: i64,
}

impl AttemptKey {
    /// Of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        let Outcome { lease, attempt, .. } = outcome;
        let (delivery, number) = (ids::delivery_row(lease.delivery.id.0), attempt.number.into());
        Self { delivery, started_at: attempt.started_at.as_microsecond(), number }
    }

    fn bytes(self) -> Vec<u8> {
        [self.delivery, self.started_at, self.number].map(i64::to_be_bytes).as_flattened().to_vec()
    }
}

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

/// Seals the facts of the request that brought a quarantine entry; nothing if there are none. Returns their bytes as well.
///
/// # Errors
/// The cryptographic provider failed.
pub fn seal_request(seal: &Seal, id: i64, request: &Request) -> Result<Option<(Vec<u8>, usize)>, StoreError> {
    if request.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_vec(request).map_err(|error| StoreError::Database(error.to_string()))?;
    Ok(Some((seal.seal(REQUEST, &id.to_be_bytes(), &[&json])?, json.len())))
}

/// Opens the facts of the request that brought a quarantine entry. If they cannot be opened, the entry is verified without
/// them.
pub fn open_request(seal: &Seal, id: i64, sealed: Option<&[u8]>) -> Arc<Request> {
    let Some(sealed) = sealed else { return Arc::default() };
    request(seal, id, sealed).map(Arc::new).unwrap_or_else(|_error| {
        tracing::warn!(entry = id, "the facts of a quarantine entry's request cannot be opened");
        Arc::default()
    })
}

/// The facts of the request that brought a quarantine entry.
///
/// # Errors
/// They were sealed with another key, or they are damaged.
pub fn request(seal: &Seal, id: i64, sealed: &[u8]) -> Result<Request, StoreError> {
    let json = seal.open(REQUEST, &id.to_be_bytes(), sealed)?;
    serde_json::from_slice(&json).map_err(|error| StoreError::Database(format!("a request cannot be read: {error}")))
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
    let why = sealed.map(|sealed| why_ended(seal, call_id, &sealed)).transpose();
    let why = why.unwrap_or_else(|error| {
        tracing::warn!(%error, "an operation is shown without the end of its call");
        None
    });
    CallEnd { at: instant(ended_at), why: why.unwrap_or_default() }
}

/// How a call ended.
///
/// # Errors
/// It was sealed with another key, or it is damaged.
pub fn why_ended(seal: &Seal, call_id: &str, sealed: &[u8]) -> Result<WhyEnded, StoreError> {
    let json = seal.open(CALL_END, call_id.as_bytes(), sealed)?;
    serde_json::from_slice(&json)
        .map_err(|error| StoreError::Database(format!("an end of a call cannot be read: {error}")))
}

/// Seals the exchange of an attempt.
///
/// # Errors
/// The cryptographic provider failed.
pub fn seal_exchange(seal: &Seal, key: AttemptKey, exchange: &Exchange) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(exchange).map_err(|error| StoreError::Database(error.to_string()))?;
    seal.seal(EXCHANGE, &key.bytes(), &[&json])
}

/// Opens the exchange of an attempt.
///
/// # Errors
/// It was sealed with another key, or it is damaged.
pub fn open_exchange(seal: &Seal, key: AttemptKey, sealed: &[u8]) -> Result<Exchange, StoreError> {
    let json = seal.open(EXCHANGE, &key.bytes(), sealed)?;
    serde_json::from_slice(&json).map_err(|error| StoreError::Database(format!("an exchange cannot be read: {error}")))
}
