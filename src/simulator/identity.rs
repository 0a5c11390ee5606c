//! The simulator's identity: the keys that it signs with and publishes.
//!
//! **Invariants**
//! 1. A `kid` is made of the public key, so that runs which share a key share its `kid`.
//! 2. A key signs only while it is current, and is published until it is retired.
//! 3. The key in an identity's folder is the one that signs: runs that begin after a rotation share the new key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use jiff::Timestamp;
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::signing_key::SigningKey;
use super::token::Token;
use super::{SimulatorError, pem};
use crate::clock::Clock;

/// The application that publishes change notifications
/// (<https://learn.microsoft.com/graph/change-notifications-with-resource-data>).
pub const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// How long a calling token lives, as in Microsoft's sample, in seconds.
const CALLS_LIFETIME: i64 = 3900;
/// How long a validation token lives, as in Microsoft's sample, in seconds.
const VALIDATION_LIFETIME: i64 = 29_100;
/// The name of the key file in an identity folder.
const KEY_FILE: &str = "signing-key.pem";

/// Signs tokens. Clones share their keys.
#[derive(Clone)]
pub struct Identity {
    keys: Arc<RwLock<Keys>>,
    file: Option<PathBuf>,
    clock: Clock,
}

struct Keys {
    current: Arc<SigningKey>,
    former: Vec<Arc<SigningKey>>,
    reach: Reach,
}

/// Whether the published keys can be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// They can.
    #[default]
    Up,
    /// Who asks for them is answered 503.
    Down,
    /// Who asks for them gets no answer.
    Silent,
}

impl Reach {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Silent => "silent",
        }
    }
}

impl Identity {
    /// An identity with a new key, kept in memory.
    ///
    /// # Errors
    /// The cryptography library made no key.
    pub fn new(clock: Clock) -> Result<Self, SimulatorError> {
        Ok(Self::with_key(pem::generate()?, None, clock))
    }

    /// An identity whose key is kept in a folder, so that several runs share it. It is made where it is missing.
    ///
    /// # Errors
    /// The key file cannot be read or written, or holds no key: the text names it.
    pub fn in_folder(folder: &Path, clock: Clock) -> Result<Self, SimulatorError> {
        let file = folder.join(KEY_FILE);
        Ok(Self::with_key(pem::read_or_make(&file)?, Some(file), clock))
    }

    /// Another identity with the same clock: it signs with a key that nobody publishes.
    ///
    /// # Errors
    /// The cryptography library made no key.
    pub fn stranger(&self) -> Result<Self, SimulatorError> {
        Self::new(self.clock.clone())
    }

    fn with_key(pair: RsaKeyPair, file: Option<PathBuf>, clock: Clock) -> Self {
        let keys = Keys { current: SigningKey::new(pair), former: Vec::new(), reach: Reach::Up };
        Self { keys: Arc::new(RwLock::new(keys)), file, clock }
    }

    /// Its time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Its time for timers.
    pub fn steady(&self) -> Timestamp {
        self.clock.steady()
    }

    /// The name of the key that signs now.
    pub fn kid(&self) -> String {
        self.keys.read().current.kid.clone()
    }

    /// Signs with a new key from now on; the former ones stay published.
    ///
    /// # Errors
    /// The cryptography library made no key, or the folder's file cannot be written; the former key goes on.
    pub fn rotate(&self) -> Result<(), SimulatorError> {
        let pair = pem::generate()?;
        if let Some(file) = &self.file {
            pem::replace(file, &pair)?;
        }
        let next = SigningKey::new(pair);
        let mut keys = self.keys.write();
        let former = std::mem::replace(&mut keys.current, next);
        keys.former.push(former);
        Ok(())
    }

    /// Publishes the current key alone.
    pub fn retire_former(&self) {
        self.keys.write().former.clear();
    }

    /// Whether the published keys can be fetched from now on.
    pub fn set_reach(&self, reach: Reach) {
        self.keys.write().reach = reach;
    }

