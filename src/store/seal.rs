//! Sealing: AES-256-GCM over whatever may hold a secret, before it reaches the disk.
//!
//! **Invariants**
//! 1. A sealed value opens only under the label and the id it was sealed under: rows cannot be swapped.
//! 2. Keys for other purposes are derived (HMAC-SHA256 over a label), so that none of them reveals anything about this
//!    one.
//! 3. A nonce is random and new for each value (12 bytes; far below 2^32 values a key is safe, NIST SP 800-38D 8.3).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::StoreError;
use crate::config::{SecretError, SecretSource};

/// The key's length.
const KEY_BYTES: usize = 32;

/// Seals and opens.
pub struct Seal {
    key: RandomizedNonceKey,
    /// HMAC under the same key, from which the other keys are derived.
    derivation: Hmac<Sha256>,
}

impl Seal {
    /// The configured key, or the key file beside the store, which is made on the first start.
    ///
    /// # Errors
    /// The key is not 32 bytes in base64; its file cannot be read or made, or other users can read it.
    pub fn new(configured: Option<&SecretString>, store: &Path) -> Result<Self, StoreError> {
        let key = match configured {
            Some(text) => decode(text.expose_secret(), "store.encryption_key")?,
            None => beside(store)?,
        };
        Self::with(&key)
    }

    /// The key of a store that several processes share: each is given it by its config.
    ///
    /// # Errors
    /// There is none, or it is not 32 bytes in base64.
    #[cfg(feature = "store-postgres")]
    pub fn of_shared_key(configured: Option<&SecretString>) -> Result<Self, StoreError> {
        let Some(text) = configured else {
            return Err(StoreError::Unusable(
                "store.encryption_key: found none, expected the key of the store: all processes that share it need the \
                 same one; `head -c 32 /dev/urandom | base64` makes one"
                    .into(),
            ));
        };
        Self::with(&decode(text.expose_secret(), "store.encryption_key")?)
    }

