//! Encrypted resource data, made as Graph makes it
//! (<https://learn.microsoft.com/graph/change-notifications-with-resource-data>): AES-256-CBC under a key of its own,
//! whose first half is the IV too, HMAC-SHA256 over the ciphertext, the key wrapped with RSA-OAEP (SHA-1) for the
//! subscription's certificate.

use std::fmt;
use std::path::Path;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Object;
use crate::simulator::{SimulatorError, pem};

/// A subscription's certificate: the public half encrypts, the private one is the receiver's.
pub struct Certificate {
    id: String,
    thumbprint: String,
    public: OaepPublicEncryptingKey,
    private: RsaKeyPair,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The members of `encryptedContent`, open to change.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The ciphertext, in base64.
    pub data: String,
    /// The wrapped key, in base64.
    pub data_key: String,
    /// The HMAC, in base64.
    pub data_signature: String,
    /// Which certificate it is for.
    pub certificate_id: String,
    /// The certificate's fingerprint.
    pub certificate_thumbprint: String,
}

impl Certificate {
    /// A new key pair, kept in memory.
    ///
    /// # Errors
    /// The cryptography library made no key.
    pub fn new(id: &str) -> Result<Self, SimulatorError> {
        Self::with_key(id, pem::generate()?)
    }

    /// The key pair in a PEM file, which is made (mode 0600) where it is missing.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds no RSA key: the text names it.
    pub fn in_file(id: &str, path: &Path) -> Result<Self, SimulatorError> {
        Self::with_key(id, pem::read_or_make(path)?)
    }

    fn with_key(id: &str, private: RsaKeyPair) -> Result<Self, SimulatorError> {
        let der: PublicKeyX509Der<'_> =
            private.public_key().as_der().map_err(|_unspecified| SimulatorError::Crypto("encode a key"))?;
        let public = PublicEncryptingKey::from_der(der.as_ref())
            .map_err(|_rejected| SimulatorError::Crypto("encrypt with this key"))?;
        let public = OaepPublicEncryptingKey::new(public)
            .map_err(|_unspecified| SimulatorError::Crypto("encrypt with this key"))?;
        // Of the public key, since there is no certificate around it; receivers choose by the id.
        let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, der.as_ref());
        let thumbprint = thumbprint.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self { id: id.into(), thumbprint, public, private })
    }

    /// The id that receivers know it by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the receiver is configured with (PEM, PKCS#8).
    ///
    /// # Errors
    /// The cryptography library could not encode it.
    pub fn private_key_pem(&self) -> Result<Zeroizing<String>, SimulatorError> {
        pem::encode(&self.private)
    }

    /// Encrypts a resource under a key of its own.
    ///
    /// # Errors
    /// The cryptography library did not encrypt.
    pub fn encrypt(&self, resource: &[u8]) -> Result<Encrypted, SimulatorError> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut()).map_err(|_unspecified| SimulatorError::Crypto("make a key"))?;
        self.encrypt_under(&key, resource)
    }

    fn encrypt_under(&self, key: &[u8; 32], resource: &[u8]) -> Result<Encrypted, SimulatorError> {
        let failed = |_unspecified| SimulatorError::Crypto("encrypt a resource");
        let mut iv = [0; 16];
        iv.copy_from_slice(&key[..16]);
        let cipher = UnboundCipherKey::new(&AES_256, key).map_err(failed)?;
        let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(cipher).map_err(failed)?;
        let mut ciphertext = resource.to_vec();
        let iv = EncryptionContext::Iv128(FixedLength::from(iv));
        cipher.less_safe_encrypt(&mut ciphertext, iv).map_err(failed)?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key).map_err(|_length| SimulatorError::Crypto("sign a resource"))?;
        mac.update(&ciphertext);
        let mut wrapped = vec![0; self.public.ciphertext_size()];
        self.public.encrypt(&OAEP_SHA1_MGF1SHA1, key, &mut wrapped, None).map_err(failed)?;
        Ok(Encrypted {
            data: STANDARD.encode(ciphertext),
            data_key: STANDARD.encode(wrapped),
            data_signature: STANDARD.encode(mac.finalize().into_bytes()),
            certificate_id: self.id.clone(),
            certificate_thumbprint: self.thumbprint.clone(),
        })
    }
}

impl Encrypted {
    /// The text of `encryptedContent`.
    pub fn text(&self) -> String {
        self.members(true)
    }

    /// The same without `dataSignature`, as some of Microsoft's samples have it.
    pub fn text_without_signature(&self) -> String {
        self.members(false)
    }

    fn members(&self, signed: bool) -> String {
        Object::new()
            .with("data", &*self.data)
            .with("dataKey", &*self.data_key)
            .with_if(signed, "dataSignature", &*self.data_signature)
            .with("encryptionCertificateId", &*self.certificate_id)
            .with("encryptionCertificateThumbprint", &*self.certificate_thumbprint)
            .text()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey};
    use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};

    use super::*;

    fn unwrap_key(certificate: &Certificate, encrypted: &Encrypted) -> Vec<u8> {
        let pem = certificate.private_key_pem().unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let private = PrivateDecryptingKey::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap();
        let private = OaepPrivateDecryptingKey::new(private).unwrap();
        let mut key = vec![0; private.min_output_size()];
        let wrapped = STANDARD.decode(&encrypted.data_key).unwrap();
        private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut key, None).unwrap().to_vec()
    }

    #[test]
    fn what_was_encrypted_can_be_read_with_the_private_key_alone() {
        let certificate = Certificate::new("cert-1").unwrap();
        let encrypted = certificate.encrypt(br#"{"id":"7"}"#).unwrap();
        let key = unwrap_key(&certificate, &encrypted);
        assert_eq!(key.len(), 32);
        let mut ciphertext = STANDARD.decode(&encrypted.data).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(&ciphertext);
        mac.verify_slice(&STANDARD.decode(&encrypted.data_signature).unwrap()).unwrap();
        let iv: [u8; 16] = key[..16].try_into().unwrap();
        let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
        let plain = cipher.decrypt(&mut ciphertext, DecryptionContext::Iv128(FixedLength::from(iv))).unwrap();
        assert_eq!(plain, br#"{"id":"7"}"#);
    }

    #[test]
    fn every_item_has_a_key_of_its_own() {
        let certificate = Certificate::new("cert-1").unwrap();
        let (one, other) = (certificate.encrypt(b"x").unwrap(), certificate.encrypt(b"x").unwrap());
        assert_ne!(unwrap_key(&certificate, &one), unwrap_key(&certificate, &other));
    }
}
