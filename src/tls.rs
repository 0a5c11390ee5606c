//! Outgoing TLS: one provider (aws-lc), the system's root certificates.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// The client side of TLS, built once: reading the system's certificates takes milliseconds.
///
/// # Errors
/// The provider supports no TLS version that rustls knows; the caller can do nothing about it.
pub fn client_config() -> Result<ClientConfig, rustls::Error> {
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
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(roots))
        .with_no_client_auth())
}
