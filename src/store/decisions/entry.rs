//! Quarantine entries, ready to be written. The request seals them, so that the writer only writes.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::domain::{Channel, HeldTokens, QuarantineClass as Class, Quarantined, Reason};
use crate::store::StoreError;
use crate::store::seal::Seal;
use crate::store::sealed;

/// One quarantine entry, ready to be written.
pub struct Entry {
    /// Its number.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// Why it was quarantined.
    pub reason: Reason,
    /// The class of its sender.
    pub class: Class,
    /// The facts that are stored while it waits for keys; `None` if it does not wait.
    pub waits: Option<Waits>,
    /// The tenant that its sender verifiably belongs to.
    pub tenant_id: Option<String>,
    /// Its size, unsealed: the bytes and the request's facts.
    pub n_bytes: i64,
    /// The part of it that the request's facts have.
    pub request_bytes: i64,
    /// The facts of its request.
    pub sealed_request: Option<Vec<u8>>,
    /// The bytes.
    pub sealed: Vec<u8>,
}

/// The POST of an entry that waits for keys.
pub struct Waits {
    /// The number of its first entry.
    pub post: i64,
    /// When it arrived, in microseconds.
    pub arrived_at: i64,
    /// Its tokens; only the first entry has them.
    pub sealed_tokens: Option<Vec<u8>>,
}

/// The entries of what a request could not verify; `number` gives each its number.
///
/// # Errors
/// Sealing failed.
pub fn entries(
    quarantined: &[Quarantined],
    seal: &Seal,
    mut number: impl FnMut() -> i64,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(quarantined.len());
    // The items of one POST share their tokens.
    let mut last: Option<(&Arc<HeldTokens>, i64)> = None;
    for it in quarantined {
        let mut entry = entry(it, number(), seal)?;
        if let Some(held) = &it.held {
            let known = last.filter(|(tokens, _)| Arc::ptr_eq(tokens, held)).map(|(_, post)| post);
            last = Some((held, known.unwrap_or(entry.id)));
            entry.waits = Some(waits(held, known.unwrap_or(entry.id), known.is_none(), seal)?);
            entry.class = Class::Waiting;
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn waits(held: &HeldTokens, post: i64, is_first: bool, seal: &Seal) -> Result<Waits, StoreError> {
    let tokens = held.tokens.expose_secret();
    let sealing = || sealed::seal_tokens(seal, post, tokens);
    let sealed_tokens = is_first.then(sealing).transpose()?;
    Ok(Waits { post, arrived_at: held.arrived_at.as_microsecond(), sealed_tokens })
}

fn entry(quarantined: &Quarantined, id: i64, seal: &Seal) -> Result<Entry, StoreError> {
    let raw = &quarantined.raw.0;
    let sealed = sealed::seal_quarantined(seal, id, raw)?;
    let sealed_request = sealed::seal_request(seal, id, &quarantined.request)?;
    let (sealed_request, request_bytes) = sealed_request.map_or((None, 0), |(sealed, n)| (Some(sealed), n));
    let size = |n_bytes: usize| i64::try_from(n_bytes).unwrap_or(i64::MAX);
    let (n_bytes, request_bytes) = (size(raw.len().saturating_add(request_bytes)), size(request_bytes));
    let Quarantined { channel, reason, ref tenant_id, .. } = *quarantined;
    let class = if quarantined.is_strangers() { Class::Strangers } else { Class::Known };
    let tenant_id = tenant_id.clone();
    Ok(Entry { id, channel, reason, class, waits: None, tenant_id, n_bytes, request_bytes, sealed_request, sealed })
}
