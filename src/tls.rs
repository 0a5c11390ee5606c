//! Outgoing TLS: one provider (aws-lc), and by default the system's root certificates.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Whom a connection trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Only these authorities; `None`: the system's.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// The name that the certificate of the other side must have; `None`: that of its host.
    pub server_name: Option<ServerName<'static>>,
}

/// A certificate with those of its authorities, and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The client side of TLS that trusts the system's root certificates.
///
/// # Errors
/// The provider supports no TLS version that rustls knows; the caller can do nothing about it.
pub fn client_config() -> Result<ClientConfig, Error> {
    client_config_of(Trust::default(), None)
}

/// The client side of TLS.
///
/// # Errors
/// A certificate or the key cannot be used.
pub fn client_config_of(trust: Trust, identity: Option<Identity>) -> Result<ClientConfig, Error> {
    let roots = match trust.authorities {
        Some(authorities) => Arc::new(store_of(authorities)?),
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match trust.server_name {
        Some(name) => {
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
            let inner = inner.map_err(|error| Error::General(error.to_string()))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(OtherName { inner, name }))
        }
        None => builder.with_root_certificates(roots),
    };
    match identity {
        Some((certificates, key)) => builder.with_client_auth_cert(certificates, key),
        None => Ok(builder.with_no_client_auth()),
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// The system's, read once: it takes milliseconds.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            tracing::warn!(error = ?found.errors, "no root certificates on this system: no https address can be reached");
        }
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    });
    Arc::clone(roots)
}

fn store_of(authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for authority in authorities {
        store.add(authority)?;
    }
    if store.is_empty() {
        return Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
    }
    Ok(store)
}

/// Checks everything as usual, but the certificate against another name than the host's.
#[derive(Debug)]
struct OtherName {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for OtherName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
