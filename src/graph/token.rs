//! Verifies Microsoft's JWTs (RFC 7519, RFC 8725), and with them the origin of a notification.
//!
//! `jsonwebtoken` checks the signature; the claims are checked here, with reelhook's own clock and a reason for each
//! refusal.
//!
//! **Invariants**
//! 1. Only RS256 is accepted; this is checked before a key is looked up. The key is found only by `kid`; other hints in
//!    the token (`jku`, `x5u`, `jwk`, `x5c`) are not read.
//! 2. A verified token is recognised by its SHA-256 until it expires or the provider's keys are fetched again. Only the
//!    hashes of verified tokens are stored.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::claims::{MAX_TOKEN_BYTES, read_object};
use super::demands::Demands;
use super::dialects::Dialects;
use super::jwks::{Key, KeySet, MAX_KID_BYTES};
use super::keys::Keys;
use super::payload::{self, Object};
use super::refused_token;
use crate::clock::Clock;
use crate::domain::Reason;

/// The tolerated difference of the clocks, in seconds.
const LEEWAY_SECONDS: i64 = 300;
/// How many verified tokens are remembered.
const MAX_REMEMBERED: u64 = 10_000;
/// The placeholder for the token's tenant in an issuer.
const TENANT_PLACEHOLDER: &str = "{tenantid}";
/// Headers that change the meaning of the token.
const REFUSED_HEADERS: &[&str] = &["crit", "b64", "enc", "zip"];

/// Verifies tokens.
pub(super) struct Tokens {
    keys: Arc<Keys>,
    clock: Clock,
    demands: Demands,
    proven: Cache<[u8; 32], Proven>,
}

/// A verified token.
#[derive(Clone)]
pub(super) struct Proven {
    tenant: Arc<str>,
    expires_at: i64,
    generation: u64,
}

impl Tokens {
    /// Verifies tokens with `keys` against `demands`.
    pub(super) fn new(keys: Arc<Keys>, clock: Clock, demands: Demands) -> Self {
        Self { keys, clock, demands, proven: Cache::new(MAX_REMEMBERED) }
    }

    /// The keys.
    pub(super) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// The clock.
    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The time against which tokens that arrive now are checked, in seconds.
    pub(super) fn now(&self) -> i64 {
        self.clock_now().as_second()
    }

    /// The time.
    pub(super) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether each key is known or wrong.
    pub(super) fn can_decide(&self) -> bool {
        self.keys.are_sure()
    }

    /// Verifies a token that arrived at `now` (in seconds). Returns its tenant, in lower case.
    ///
    /// # Errors
    /// Why it is not valid. [`Reason::KeysUnavailable`]: this is not known yet.
    pub(super) async fn prove(&self, token: &[u8], now: i64) -> Result<Arc<str>, Reason> {
        let proven = self.proven(token, now).await;
        if let Err(reason) = proven
            && reason != Reason::KeysUnavailable
        {
            refused_token::log(self.keys.channel(), reason, token, &self.demands);
        }
        proven
    }

    async fn proven(&self, token: &[u8], now: i64) -> Result<Arc<str>, Reason> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Reason::JwtMalformed);
        }
        let fingerprint: [u8; 32] = Sha256::digest(token).into();
        if let Some(proven) = self.proven.get(&fingerprint) {
            if proven.generation == self.keys.generation() && !is_over(proven.expires_at, now) {
                return Ok(proven.tenant);
            }
            self.proven.invalidate(&fingerprint);
        }
        let unverified = Unverified::read(token)?;
        let set = self.keys.find(&unverified.kid).await?;
        let proven = verify(&unverified, &set, now, &self.demands)?;
        self.proven.insert(fingerprint, proven.clone());
        Ok(proven.tenant)
    }
}

/// Checks a token with the provider's keys at `now`.
///
/// # Errors
/// The first reason for which it is not valid.
pub(super) fn verify(unverified: &Unverified<'_>, set: &KeySet, now: i64, demands: &Demands) -> Result<Proven, Reason> {
    let key = set.get(&unverified.kid).ok_or(Reason::JwtKidUnknown)?;
    if !unverified.is_signed_with(key) {
        return Err(Reason::JwtSignature);
    }
    let claims = Claims::read(unverified)?;
    if is_over(claims.exp, now) {
        return Err(Reason::JwtExp);
    }
    if is_ahead(claims.nbf, now) || claims.iat.is_some_and(|iat| is_ahead(iat, now)) {
        return Err(Reason::JwtNbf);
    }
    demands.check(&claims)?;
    if !is_for(key.issuer.as_deref(), set.issuer.as_deref(), &claims.iss, &claims.tid) {
        return Err(Reason::JwtKeyUse);
    }
    let tenant = claims.tid.to_ascii_lowercase().into();
    Ok(Proven { tenant, expires_at: claims.exp, generation: set.generation })
}

