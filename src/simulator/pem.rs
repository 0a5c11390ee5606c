//! Private keys in PEM files: read where they are, made where they are missing.
//!
//! **Invariants**
//! 1. A file that is made here is readable by its owner alone, and appears whole or not at all.
//! 2. Of two processes that make the same file at once, both use the key of the first.

use std::io::Write;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::SimulatorError;

/// Makes an RSA-2048 key pair.
pub(super) fn generate() -> Result<RsaKeyPair, SimulatorError> {
    RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_unspecified| SimulatorError::Crypto("make an RSA key"))
}

/// The private key as PEM (PKCS#8).
pub(super) fn encode(pair: &RsaKeyPair) -> Result<Zeroizing<String>, SimulatorError> {
    let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_unspecified| SimulatorError::Crypto("encode a key"))?;
    Ok(Zeroizing::new(armour("PRIVATE KEY", der.as_ref())))
}

/// DER between its PEM lines.
pub(super) fn armour(label: &str, der: &[u8]) -> String {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (index, character) in base64.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str(&format!("\n-----END {label}-----\n"));
    pem
}

/// The key in a file; where there is no file, a new key is put there, mode 0600.
pub(super) fn read_or_make(path: &Path) -> Result<RsaKeyPair, SimulatorError> {
    if !path.exists() {
        make(path)?;
    }
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|cause| failed(path, cause))?;
    decode(&text).map_err(|found| SimulatorError::NotAKey { path: path.to_owned(), found })
}

/// Puts another key into a file.
pub(super) fn replace(path: &Path, pair: &RsaKeyPair) -> Result<(), SimulatorError> {
    let file = written_beside(path, pair)?;
    file.persist(path).map(drop).map_err(|error| failed(path, error.error))
}

fn make(path: &Path) -> Result<(), SimulatorError> {
    let file = written_beside(path, &generate()?)?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(path, error.error)),
        _ => Ok(()),
    }
}

/// A key in a temporary file in the folder of `path`. Such files are made with mode 0600.
fn written_beside(path: &Path, pair: &RsaKeyPair) -> Result<tempfile::NamedTempFile, SimulatorError> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
    let pem = encode(pair)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|cause| failed(folder, cause))?;
    file.write_all(pem.as_bytes()).map_err(|cause| failed(path, cause))?;
    Ok(file)
}

fn failed(path: &Path, cause: std::io::Error) -> SimulatorError {
    SimulatorError::File { path: path.to_owned(), cause }
}

fn decode(text: &str) -> Result<RsaKeyPair, String> {
    let der = |label: &str| -> Option<Result<Zeroizing<Vec<u8>>, String>> {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (base64, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let base64: Zeroizing<String> = Zeroizing::new(base64.split_ascii_whitespace().collect());
        Some(STANDARD.decode(base64.as_bytes()).map(Zeroizing::new).map_err(|error| error.to_string()))
    };
    if let Some(der) = der("PRIVATE KEY") {
        return RsaKeyPair::from_pkcs8(&der?).map_err(|error| error.to_string());
    }
    match der("RSA PRIVATE KEY") {
        Some(der) => RsaKeyPair::from_der(&der?).map_err(|error| error.to_string()),
        None => Err("no private key between PEM lines".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use aws_lc_rs::signature::KeyPair;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key.pem");
        let made = read_or_make(&path).unwrap();
        let found = read_or_make(&path).unwrap();
        assert_eq!(made.public_key().as_ref(), found.public_key().as_ref());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&path).unwrap().lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn a_file_without_a_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            std::fs::write(&path, text).unwrap();
            let error = read_or_make(&path).unwrap_err().to_string();
            assert!(error.contains("key.pem") && error.contains("expected an RSA private key"), "{error}");
        }
    }
}
