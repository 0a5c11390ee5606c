//! The signature of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, once for each secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header that carries it.
pub(super) const HEADER: &str = "webhook-signature";

/// Signs with every configured secret: during a rotation the receiver may know the old one or the new one.
pub(super) struct Signer {
    keys: Vec<Hmac<Sha256>>,
}

impl Signer {
    pub(super) fn new(keys: Vec<Hmac<Sha256>>) -> Self {
        Self { keys }
    }

    /// The value of `webhook-signature`; `None` where no secret is configured.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let signatures: Vec<String> = self.keys.iter().map(|key| signature(key, id, timestamp, body)).collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

fn signature(key: &Hmac<Sha256>, id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = key.clone();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Reads a secret: `whsec_` and 24 to 64 bytes in base64.
///
/// # Errors
/// What was found, without the secret.
pub(super) fn key(secret: &SecretString) -> Result<Hmac<Sha256>, String> {
    let expected = "expected whsec_ and 24 to 64 bytes in base64";
    let Some(encoded) = secret.expose_secret().strip_prefix("whsec_") else {
        return Err(format!("found a secret that does not begin with whsec_, {expected}"));
    };
    let Ok(key) = STANDARD.decode(encoded).map(Zeroizing::new) else {
        return Err(format!("found whsec_ and text that is not base64, {expected}"));
    };
    if !(24..=64).contains(&key.len()) {
        return Err(format!("found {} bytes, {expected}", key.len()));
    }
    Hmac::new_from_slice(&key).map_err(|error| error.to_string())
}

/// How somebody who has a secret may write it: with its prefix, without it, and decoded, if that is text.
pub(super) fn spellings(secret: &SecretString) -> Vec<SecretString> {
    let mut spellings = vec![secret.clone()];
    if let Some(encoded) = secret.expose_secret().strip_prefix("whsec_") {
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
        for wrong in ["canary", "whsec_", "whsec_canary!", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &short, &long] {
            let error = key(&wrong.into()).unwrap_err();
            assert!(error.contains("expected whsec_") && !error.contains("canary"), "{error}");
        }
    }
}
