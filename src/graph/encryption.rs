//! `encryptedContent` (<https://learn.microsoft.com/graph/change-notifications-with-resource-data>): RSA-OAEP (SHA-1)
//! unwraps a key, HMAC-SHA256 over the ciphertext is checked with it, AES-256-CBC (PKCS#7) decrypts.
//!
//! The signature does not verify the sender: everybody with our certificate can make one. The tokens verify the sender,
//! before this code runs.
//!
//! **Invariants**
//! 1. Nothing is decrypted if its signature is wrong.
//! 2. Any fault in a key, a signature, a padding or an encoding gives [`Reason::EncInvalid`], by one code path: an
//!    unusable key is replaced by a random one.

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, AES_256_KEY_LEN, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::certificates::Certificates;
use super::dialects::Dialects;
use super::payload::Object;
use crate::domain::Reason;

/// Keys that must not be repeated, because their meaning would be unclear.
const KEYS: &[&str] =
    &["data", "dataKey", "dataSignature", "encryptionCertificateId", "encryptionCertificateThumbprint"];
/// The bytes of an initialisation vector: the start of the key.
const IV_BYTES: usize = 16;

/// Encrypted content, decoded, with the key that opens it.
pub(super) struct Encrypted {
    key: Arc<OaepPrivateDecryptingKey>,
    data_key: Vec<u8>,
    signature: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Encrypted {
    /// Reads `encryptedContent` and finds its key.
    ///
    /// # Errors
    /// [`Reason::CertUnknown`], [`Reason::EncInvalid`], [`Reason::JsonDuplicate`], or [`Reason::Shape`].
    pub(super) fn read(content: &str, certificates: &Certificates) -> Result<Self, Reason> {
        let content = Object::read(content)?;
        if content.repeats(KEYS) {
            return Err(Reason::JsonDuplicate);
        }
        let text = |key| content.text(key, &mut Dialects::default());
        let id = text("encryptionCertificateId")?.ok_or(Reason::CertUnknown)?;
        let key = certificates.find(&id, text("encryptionCertificateThumbprint")?.as_deref())?;
        let decoded = |key| STANDARD.decode(text(key)?.unwrap_or_default().as_bytes()).map_err(|_| Reason::EncInvalid);
        Ok(Self {
            key,
            data_key: decoded("dataKey")?,
            signature: decoded("dataSignature")?,
            ciphertext: decoded("data")?,
        })
    }

    /// Decrypts. Takes a third of a millisecond of a core at 2048 bits, 2 ms at 4096.
    ///
    /// # Errors
    /// [`Reason::EncInvalid`].
    pub(super) fn open(self) -> Result<Vec<u8>, Reason> {
        let key = self.unwrap_key()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).map_err(|_| Reason::EncInvalid)?;
        mac.update(&self.ciphertext);
        mac.verify_slice(&self.signature).map_err(|_| Reason::EncInvalid)?;
        decrypt(&key, self.ciphertext).ok_or(Reason::EncInvalid)
    }

    /// The content's key; a random one if there is none, so that the next step fails as for any wrong key.
    fn unwrap_key(&self) -> Result<Zeroizing<[u8; AES_256_KEY_LEN]>, Reason> {
        let mut key = Zeroizing::new([0; AES_256_KEY_LEN]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| Reason::EncInvalid)?;
        let mut plain = Zeroizing::new(vec![0; self.key.min_output_size()]);
        if let Ok(unwrapped) = self.key.decrypt(&OAEP_SHA1_MGF1SHA1, &self.data_key, &mut plain, None)
            && unwrapped.len() == key.len()
        {
            key.copy_from_slice(unwrapped);
        }
        Ok(key)
    }
}

fn decrypt(key: &[u8; AES_256_KEY_LEN], mut ciphertext: Vec<u8>) -> Option<Vec<u8>> {
    let iv: [u8; IV_BYTES] = key.get(..IV_BYTES)?.try_into().ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key).ok()?).ok()?;
    let n = key.decrypt(&mut ciphertext, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?.len();
    ciphertext.truncate(n);
    Some(ciphertext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::testing::{self, Sealing};
    use proptest::prelude::*;
    use serde_json::json;

    fn open(content: &serde_json::Value) -> Result<Vec<u8>, Reason> {
        Encrypted::read(&content.to_string(), &testing::certificates())?.open()
    }

    #[test]
    fn what_was_encrypted_is_decrypted() {
        for n in [0, 1, 15, 16, 17, 5000] {
            let plain = vec![b'x'; n];
            assert_eq!(open(&testing::seal(&plain)).as_deref(), Ok(plain.as_slice()), "{n} bytes");
        }
    }

    #[test]
    fn whatever_is_wrong_is_one_reason() {
        for broken in [
            Sealing { flip_data: true, ..Sealing::default() },
            Sealing { flip_signature: true, ..Sealing::default() },
            Sealing { flip_key: true, ..Sealing::default() },
            Sealing { oaep_sha256: true, ..Sealing::default() },
            Sealing { bad_padding: true, ..Sealing::default() },
            Sealing { key_bytes: 31, ..Sealing::default() },
            Sealing { key_bytes: 64, ..Sealing::default() },
        ] {
            assert_eq!(open(&testing::seal_with(b"{}", broken)), Err(Reason::EncInvalid), "{broken:?}");
        }
    }

    #[test]
    fn encodings_are_strict() {
        let good = testing::seal(b"{}");
        for key in ["data", "dataKey", "dataSignature"] {
            let text = good[key].as_str().unwrap();
            for bad in
                [format!(" {text}"), format!("{text}\n"), text.trim_end_matches('=').to_owned() + "-", String::new()]
            {
                let mut content = good.clone();
                content[key] = json!(bad);
                assert_eq!(open(&content), Err(Reason::EncInvalid), "{key} {bad}");
            }
            let mut content = good.clone();
            content.as_object_mut().unwrap().remove(key);
            assert_eq!(open(&content), Err(Reason::EncInvalid), "without {key}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_ours_is_told_apart() {
        for id in [json!("cert-2"), json!("../../key.pem"), json!(null), json!("x".repeat(129))] {
            let mut content = testing::seal(b"{}");
            content["encryptionCertificateId"] = id;
            assert_eq!(open(&content), Err(Reason::CertUnknown));
        }
    }

    #[test]
    fn a_repeated_key_is_refused() {
        let text = r#"{"data":"","data":"","encryptionCertificateId":"cert-1"}"#;
        let refused = Encrypted::read(text, &testing::certificates()).map(|_| ());
        assert_eq!(refused, Err(Reason::JsonDuplicate));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_content_makes_it_panic(
            data in ".{0,80}", key in "[A-Za-z0-9+/]{0,400}", signature in "[A-Za-z0-9+/=]{0,60}",
        ) {
            let _ = open(&json!({
                "data": data, "dataKey": key, "dataSignature": signature, "encryptionCertificateId": "cert-1",
            }));
        }
    }
}