impl Demands {
    fn check(&self, claims: &Claims) -> Result<(), Reason> {
        if !self.audiences.contains(&claims.aud) {
            return Err(Reason::JwtAud);
        }
        if claims.tid.is_empty() {
            return Err(Reason::JwtTenant);
        }
        if !self.issuers.iter().any(|issuer| of_tenant(issuer, &claims.tid) == claims.iss) {
            return Err(Reason::JwtIss);
        }
        if !self.tenants.is_empty() && !self.tenants.iter().any(|tenant| tenant.eq_ignore_ascii_case(&claims.tid)) {
            return Err(Reason::JwtTenant);
        }
        if self.publisher.is_some() && self.publisher != claims.publisher {
            return Err(Reason::JwtPublisher);
        }
        Ok(())
    }
}

/// Whether a key may sign for the token's issuer (`iss`) and tenant. v1 tokens are signed with keys that name the provider's
/// own (v2) issuer.
pub(super) fn is_for(key: Option<&str>, provider: Option<&str>, iss: &str, tid: &str) -> bool {
    let Some(key) = key.map(|issuer| of_tenant(issuer, tid)) else { return true };
    key == iss || provider.is_some_and(|issuer| of_tenant(issuer, tid) == key)
}

/// An issuer with the token's tenant in it.
pub(super) fn of_tenant<'a>(issuer: &'a str, tenant: &str) -> Cow<'a, str> {
    if issuer.contains(TENANT_PLACEHOLDER) {
        Cow::Owned(issuer.replace(TENANT_PLACEHOLDER, tenant))
    } else {
        Cow::Borrowed(issuer)
    }
}

/// Whether a token has expired, its leeway included.
pub(super) fn is_over(expires_at: i64, now: i64) -> bool {
    now.saturating_sub(expires_at) > LEEWAY_SECONDS
}

/// Whether an instant is in the future, the leeway included.
pub(super) fn is_ahead(at: i64, now: i64) -> bool {
    at.saturating_sub(now) > LEEWAY_SECONDS
}

/// A token that is well formed and names a key. Nothing in it is verified.
pub(super) struct Unverified<'a> {
    pub(super) kid: String,
    message: &'a [u8],
    payload: Vec<u8>,
    signature: &'a str,
    is_called_nested: bool,
}

impl<'a> Unverified<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// The first reason for which it cannot be checked.
    pub(super) fn read(token: &'a [u8]) -> Result<Self, Reason> {
        let token = std::str::from_utf8(token).map_err(|_not_utf8| Reason::JwtMalformed)?;
        let mut parts = token.splitn(6, '.');
        let (header, payload, signature) = match std::array::from_fn(|_| parts.next()) {
            [Some(header), Some(payload), Some(signature), None, None, None] => (header, payload, signature),
            // Five parts are an encrypted token (RFC 7516).
            [Some(_), Some(_), Some(_), Some(_), Some(_), None] => return Err(Reason::JwtHeader),
            _ => return Err(Reason::JwtMalformed),
        };
        let header = decode(header)?;
        let payload = decode(payload)?;
        decode(signature)?;
        let (kid, is_called_nested) = read_header(&header)?;
        let message = &token.as_bytes()[..token.len() - signature.len() - 1];
        Ok(Self { kid, message, payload, signature, is_called_nested })
    }

    /// Whether its payload is a JSON object.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn has_claims(&self) -> Result<(), Reason> {
        self.claims().map(drop)
    }

    fn claims(&self) -> Result<Object<'_>, Reason> {
        read_object(&self.payload).map_err(|reason| if self.is_called_nested { Reason::JwtHeader } else { reason })
    }

    /// Whether a key made its signature.
    pub(super) fn is_signed_with(&self, key: &Key) -> bool {
        let verified = jsonwebtoken::crypto::verify(self.signature, self.message, &key.decoding, Algorithm::RS256);
        verified.unwrap_or(false)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_not_base64url| Reason::JwtMalformed)
}

