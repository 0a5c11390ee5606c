//! The key of a service account, as Google writes it, and the assertion by which a token is asked for
//! (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// How long the assertion holds, in seconds: the most that Google takes.
const LIFETIME: i64 = 3600;

/// What a key's file has.
#[derive(Deserialize)]
pub(super) struct ServiceAccount {
    client_email: String,
    private_key: SecretString,
    #[serde(default)]
    private_key_id: Option<String>,
    token_uri: String,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Reads a key's file. A text shows nothing of it.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn parse(text: &SecretString) -> Result<Self, String> {
        let expected = "expected the JSON of a service account's key, with client_email, private_key and token_uri";
        // The error's text may repeat a part of the key.
        let account: Self =
            serde_json::from_str(text.expose_secret()).map_err(|_shown| format!("found something else, {expected}"))?;
        account.key().map(|_key| ())?;
        match account.token_endpoint() {
            Some(_url) => Ok(account),
            None => Err(format!("found a token_uri that is no address of the web, {expected}")),
        }
    }

    /// Where a token is asked for.
    pub(super) fn token_endpoint(&self) -> Option<Url> {
        Url::parse(&self.token_uri).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    }

    /// An assertion that holds from `now` on, in seconds since 1970: a JSON Web Token, signed by RS256. `scope` is what the
    /// token is good for.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(super) fn assertion(&self, scope: &str, now: i64) -> Result<SecretString, String> {
        let header = Header { alg: "RS256", typ: "JWT", kid: self.private_key_id.as_deref() };
        let (iss, aud) = (&*self.client_email, &*self.token_uri);
        let claims = Claims { iss, scope, aud, iat: now, exp: now + LIFETIME };
        let signed = format!("{}.{}", part(&header), part(&claims));
        let key = self.key()?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_shown| "the private key cannot sign".to_owned())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }

    fn key(&self) -> Result<RsaKeyPair, String> {
        let der = PrivateKeyDer::from_pem_slice(self.private_key.expose_secret().as_bytes());
        let key = der.ok().and_then(|der| match der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            _ => None,
        });
        key.ok_or_else(|| "found no RSA key in private_key, expected one in PEM (PKCS #8)".to_owned())
    }
}

/// A part of a token.
fn part(json: &impl Serialize) -> String {
    // What is written has no maps with other keys than texts.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(json).unwrap_or_default())
}
