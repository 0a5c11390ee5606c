//! How the small receiver decrypts content.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reelhook::simulator::Certificate;
use serde_json::{Value, json};
use sha2::Sha256;

pub struct Content {
    private: OaepPrivateDecryptingKey,
    id: String,
    fault: &'static str,
}

impl Content {
    pub fn new(certificate: &Certificate, fault: &'static str) -> Self {
        let pem = certificate.private_key_pem().unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let private = PrivateDecryptingKey::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap();
        Self { private: OaepPrivateDecryptingKey::new(private).unwrap(), id: certificate.id().into(), fault }
    }

    /// The resource; `None` if it is not for this certificate, or not as it was signed.
    pub fn read(&self, encrypted: &Value) -> Option<Value> {
        if encrypted["encryptionCertificateId"] != self.id.as_str() {
            return None;
        }
        if self.fault == "encrypted-delivers-the-decrypted-content" {
            return Some(json!({}));
        }
        let bytes = |name: &str| STANDARD.decode(encrypted[name].as_str()?).ok();
        let mut key = vec![0; self.private.min_output_size()];
        let key = self.private.decrypt(&OAEP_SHA1_MGF1SHA1, &bytes("dataKey")?, &mut key, None).ok()?.to_vec();
        let mut data = bytes("data")?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(&data);
        if self.fault != "encrypted-refuses-broken-signatures" {
            mac.verify_slice(&bytes("dataSignature")?).ok()?;
        }
        let iv: [u8; 16] = key.get(..16)?.try_into().ok()?;
        let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).ok()?).ok()?;
        let plain = cipher.decrypt(&mut data, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?;
        serde_json::from_slice(plain).ok()
    }
}
