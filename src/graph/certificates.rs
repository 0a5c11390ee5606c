//! The private keys for encrypted content, by the `encryptionCertificateId` of the subscription.
//!
//! **Invariants**
//! 1. An id from outside is looked up in a map and nowhere else.
//! 2. Keys are parsed once, at the start.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;

use crate::config;
use crate::domain::Reason;

/// The longest certificate id (<https://learn.microsoft.com/graph/api/resources/subscription>).
const MAX_ID_CHARS: usize = 128;

/// A configured certificate that cannot be used; the config must be fixed.
#[derive(Debug, thiserror::Error)]
#[error("subscriptions.certificates[{index}].{key}: {why}")]
pub struct CertificateError {
    index: usize,
    key: &'static str,
    why: &'static str,
}

/// The configured keys.
#[derive(Debug)]
pub(super) struct Certificates(HashMap<String, Certificate>);

#[derive(Debug)]
struct Certificate {
    key: Arc<OaepPrivateDecryptingKey>,
    thumbprint: Option<String>,
}

impl Certificates {
    /// Parses the configured keys.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub(super) fn new(configured: &[config::Certificate]) -> Result<Self, CertificateError> {
        let mut certificates = HashMap::with_capacity(configured.len());
        for (index, certificate) in configured.iter().enumerate() {
            let key = parse(certificate.private_key.expose_secret().as_bytes()).map_err(|why| CertificateError {
                index,
                key: "private_key",
                why,
            })?;
            let thumbprint = certificate.thumbprint.clone();
            let it = Certificate { key: Arc::new(key), thumbprint };
            if certificates.insert(certificate.id.clone(), it).is_some() {
                return Err(CertificateError { index, key: "id", why: "another certificate has this id" });
            }
        }
        Ok(Self(certificates))
    }

    /// The key for an item that names a certificate and, mostly, its thumbprint.
    ///
    /// # Errors
    /// [`Reason::CertUnknown`].
    pub(super) fn find(&self, id: &str, thumbprint: Option<&str>) -> Result<Arc<OaepPrivateDecryptingKey>, Reason> {
        if id.chars().count() > MAX_ID_CHARS {
            return Err(Reason::CertUnknown);
        }
        let certificate = self.0.get(id).ok_or(Reason::CertUnknown)?;
        match (&certificate.thumbprint, thumbprint) {
            (Some(ours), Some(theirs)) if !ours.eq_ignore_ascii_case(theirs) => Err(Reason::CertUnknown),
            _ => Ok(Arc::clone(&certificate.key)),
        }
    }
}

fn parse(pem: &[u8]) -> Result<OaepPrivateDecryptingKey, &'static str> {
    const UNUSABLE: &str = "the key is not an RSA private key of 2048 to 8192 bits";
    let found = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_none| "found no private key in PEM, expected PKCS#8 or PKCS#1, not encrypted")?;
    let key = match &found {
        PrivateKeyDer::Pkcs8(der) => PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => {
            let pair = KeyPair::from_der(der.secret_pkcs1_der()).map_err(|_rejected| UNUSABLE)?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_unspecified| UNUSABLE)?;
            PrivateDecryptingKey::from_pkcs8(der.as_ref())
        }
        _ => return Err("found an elliptic-curve key, expected RSA: Graph encrypts with RSA"),
    };
    key.ok().and_then(|key| OaepPrivateDecryptingKey::new(key).ok()).ok_or(UNUSABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::testing::identity::{pem, pkcs1, rsa_key};
    use secrecy::SecretString;

    fn configured(id: &str, private_key: String, thumbprint: Option<&str>) -> config::Certificate {
        config::Certificate {
            id: id.into(),
            private_key: SecretString::from(private_key),
            thumbprint: thumbprint.map(Into::into),
        }
    }

    #[test]
    fn both_kinds_of_pem_are_read() {
        let der = rsa_key();
        let (new, old) = (pem("PRIVATE KEY", der), pem("RSA PRIVATE KEY", pkcs1(der)));
        let ring = Certificates::new(&[configured("a", new, None), configured("b", old, None)]).unwrap();
        assert!(ring.find("a", None).is_ok() && ring.find("b", Some("AB")).is_ok());
    }

    #[test]
    fn a_key_that_cannot_be_used_is_told_with_its_path() {
        let good = configured("a", pem("PRIVATE KEY", rsa_key()), None);
        let text = |second| Certificates::new(&[good.clone(), second]).unwrap_err().to_string();
        let none = text(configured("b", "hello".into(), None));
        assert!(none.starts_with("subscriptions.certificates[1].private_key: found no private key"), "{none}");
        let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(text(configured("b", broken.into(), None)).contains("not an RSA private key"));
        assert!(text(good.clone()).starts_with("subscriptions.certificates[1].id:"));
    }

    #[test]
    fn ids_are_looked_up_exactly_and_thumbprints_must_not_differ() {
        let ring = Certificates::new(&[configured("a", pem("PRIVATE KEY", rsa_key()), Some("00FF"))]).unwrap();
        assert!(ring.find("a", Some("00ff")).is_ok() && ring.find("a", None).is_ok());
        for (id, thumbprint) in [("a", Some("00FE")), ("A", None), ("../a", None), ("", None), (&"a".repeat(129), None)]
        {
            assert_eq!(ring.find(id, thumbprint).map(|_| ()), Err(Reason::CertUnknown));
        }
    }
}
