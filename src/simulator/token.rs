//! A JSON Web Token: valid by default, with every part changeable, so that attacks can be made too.
//!
//! It is assembled by hand and signed by aws-lc-rs, not by the library that the receiver verifies with.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::SimulatorError;
use super::signing_key::SigningKey;

/// A token in the making.
#[derive(Clone)]
pub struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    claims_text: Option<String>,
    signing: Signing,
}

#[derive(Clone)]
enum Signing {
    Key(Arc<SigningKey>),
    Nothing,
    Secret(Vec<u8>),
}

impl Token {
    pub(super) fn new(key: Arc<SigningKey>) -> Self {
        let mut header = Map::new();
        header.insert("typ".into(), json!("JWT"));
        header.insert("alg".into(), json!("RS256"));
        header.insert("kid".into(), json!(key.kid));
        Self { header, claims: Map::new(), claims_text: None, signing: Signing::Key(key) }
    }

    /// Sets a claim, of any type.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Moves a claim that is a number, such as `exp`, by so many seconds.
    pub fn shifted(self, name: &str, seconds: i64) -> Self {
        let moved = self.claims.get(name).and_then(Value::as_i64).unwrap_or_default() + seconds;
        self.claim(name, moved)
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Replaces all claims by text as it is: for repeated keys, `1e308`, or what is no JSON at all.
    pub fn claims_text(mut self, text: impl Into<String>) -> Self {
        self.claims_text = Some(text.into());
        self
    }

    /// Sets a member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Leaves a member of the header out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// No signature; `alg` is the word for none in this spelling.
    pub fn unsigned(mut self, none: &str) -> Self {
        self.signing = Signing::Nothing;
        self.header("alg", none)
    }

    /// HS256 with this secret: with the public key as the secret it is the key confusion attack.
    pub fn signed_with_secret(mut self, secret: &[u8]) -> Self {
        self.signing = Signing::Secret(secret.to_vec());
        self.header("alg", "HS256")
    }

    /// The token as text.
    ///
    /// # Errors
    /// The cryptography library did not sign.
    pub fn sign(&self) -> Result<String, SimulatorError> {
        let header = URL_SAFE_NO_PAD.encode(Value::Object(self.header.clone()).to_string());
        let claims = self.claims_text.clone().unwrap_or_else(|| Value::Object(self.claims.clone()).to_string());
        let mut token = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SimulatorError> {
        match &self.signing {
            Signing::Nothing => Ok(Vec::new()),
            Signing::Secret(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret)
                    .map_err(|_length| SimulatorError::Crypto("take a secret of this length"))?;
                mac.update(message);
                Ok(mac.finalize().into_bytes().to_vec())
            }
            Signing::Key(key) => {
                let mut signature = vec![0; key.pair.public_modulus_len()];
                key.pair
                    .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_unspecified| SimulatorError::Crypto("sign a token"))?;
                Ok(signature)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Identity;
    use super::*;
    use crate::clock::Clock;

    fn part(token: &str, index: usize) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn every_part_of_a_token_can_be_made_wrong() {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let good = Identity::new(clock).unwrap().calls_token("app", "tenant");
        let token =
            good.clone().shifted("exp", -10).without("tid").claim("nbf", "soon").header("kid", 7).sign().unwrap();
        let claims: Value = serde_json::from_str(&part(&token, 1)).unwrap();
        assert_eq!(claims["exp"], 1_767_225_600 + 3900 - 10);
        assert_eq!((&claims["nbf"], claims.get("tid")), (&json!("soon"), None));
        assert!(part(&token, 0).contains(r#""kid":7"#));
        assert!(good.clone().unsigned("nOnE").sign().unwrap().ends_with('.'));
        assert_eq!(part(&good.claims_text("{").sign().unwrap(), 1), "{");
    }
}
