//! Who the sink is for the service: the table `auth`, and the token of a session.

use secrecy::SecretString;

use crate::config::{RotatingSecret, Section};
use crate::sinks::auth::{Auth, Login, Method};
use crate::sinks::{DeliveryError, reason};

/// S3: a key and its secret.
const ACCESS_KEY: Method = Method { name: Some("access_key_id"), secret: "secret_access_key" };
/// Azure: the key of the account.
const ACCOUNT_KEY: Method = Method { name: None, secret: "account_key" };
/// Azure: a shared access signature.
pub(super) const SAS: Method = Method { name: None, secret: "sas" };

/// What the config says about who the sink is. Nothing is taken from the environment that the config does not name.
pub(super) struct Credentials {
    auth: Option<Auth>,
    session_token: Option<RotatingSecret>,
}

impl Credentials {
    /// Reads the keys.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let auth = Auth::read(section, &[ACCESS_KEY, ACCOUNT_KEY, SAS]);
        let session_token = section.rotating_secret("session_token");
        if section.has("session_token") && !section.has("auth") {
            section.mistake(
                "session_token",
                "found it without auth, expected the key and the secret of the session there",
            );
        }
        Self { auth, session_token }
    }

    /// The login as it is now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: a secret cannot be read any more.
    pub(super) fn login(&self) -> Result<Option<Login>, DeliveryError> {
        self.auth.as_ref().map(Auth::login).transpose()
    }

    /// The session's token as it is now.
    ///
    /// # Errors
    /// As [`Credentials::login`].
    pub(super) fn session_token(&self) -> Result<Option<SecretString>, DeliveryError> {
        let failed = |error| reason::retry_all(&format!("session_token: {error}"));
        self.session_token.as_ref().map(RotatingSecret::now).transpose().map_err(failed)
    }
}