/// The key's name, and whether the header says that the payload is itself a token. Some plain tokens say so too
/// (<https://github.com/MicrosoftDocs/bot-docs/issues/2242>), so the payload decides.
fn read_header(header: &[u8]) -> Result<(String, bool), Reason> {
    let header = read_object(header)?;
    let text = |key| header.present(key).and_then(|value| payload::text(value).ok());
    if text("alg").as_deref() != Some("RS256") {
        return Err(Reason::JwtAlg);
    }
    if REFUSED_HEADERS.iter().any(|key| header.has(key)) {
        return Err(Reason::JwtHeader);
    }
    match text("kid") {
        Some(kid) if kid.len() > MAX_KID_BYTES => Err(Reason::JwtKidUnknown),
        Some(kid) if !kid.is_empty() => Ok((kid.into_owned(), text("cty").is_some())),
        _ => Err(Reason::JwtKidMissing),
    }
}

/// The claims that are checked.
struct Claims {
    iss: String,
    aud: String,
    tid: String,
    exp: i64,
    nbf: i64,
    iat: Option<i64>,
    publisher: Option<String>,
}

impl Claims {
    fn read(unverified: &Unverified<'_>) -> Result<Self, Reason> {
        let claims = unverified.claims()?;
        let text = |key| {
            let text = claims.text(key, &mut Dialects::default());
            text.map(|text| text.map(Cow::into_owned))
        };
        let instant = |key| match claims.present(key) {
            Some(value) => value.get().parse().map(Some).map_err(|_no_integer| Reason::JwtClaimType),
            None => Ok(None),
        };
        // The application that requested the token is in `appid` (v1) or `azp` (v2).
        let publisher = match text("ver") {
            Ok(Some(version)) if version == "1.0" => text("appid").unwrap_or_default(),
            Ok(Some(version)) if version == "2.0" => text("azp").unwrap_or_default(),
            _ => None,
        };
        Ok(Self {
            exp: instant("exp")?.ok_or(Reason::JwtClaimType)?,
            nbf: instant("nbf")?.ok_or(Reason::JwtClaimType)?,
            iat: instant("iat")?,
            aud: audience(&claims).ok_or(Reason::JwtAud)?,
            iss: text("iss").ok().flatten().ok_or(Reason::JwtIss)?,
            tid: text("tid").ok().flatten().ok_or(Reason::JwtTenant)?,
            publisher,
        })
    }
}

/// The audience: text, or an array of texts.
fn audience(claims: &Object<'_>) -> Option<String> {
    let value = claims.present("aud")?;
    if let Ok(text) = payload::text(value) {
        return Some(text.into_owned());
    }
    let [sole]: [String; 1] = serde_json::from_str(value.get()).ok()?;
    Some(sole)
}

/// The tenant that a token claims, in lower case. It may be unverified.
pub(super) fn unverified_tenant(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims = read_object(&payload).ok()?;
    let tenant = payload::text(claims.present("tid")?).ok()?;
    Some(tenant.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims(tid: &str) -> Claims {
        Claims {
            iss: format!("https://sts.windows.net/{tid}/"),
            aud: "app".into(),
            tid: tid.into(),
            exp: 0,
            nbf: 0,
            iat: None,
            publisher: None,
        }
    }

    #[test]
    fn where_tenants_are_configured_no_other_is_let_in() {
        let demands = Demands {
            audiences: vec!["app".into()],
            issuers: vec!["https://sts.windows.net/{tenantid}/".into()],
            tenants: vec!["tenant-a".into()],
            publisher: None,
        };
        assert_eq!(demands.check(&claims("tenant-a")), Ok(()));
        assert_eq!(demands.check(&claims("TENANT-A")), Ok(()));
        assert_eq!(demands.check(&claims("tenant-b")), Err(Reason::JwtTenant));
    }

    #[test]
    fn a_key_signs_for_the_issuer_that_it_names() {
        let (iss, tid) = ("https://sts.windows.net/t/", "t");
        let v2 = "https://login.microsoftonline.com/{tenantid}/v2.0";
        assert!(is_for(None, None, iss, tid));
        assert!(is_for(Some("https://sts.windows.net/{tenantid}/"), None, iss, tid));
        assert!(is_for(Some(v2), Some(v2), iss, tid));
        assert!(!is_for(Some(v2), None, iss, tid));
        assert!(!is_for(Some("https://login.microsoftonline.com/other/v2.0"), Some(v2), iss, tid));
    }

    proptest! {
        #[test]
        fn no_token_makes_it_panic(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            parts in prop::collection::vec("[ -~]{0,60}", 0..6),
        ) {
            let _ = Unverified::read(&noise);
            let token = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".");
            let _ = Unverified::read(token.as_bytes()).map(|unverified| Claims::read(&unverified).map(|_| ()));
            let _ = unverified_tenant(&token);
        }
    }
}
