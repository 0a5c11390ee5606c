//! Who a sink is for a service of a cloud: the table `auth`, and the token of a session. Nothing is taken from the
//! environment that the config does not name.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use secrecy::SecretString;

use super::auth::{Auth, Login, Method};
use super::{DeliveryError, reason};
use crate::config::{RotatingSecret, Section};

/// AWS, and what speaks its protocols: a key and its secret.
pub const ACCESS_KEY: Method = Method { name: Some("access_key_id"), secret: "secret_access_key" };

/// What the config says about who the sink is.
pub struct Credentials {
    auth: Option<Auth>,
    session_token: Option<RotatingSecret>,
}

impl Credentials {
    /// Reads the keys. `methods` are those of the table `auth`.
    pub fn read(section: &mut Section<'_>, methods: &'static [Method]) -> Self {
        let auth = Auth::read(section, methods);
        let session_token = section.rotating_secret("session_token");
        if section.has("session_token") && !section.has("auth") {
            section.mistake(
                "session_token",
                "found it without auth, expected the key and the secret of the session there",
            );
        }
        Self { auth, session_token }
    }

    /// The table `auth`.
    pub fn auth(&self) -> Option<&Auth> {
        self.auth.as_ref()
    }

    /// The login as it is now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: a secret cannot be read any more.
    pub fn login(&self) -> Result<Option<Login>, DeliveryError> {
        self.auth.as_ref().map(Auth::login).transpose()
    }

    /// The session's token as it is now.
    ///
    /// # Errors
    /// As [`Credentials::login`].
    pub fn session_token(&self) -> Result<Option<SecretString>, DeliveryError> {
        let failed = |error| reason::retry_all(&format!("session_token: {error}"));
        self.session_token.as_ref().map(RotatingSecret::now).transpose().map_err(failed)
    }
}
