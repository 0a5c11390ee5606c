//! Keys and signatures of Standard Webhooks over `id.timestamp.body`, one for each key: `v1`, HMAC-SHA256 with a secret that the
//! receiver has too; and `v1a`, ed25519 with a private key, of which the receiver has the public half
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme>).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header that carries them.
pub const HEADER: &str = "webhook-signature";
/// What a secret that both sides have begins with.
const SHARED: &str = "whsec_";
/// What a private key begins with, and its public one.
const PRIVATE: &str = "whsk_";
const PUBLIC: &str = "whpk_";
const EXPECTED: &str =
    "expected whsec_ and 24 to 64 bytes in base64, or whsk_ and an ed25519 private key (32 or 64 bytes) in base64";
/// The bytes of an ed25519 private key without its public one.
const SEED_BYTES: usize = 32;

/// What signs.
pub enum Key {
    /// A secret that the receiver has too.
    Shared(Hmac<Sha256>),
    /// A private key.
    Private(Box<Ed25519KeyPair>),
}

/// Signs with every configured key: during a rotation the receiver may know the old one or the new one.
pub struct Signer {
    keys: Vec<Key>,
}

impl Signer {
    /// With these keys.
    pub fn new(keys: Vec<Key>) -> Self {
        Self { keys }
    }

    /// The value of `webhook-signature`; `None` where no key is configured.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let begun = format!("{id}.{timestamp}.");
        let signatures: Vec<String> = self.keys.iter().map(|key| key.signature(begun.as_bytes(), body)).collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

impl Key {
    fn signature(&self, begun: &[u8], body: &[u8]) -> String {
        match self {
            Self::Shared(key) => {
                let mut mac = key.clone();
                mac.update(begun);
                mac.update(body);
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Self::Private(key) => format!("v1a,{}", STANDARD.encode(key.sign(&[begun, body].concat()))),
        }
    }
}

/// Reads a key: `whsec_` and 24 to 64 bytes in base64; or `whsk_` and an ed25519 private key, alone or with its public key
/// after it, in base64.
///
/// # Errors
/// What was found, without the secret.
pub fn key(secret: &SecretString) -> Result<Key, String> {
    let text = secret.expose_secret();
    if let Some(encoded) = text.strip_prefix(SHARED) {
        return shared(&decoded(SHARED, encoded)?).map(Key::Shared);
    }
    match text.strip_prefix(PRIVATE) {
        Some(encoded) => private(&decoded(PRIVATE, encoded)?).map(|key| Key::Private(Box::new(key))),
        None => Err(format!("found a secret that begins with neither whsec_ nor whsk_, {EXPECTED}")),
    }
}

/// The public key of a private one, as receivers are given it: `whpk_` and 32 bytes in base64.
///
/// # Errors
/// What was found, without the secret.
pub fn public_key(private: &SecretString) -> Result<String, String> {
    match key(private)? {
        Key::Private(key) => Ok(format!("{PUBLIC}{}", STANDARD.encode(key.public_key()))),
        Key::Shared(_) => Err("found a whsec_ secret, which both sides have, expected a private key: whsk_..".into()),
    }
}

fn decoded(prefix: &str, encoded: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let key = STANDARD.decode(encoded).map(Zeroizing::new);
    key.map_err(|_| format!("found {prefix} and text that is not base64, {EXPECTED}"))
}

fn shared(key: &[u8]) -> Result<Hmac<Sha256>, String> {
    if !(24..=64).contains(&key.len()) {
        return Err(format!("found whsec_ and {} bytes, {EXPECTED}", key.len()));
    }
    Hmac::new_from_slice(key).map_err(|error| error.to_string())
}

fn private(key: &[u8]) -> Result<Ed25519KeyPair, String> {
    match key.split_at_checked(SEED_BYTES) {
        Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|error| format!("found whsk_ and an unusable key ({error}), {EXPECTED}")),
        Some((seed, public)) if public.len() == SEED_BYTES => Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .map_err(|_| format!("found whsk_ and a public key that does not belong to the private one, {EXPECTED}")),
        _ => Err(format!("found whsk_ and {} bytes, {EXPECTED}", key.len())),
    }
}

/// How somebody who has a secret may write it: with its prefix, without it, and decoded, if that is text.
pub fn spellings(secret: &SecretString) -> Vec<SecretString> {
    let mut spellings = vec![secret.clone()];
    let text = secret.expose_secret();
    if let Some(encoded) = text.strip_prefix(SHARED).or_else(|| text.strip_prefix(PRIVATE)) {
        spellings.push(SecretString::from(encoded));
        let decoded = STANDARD.decode(encoded).ok().and_then(|key| String::from_utf8(key).ok());
        spellings.extend(decoded.map(SecretString::from));
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_example_is_signed_as_published() {
        let signer = Signer::new(vec![key(&SECRET.into()).unwrap()]);
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    /// The example of Svix's server, which the specification refers to.
    const PRIVATE_KEY: &str =
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC_KEY: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    const SIGNED: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

    #[test]
    fn the_published_example_of_a_private_key_is_signed_as_published_with_and_without_its_public_key() {
        let pair = STANDARD.decode(PRIVATE_KEY.strip_prefix(PRIVATE).unwrap()).unwrap();
        let seed = format!("{PRIVATE}{}", STANDARD.encode(&pair[..SEED_BYTES]));
        for private in [PRIVATE_KEY, &seed] {
            let signer = Signer::new(vec![key(&private.into()).unwrap()]);
            let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
            assert_eq!(signature.as_deref(), Some(SIGNED));
            assert_eq!(public_key(&private.into()).as_deref(), Ok(PUBLIC_KEY));
        }
        assert!(public_key(&SECRET.into()).is_err());
    }

    #[test]
    fn a_secret_and_a_private_key_sign_beside_each_other() {
        let signer = Signer::new(vec![key(&SECRET.into()).unwrap(), key(&PRIVATE_KEY.into()).unwrap()]);
        let signatures = signer.sign("a", 1, b"").unwrap();
        let versions: Vec<&str> = signatures.split(' ').filter_map(|it| Some(it.split_once(',')?.0)).collect();
        assert_eq!(versions, ["v1", "v1a"]);
    }

    #[test]
    fn every_secret_signs() {
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let signer = Signer::new(vec![key(&SECRET.into()).unwrap(), key(&other.into()).unwrap()]);
        assert_eq!(signer.sign("a", 1, b"").unwrap().split(' ').filter(|it| it.starts_with("v1,")).count(), 2);
        assert_eq!(Signer::new(Vec::new()).sign("a", 1, b""), None);
    }

    #[test]
    fn a_secret_of_another_form_is_refused_without_being_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        let other_pair = format!("whsk_{}", STANDARD.encode([7; 64]));
        for wrong in
            ["canary", "whsec_", "whsec_canary!", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &short, &long, &other_pair]
        {
            let error = key(&wrong.into()).err().unwrap();
            assert!(error.contains("expected whsec_") && !error.contains("canary"), "{error}");
        }
    }
}
