//! The signing keys that a provider publishes (RFC 7517), as far as they may be used to verify an RS256 token.
//!
//! **Invariants**
//! 1. A key that is not clearly for RS256 signatures is not used: keys for encryption, other types and algorithms, RSA
//!    below 2048 bits. Only its name is stored, to report why.
//! 2. A `kid` means one key: if two keys share it, neither is used.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most keys that a document may hold.
const MAX_KEYS: usize = 1_000;
/// The longest `kid` that is looked up.
pub(super) const MAX_KID_BYTES: usize = 256;
/// RSA moduli in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// RSA exponents in bytes.
const MAX_EXPONENT_BYTES: usize = 8;

/// One signing key.
#[derive(Debug)]
pub(super) struct Key {
    /// The public key.
    pub(super) decoding: DecodingKey,
    /// The issuer whose tokens it may sign, with `{tenantid}` for the token's tenant; `None`: any issuer.
    pub(super) issuer: Option<String>,
}

/// A provider's signing keys.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, Key>,
    /// The names of published keys that are not for RS256 signatures.
    unfit: HashSet<String>,
    /// The provider's own issuer, with `{tenantid}` for the token's tenant.
    pub(super) issuer: Option<String>,
    /// Distinguishes one fetched set from another; 0 is the set before the first fetch.
    pub(super) generation: u64,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: Option<String>,
    e: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    issuer: Option<String>,
}

impl KeySet {
    /// Reads a JWKS document; `issuer` comes from the OpenID configuration.
    ///
    /// # Errors
    /// A fault of the whole document; single keys that cannot be used are skipped.
    pub fn read(document: &[u8], issuer: Option<String>) -> Result<Self, &'static str> {
        let document: Document<'_> = serde_json::from_slice(document).map_err(|_no_jwks| "found no JWKS document")?;
        if document.keys.len() > MAX_KEYS {
            return Err("it contains more than 1,000 keys");
        }
        let mut keys: HashMap<String, Option<(Numbers, Key)>> = HashMap::new();
        let mut unfit = HashSet::new();
        for jwk in document.keys.into_iter().filter_map(|raw| named(raw.get())) {
            let kid = jwk.kid.clone();
            let Some((numbers, key)) = usable(jwk) else {
                unfit.insert(kid);
                continue;
            };
            match keys.entry(kid) {
                Entry::Vacant(free) => {
                    free.insert(Some((numbers, key)));
                }
                // The same key listed twice counts once; two different keys with one name count as none.
                Entry::Occupied(mut taken) if taken.get().as_ref().is_some_and(|(known, _)| *known != numbers) => {
                    taken.insert(None);
                }
                Entry::Occupied(_) => {}
            }
        }
        let keys: HashMap<String, Key> =
            keys.into_iter().filter_map(|(kid, key)| key.map(|(_, key)| (kid, key))).collect();
        let set = Self { keys, unfit, issuer, generation: 0 };
        if set.is_empty() { Err("it contains no RS256 signing key") } else { Ok(set) }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys. That is the case only before the first fetch.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of that name.
    pub(super) fn get(&self, kid: &str) -> Option<&Key> {
        self.keys.get(kid)
    }

    /// Whether a key of that name is published, but not for RS256 signatures.
    pub(super) fn is_unfit(&self, kid: &str) -> bool {
        self.unfit.contains(kid)
    }
}

fn named(jwk: &str) -> Option<Jwk> {
    let jwk: Jwk = serde_json::from_str(jwk).ok()?;
    (!jwk.kid.is_empty() && jwk.kid.len() <= MAX_KID_BYTES).then_some(jwk)
}