    fn with(key: &[u8]) -> Result<Self, StoreError> {
        let derivation = Hmac::new_from_slice(key)
            .map_err(|_length| StoreError::Unusable("the encryption key was refused by HMAC-SHA256".into()))?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key)
            .map_err(|_unspecified| StoreError::Unusable("the encryption key was refused by AES-256-GCM".into()))?;
        Ok(Self { key, derivation })
    }

    /// Whether [`Seal::new`] would find its key, or make one for a new store. Makes nothing.
    ///
    /// # Errors
    /// As [`Seal::new`].
    pub fn check(configured: Option<&SecretString>, store: &Path) -> Result<(), StoreError> {
        match configured {
            None if !store.exists() && !key_path(store).exists() => Ok(()),
            configured => Self::new(configured, store).map(drop),
        }
    }

    /// A key for another purpose, named by its label. It stays the same as long as the store's key does.
    pub fn sub_key(&self, label: &str) -> [u8; 32] {
        let mut derived = self.derivation.clone();
        derived.update(b"reelhook sub key 1\0");
        derived.update(label.as_bytes());
        derived.finalize().into_bytes().into()
    }

    /// Seals `parts`, one after the other, under a label and an id: nonce, ciphertext, tag.
    ///
    /// # Errors
    /// The cryptographic provider failed; the caller can do nothing about it.
    pub fn seal(&self, label: &str, id: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, StoreError> {
        let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
        let mut sealed = Vec::with_capacity(NONCE_LEN + n_bytes + AES_256_GCM.tag_len());
        sealed.resize(NONCE_LEN, 0);
        for part in parts {
            sealed.extend_from_slice(part);
        }
        let (nonce, tag) = self
            .key
            .seal_in_place_separate_tag(Aad::from(aad(label, id)), &mut sealed[NONCE_LEN..])
            .map_err(|_unspecified| StoreError::Database("sealing failed".into()))?;
        sealed[..NONCE_LEN].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Seal::seal`] made under the same label and id.
    ///
    /// # Errors
    /// The value was sealed with another key or for another row, or it is damaged.
    pub fn open(&self, label: &str, id: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || {
            StoreError::Database(format!(
                "a sealed {label} cannot be opened: it was damaged, or sealed with another key; is store.encryption_key \
                 (or the .key file beside the store) the one it was written with?"
            ))
        };
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_length| damaged())?;
        let mut body = body.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(aad(label, id)), &mut body);
        let n = opened.map_err(|_unspecified| damaged())?.len();
        body.truncate(n);
        Ok(body)
    }
}

fn aad(label: &str, id: &[u8]) -> Vec<u8> {
    [label.as_bytes(), &[0], id].concat()
}

fn decode(text: &str, place: &str) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let key = Zeroizing::new(STANDARD.decode(text.trim()).unwrap_or_default());
    if key.len() == KEY_BYTES {
        return Ok(key);
    }
    Err(StoreError::Unusable(format!(
        "{place}: expected 32 bytes in base64, found something else; `head -c 32 /dev/urandom | base64` makes one"
    )))
}

/// `<store>.key`.
fn key_path(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".key");
    PathBuf::from(path)
}

fn beside(store: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let path = key_path(store);
    let unusable = |problem: String| StoreError::Unusable(format!("{}: {problem}", path.display()));
    let not_found = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    match SecretSource::File(path.clone()).read() {
        Ok(key) => decode(key.expose_secret(), &path.display().to_string()),
        Err(SecretError::Unreadable { error, .. }) if not_found(&error) && !store.exists() => {
            make(&path).map_err(|error| unusable(format!("cannot make the key: {error}")))
        }
        Err(SecretError::Unreadable { error, .. }) if not_found(&error) => Err(unusable(
            "the store exists but its key does not: put the key back, or move the store away to begin a new one".into(),
        )),
        Err(error) => Err(StoreError::Unusable(error.to_string())),
    }
}

fn make(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut key).map_err(|_unspecified| std::io::Error::other("no randomness"))?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(Zeroizing::new(STANDARD.encode(&*key)).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn seal() -> Seal {
        Seal::new(Some(&STANDARD.encode([7u8; 32]).into()), Path::new("unused")).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_under_its_own_label_and_id_only() {
        let sealed = seal().seal("raw", b"1", &[b"sec", b"ret"]).unwrap();
        assert_eq!(seal().open("raw", b"1", &sealed).unwrap(), b"secret");
        assert!(seal().open("raw", b"2", &sealed).is_err());
        assert!(seal().open("token", b"1", &sealed).is_err());
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut sealed = seal().seal("raw", b"1", &[b"sec", b"ret"]).unwrap();
        for at in 0..sealed.len() {
            sealed[at] ^= 1;
            assert!(seal().open("raw", b"1", &sealed).is_err());
            sealed[at] ^= 1;
        }
        assert!(seal().open("raw", b"1", b"short").is_err());
    }

    #[test]
    fn the_key_beside_the_store_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reelhook.db");
        let sealed = Seal::new(None, &store).unwrap().seal("raw", b"1", &[b"x"]).unwrap();
        assert_eq!(Seal::new(None, &store).unwrap().open("raw", b"1", &sealed).unwrap(), b"x");
        let path = key_path(&store);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Seal::new(None, &store), Err(StoreError::Unusable(text)) if text.contains("644")));
    }

    #[test]
    fn a_key_that_a_mount_opened_to_this_processs_own_group_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reelhook.db");
        let sealed = Seal::new(None, &store).unwrap().seal("raw", b"1", &[b"x"]).unwrap();
        for mode in [0o640, 0o660] {
            std::fs::set_permissions(key_path(&store), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Seal::new(None, &store).unwrap().open("raw", b"1", &sealed).unwrap(), b"x", "{mode:o}");
        }
    }

    #[test]
    fn a_sub_key_is_its_labels_and_its_keys_alone() {
        let key = |text: &str| SecretString::from(STANDARD.encode(text.repeat(32)));
        let folder = tempfile::tempdir().unwrap();
        let seal = |text| Seal::new(Some(&key(text)), folder.path()).unwrap();
        assert_eq!(seal("a").sub_key("pages"), seal("a").sub_key("pages"));
        assert_ne!(seal("a").sub_key("pages"), seal("a").sub_key("other"));
        assert_ne!(seal("a").sub_key("pages"), seal("b").sub_key("pages"));
    }

    #[test]
    fn a_check_makes_no_key_and_finds_what_is_wrong_with_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reelhook.db");
        Seal::check(None, &store).unwrap();
        assert!(!key_path(&store).exists());
        std::fs::write(&store, b"").unwrap();
        assert!(matches!(Seal::check(None, &store), Err(StoreError::Unusable(_))), "the store's key is gone");
        assert!(matches!(Seal::check(Some(&"short".into()), &store), Err(StoreError::Unusable(_))));
    }

    #[test]
    fn a_store_whose_key_is_gone_is_not_given_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("reelhook.db");
        std::fs::write(&store, b"").unwrap();
        assert!(matches!(Seal::new(None, &store), Err(StoreError::Unusable(_))));
    }
}
