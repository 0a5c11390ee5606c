//! A key that the simulator signs with.

use std::sync::Arc;

use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A key pair and the name that it is published under.
pub(super) struct SigningKey {
    pub kid: String,
    pub pair: RsaKeyPair,
}

impl SigningKey {
    pub(super) fn new(pair: RsaKeyPair) -> Arc<Self> {
        let kid = URL_SAFE_NO_PAD.encode(&Sha256::digest(pair.public_key().as_ref())[..20]);
        Arc::new(Self { kid, pair })
    }

    pub(super) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }
}
