//! How reelhook says who it is. A user and a password go into SASL PLAIN. A key of Service Bus and a token of Entra ID are
//! put to the node `$cbs` once the connection is open (claims-based security); a key makes a token there, a shared access
//! signature
//! (<https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas#generate-a-shared-access-signature-token>).
//!
//! **Invariant**: a signature is made for each connection, and outlives it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::primitives::Timestamp;
use fe2o3_amqp_cbs::client::CbsClient;
use fe2o3_amqp_cbs::token::CbsToken;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp as Instant};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::entra::Token;
use super::{Settings, failure};
use crate::sinks::auth::{Auth, Login, Method, PASSWORD, TOKEN};
use crate::sinks::{DeliveryError, reason};

/// A key of a shared access policy, and the policy's name.
pub(super) const KEY: Method = Method { name: Some("key_name"), secret: "key" };
/// How long a signature holds: longer than a connection is used.
const LIFETIME: SignedDuration = SignedDuration::from_hours(2);
/// The types of tokens.
const SIGNATURE: &str = "servicebus.windows.net:sastoken";
const WEB_TOKEN: &str = "jwt";
/// Every character that may have a meaning in an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Who reelhook is on a new connection.
pub(super) struct Identity {
    /// `None`: nobody.
    pub(super) login: Option<Login>,
    /// Until when it holds, in steady time; `None`: longer than a connection is used, as far as reelhook knows.
    pub(super) until: Option<Instant>,
}

impl Identity {
    /// The login as it is now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is none.
    pub(super) async fn now(settings: &Settings) -> Result<Self, DeliveryError> {
        let Some(entra) = &settings.entra else {
            return Ok(Self { login: settings.auth.as_ref().map(Auth::login).transpose()?, until: None });
        };
        let Token { text, until } = entra.token().await?;
        Ok(Self { login: Some(Login { method: &TOKEN, name: String::new(), secret: text }), until: Some(until) })
    }
}

/// What opens the connection. Who puts a token is nobody until then.
pub(super) fn profile(login: Option<&Login>) -> SaslProfile {
    match login {
        Some(login) if *login.method == PASSWORD => {
            SaslProfile::Plain { username: login.name.clone(), password: login.secret.expose_secret().to_owned() }
        }
        _ => SaslProfile::Anonymous,
    }
}

/// Puts the token of a login that has one, and waits until the server took it.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery: the server refused it.
pub(super) async fn put_token(
    session: &mut SessionHandle<()>,
    settings: &Settings,
    login: &Login,
) -> Result<(), DeliveryError> {
    let resource = format!("sb://{}/{}", settings.url.host_str().unwrap_or_default(), settings.queue);
    let (secret, kind, expires) = if *login.method == KEY {
        let expires = (settings.clock.now() + LIFETIME).as_second();
        (signature(&resource, login, expires)?, SIGNATURE, Some(Timestamp::from_milliseconds(expires * 1000)))
    } else if *login.method == TOKEN {
        (login.secret.clone(), WEB_TOKEN, None)
    } else {
        return Ok(());
    };
    let mut node = CbsClient::attach(session).await.map_err(|error| failure::of_cbs(&error))?;
    let put = node.put_token(resource, CbsToken::new(secret.expose_secret(), kind, expires)).await;
    put.map_err(|error| failure::of_token(&error, &secret))?;
    // It holds for the connection. How the node is left does not matter.
    drop(node.close().await);
    Ok(())
}

/// A shared access signature for a resource, which holds until `expires`, in seconds since 1970.
fn signature(resource: &str, login: &Login, expires: i64) -> Result<SecretString, DeliveryError> {
    let resource = utf8_percent_encode(resource, PLAIN);
    let mac = Hmac::<Sha256>::new_from_slice(login.secret.expose_secret().as_bytes());
    let mut mac = mac.map_err(|error| reason::retry_all(&format!("auth.key: {error}")))?;
    mac.update(format!("{resource}\n{expires}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let (signature, name) = (utf8_percent_encode(&signature, PLAIN), utf8_percent_encode(&login.name, PLAIN));
    Ok(format!("SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={name}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_openssl_makes_of_the_same() {
        let login = Login { method: &KEY, name: "send only".into(), secret: "canary+key=".into() };
        let made = signature("sb://example.servicebus.windows.net/recordings", &login, 1_800_000_000).unwrap();
        // printf '%s\n%s' sb%3A%2F%2Fexample.servicebus.windows.net%2Frecordings 1800000000 |
        //   openssl dgst -sha256 -hmac 'canary+key=' -binary | base64
        let expected = "SharedAccessSignature sr=sb%3A%2F%2Fexample.servicebus.windows.net%2Frecordings\
                        &sig=j%2BUYw72DSinSHwVY9Z0MHw7HdV%2FNdEPCpjqNP6rHAg8%3D&se=1800000000&skn=send%20only";
        assert_eq!(made.expose_secret(), expected);
    }
}
