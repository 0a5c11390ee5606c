//! How a sink's connection is encrypted: the table `tls`. Its files are read again for each new connection, so that new
//! certificates need no restart.

#![cfg_attr(not(feature = "all-sinks"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::fs;
use std::path::PathBuf;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::{ExposeSecret, SecretString};

use super::{DeliveryError, reason};
use crate::config::value::{name, path};
use crate::config::{Reading, RotatingSecret, Section};
use crate::tls::{Trust, client_config_of};

/// The most bytes of a file of certificates.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What the config says about encryption.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Only these authorities are trusted; without it the system's.
    ca: Option<PathBuf>,
    /// The certificate by which the far side knows reelhook.
    identity: Option<(PathBuf, RotatingSecret)>,
    /// The name that the far side's certificate must have, if it is not the host's.
    server_name: Option<ServerName<'static>>,
}

/// The certificates and the key as texts in PEM, for a client with a TLS of its own.
#[derive(Clone, Debug)]
pub struct Pem {
    /// Only these authorities are trusted; `None`: the system's.
    pub ca: Option<String>,
    /// The certificate by which the server knows reelhook, and its key.
    pub identity: Option<(String, SecretString)>,
}

impl Tls {
    /// Reads the table `tls`. `None`: there is no such table, or a mistake was noted.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let mut section = section.section("tls")?;
        let ca = section.read("ca", path());
        let certificate = section.read("certificate", path());
        let key = section.rotating_secret("key");
        let server_name = section.read("server_name", server_name());
        for (there, missing) in [("certificate", "key"), ("key", "certificate")] {
            if section.has(there) && !section.has(missing) {
                section.mistake(missing, format!("found nothing beside {there}, expected both or none of them"));
            }
        }
        let tls = Self { ca, identity: certificate.zip(key), server_name };
        for (key, wrong) in tls.wrong_files() {
            section.mistake(key, wrong);
        }
        Some(tls)
    }

    /// The configuration for a new connection.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: a file cannot be read, or holds something else.
    pub fn client_config(&self) -> Result<ClientConfig, DeliveryError> {
        self.config().map_err(|error| reason::retry_all(&format!("tls: {error}")))
    }

    /// The same as texts.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: a file cannot be read, or holds something else.
    pub fn pem(&self) -> Result<Pem, DeliveryError> {
        self.texts().map_err(|error| reason::retry_all(&format!("tls: {error}")))
    }

    /// Whether the certificate must have another name than that of the host. Not every client can look for one.
    pub fn has_server_name(&self) -> bool {
        self.server_name.is_some()
    }

    fn texts(&self) -> Result<Pem, String> {
        let ca = self.ca.as_ref().map(pem_of).transpose()?;
        let identity = match &self.identity {
            Some((certificate, key)) => {
                private_key(key)?;
                Some((pem_of(certificate)?, key.now().map_err(|error| error.to_string())?))
            }
            None => None,
        };
        Ok(Pem { ca, identity })
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let authorities = self.ca.as_ref().map(certificates).transpose()?;
        let identity = match &self.identity {
            Some((certificate, key)) => Some((certificates(certificate)?, private_key(key)?)),
            None => None,
        };
        let trust = Trust { authorities, server_name: self.server_name.clone() };
        client_config_of(trust, identity).map_err(|error| error.to_string())
    }

    /// The keys whose files cannot be used, and why.
    fn wrong_files(&self) -> Vec<(&'static str, String)> {
        let ca = self.ca.as_ref().and_then(|file| certificates(file).err());
        let certificate = self.identity.as_ref().and_then(|(file, _)| certificates(file).err());
        let key = self.identity.as_ref().and_then(|(_, key)| private_key(key).err());
        let wrong = [("ca", ca), ("certificate", certificate), ("key", key)];
        wrong.into_iter().filter_map(|(name, wrong)| Some((name, wrong?))).collect()
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read_file(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("found no certificate in {}, expected certificates in PEM", file.display())),
    }
}

/// The text of a file of certificates.
fn pem_of(file: &PathBuf) -> Result<String, String> {
    certificates(file)?;
    Ok(String::from_utf8_lossy(&read_file(file)?).into_owned())
}

fn private_key(key: &RotatingSecret) -> Result<PrivateKeyDer<'static>, String> {
    let text = key.now().map_err(|error| error.to_string())?;
    PrivateKeyDer::from_pem_slice(text.expose_secret().as_bytes())
        .map_err(|_shown| "found no private key, expected one in PEM".to_owned())
}

fn read_file(file: &PathBuf) -> Result<Vec<u8>, String> {
    let unreadable = |error: &dyn std::fmt::Display| {
        format!("found {error} for {}, expected a file that this process can read", file.display())
    };
    let length = fs::metadata(file).map_err(|error| unreadable(&error))?.len();
    if length > MAX_FILE_BYTES {
        return Err(unreadable(&"more than 1 MiB"));
    }
    fs::read(file).map_err(|error| unreadable(&error))
}

fn server_name() -> Reading<ServerName<'static>> {
    let read = |text: String| {
        ServerName::try_from(text.clone()).map_err(|_error| format!("found {text:?}, expected the name of a host"))
    };
    name(253).then(read, |name: &ServerName<'_>| name.to_str().into_owned().into())
}