    /// Whether the published keys can be fetched.
    pub fn reach(&self) -> Reach {
        self.keys.read().reach
    }

    /// The names of all published keys, the current one first.
    pub fn kids(&self) -> Vec<String> {
        let keys = self.keys.read();
        std::iter::once(&keys.current).chain(&keys.former).map(|key| key.kid.clone()).collect()
    }

    /// What the key set's address serves.
    pub fn key_set(&self) -> Value {
        let keys = self.keys.read();
        let all: Vec<Value> = std::iter::once(&keys.current).chain(&keys.former).map(|key| key.jwk()).collect();
        json!({ "keys": all })
    }

    /// The public key that signs now, in DER (X.509): what a key confusion attack signs with.
    ///
    /// # Errors
    /// The cryptography library could not encode it.
    pub fn public_key_der(&self) -> Result<Vec<u8>, SimulatorError> {
        let keys = self.keys.read();
        let der: PublicKeyX509Der<'_> =
            keys.current.pair.public_key().as_der().map_err(|_unspecified| SimulatorError::Crypto("encode a key"))?;
        Ok(der.as_ref().to_vec())
    }

    /// The same in PEM.
    ///
    /// # Errors
    /// The cryptography library could not encode it.
    pub fn public_key_pem(&self) -> Result<String, SimulatorError> {
        Ok(pem::armour("PUBLIC KEY", &self.public_key_der()?))
    }

    /// The bearer token of the calling platform, for a bot and a tenant.
    pub fn calls_token(&self, app_id: &str, tenant: &str) -> Token {
        self.token(CALLS_LIFETIME)
            .claim("aud", app_id)
            .claim("iss", "https://api.botframework.com")
            .claim("tid", tenant)
    }

    /// A validation token of version 1: the publisher is in `appid`.
    pub fn validation_token_v1(&self, app_id: &str, tenant: &str) -> Token {
        self.token(VALIDATION_LIFETIME)
            .claim("aud", app_id)
            .claim("iss", format!("https://sts.windows.net/{tenant}/"))
            .claim("appid", PUBLISHER)
            .claim("appidacr", "2")
            .claim("tid", tenant)
            .claim("ver", "1.0")
    }

    /// A validation token of version 2: the publisher is in `azp`.
    pub fn validation_token_v2(&self, app_id: &str, tenant: &str) -> Token {
        self.token(VALIDATION_LIFETIME)
            .claim("aud", app_id)
            .claim("iss", format!("https://login.microsoftonline.com/{tenant}/v2.0"))
            .claim("azp", PUBLISHER)
            .claim("azpacr", "2")
            .claim("tid", tenant)
            .claim("ver", "2.0")
    }

    fn token(&self, lifetime: i64) -> Token {
        let now = self.clock.now().as_second();
        Token::new(Arc::clone(&self.keys.read().current))
            .claim("iat", now)
            .claim("nbf", now)
            .claim("exp", now + lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kids(identity: &Identity) -> Vec<String> {
        let set = identity.key_set();
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_rotated_key_stays_published_until_it_is_retired() {
        let identity = Identity::new(Clock::system()).unwrap();
        let first = identity.kid();
        identity.rotate().unwrap();
        let second = identity.kid();
        assert_ne!(first, second);
        assert_eq!(kids(&identity), [second.clone(), first]);
        identity.retire_former();
        assert_eq!(kids(&identity), [second]);
    }

    #[test]
    fn runs_that_share_a_folder_share_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let one = Identity::in_folder(folder.path(), Clock::system()).unwrap();
        let other = Identity::in_folder(folder.path(), Clock::system()).unwrap();
        assert_eq!(one.kid(), other.kid());
        assert_ne!(one.kid(), Identity::new(Clock::system()).unwrap().kid());
        one.rotate().unwrap();
        assert_ne!(one.kid(), other.kid());
        assert_eq!(one.kid(), Identity::in_folder(folder.path(), Clock::system()).unwrap().kid());
    }
}