/// The value of a public key: two keys are equal only if both numbers are equal.
#[derive(PartialEq, Eq)]
struct Numbers {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

fn usable(jwk: Jwk) -> Option<(Numbers, Key)> {
    let is_for_signatures = jwk.kty == "RSA"
        && jwk.usage.is_none_or(|usage| usage == "sig")
        && jwk.alg.is_none_or(|alg| alg == "RS256")
        && jwk.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !is_for_signatures {
        return None;
    }
    let modulus = unsigned(&jwk.n?)?;
    let exponent = unsigned(&jwk.e?)?;
    let is_sound = MODULUS_BYTES.contains(&modulus.len())
        && (modulus.len() > *MODULUS_BYTES.start() || modulus.first()? & 0x80 != 0)
        && modulus.last()? & 1 == 1
        && exponent.len() <= MAX_EXPONENT_BYTES
        && exponent.last()? & 1 == 1
        && exponent != [1];
    let decoding = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    is_sound.then_some((Numbers { modulus, exponent }, Key { decoding, issuer: jwk.issuer }))
}

/// A number in base64url. RFC 7518 forbids leading zeros, but some providers write them: they are removed.
fn unsigned(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn jwk(kid: &str, n_bytes: usize, with: Value) -> Value {
        let mut key =
            json!({ "kty": "RSA", "kid": kid, "n": URL_SAFE_NO_PAD.encode(vec![0xff; n_bytes]), "e": "AQAB" });
        key.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        key
    }

    fn kids(keys: &[Value]) -> Vec<String> {
        let good = jwk("good", 256, json!({ "use": "sig", "alg": "RS256", "x5c": ["x"], "endorsements": [] }));
        let mut all = vec![good];
        all.extend_from_slice(keys);
        let set = KeySet::read(json!({ "keys": all }).to_string().as_bytes(), None).unwrap();
        let mut kids: Vec<String> = set.keys.into_keys().collect();
        kids.sort();
        kids
    }

    #[test]
    fn keys_that_are_not_for_rs256_are_passed_over() {
        let (small, even) =
            (jwk("x", 255, json!({})), jwk("x", 256, json!({ "n": URL_SAFE_NO_PAD.encode([0xfe; 256]) })));
        for bad in [
            jwk("x", 256, json!({ "use": "enc" })),
            jwk("x", 256, json!({ "alg": "RS512" })),
            jwk("x", 256, json!({ "kty": "EC" })),
            jwk("x", 256, json!({ "key_ops": ["encrypt"] })),
            jwk("x", 256, json!({ "e": "AQ" })),
            jwk("x", 256, json!({ "n": "not base64url!" })),
            jwk("x", 1025, json!({})),
            jwk("", 256, json!({})),
            jwk(&"k".repeat(257), 256, json!({})),
            json!(7),
            json!({ "kid": "x" }),
            small,
            even,
        ] {
            assert_eq!(kids(std::slice::from_ref(&bad)), ["good"], "{bad}");
        }
        assert_eq!(kids(&[jwk("more", 512, json!({}))]), ["good", "more"]);
    }

    #[test]
    fn two_keys_of_one_name_are_none_and_one_told_twice_is_one() {
        assert_eq!(
            kids(&[jwk("twice", 256, json!({})), jwk("twice", 512, json!({})), jwk("twice", 256, json!({}))]),
            ["good"]
        );
        assert_eq!(kids(&[jwk("good", 256, json!({}))]), ["good"]);
    }

    #[test]
    fn a_key_with_another_exponent_is_another_key() {
        let other = jwk("twice", 256, json!({ "e": "Aw" }));
        assert_eq!(kids(&[jwk("twice", 256, json!({})), other.clone()]), ["good"]);
        assert_eq!(kids(&[other.clone(), jwk("twice", 256, json!({}))]), ["good"]);
        assert_eq!(kids(&[other.clone(), other]), ["good", "twice"]);
    }

    #[test]
    fn a_document_without_keys_or_with_too_many_is_refused() {
        for bad in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":7}"#] {
            assert!(KeySet::read(bad.as_bytes(), None).is_err(), "{bad}");
        }
        let many = vec![jwk("x", 256, json!({})); MAX_KEYS + 1];
        assert!(KeySet::read(json!({ "keys": many }).to_string().as_bytes(), None).is_err());
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic(
            document in prop::collection::vec(any::<u8>(), 0..300), n in ".{0,50}", e in ".{0,10}",
        ) {
            let _ = KeySet::read(&document, None);
            let key = json!({ "keys": [{ "kty": "RSA", "kid": "k", "n": n, "e": e }] });
            let _ = KeySet::read(key.to_string().as_bytes(), None);
        }
    }
}
