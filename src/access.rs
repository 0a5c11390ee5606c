//! Who may use the admin listener.
//!
//! **Invariants**
//! 1. Without configured tokens only a request that names a loopback host is served: a page in the operator's browser
//!    cannot reach the listener under a name of its own (DNS rebinding).
//! 2. Tokens are compared by their SHA-256 in constant time, and every configured one is compared.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{AdminToken, Scope};

/// Decides who may use the admin listener.
#[derive(Clone, Debug)]
pub struct Access {
    tokens: Vec<AdminToken>,
}

/// Why a request may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The `Host` header names another host: 403.
    Host,
    /// No token, or none that is configured: 401.
    Token,
    /// The token does not open this: 403.
    Scope,
}

impl Access {
    /// With these tokens; none: loopback only, with every scope but `recordings`.
    pub fn new(tokens: Vec<AdminToken>) -> Self {
        Self { tokens }
    }

    /// Whether `request` may use what `scope` opens.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn check(&self, request: &HttpRequest, scope: Scope) -> Result<(), Denied> {
        if self.tokens.is_empty() {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            return match (is_loopback(host), scope) {
                (false, _) => Err(Denied::Host),
                (true, Scope::Recordings) => Err(Denied::Scope),
                (true, _) => Ok(()),
            };
        }
        let mut values = request.headers().get_all(AUTHORIZATION);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(Denied::Token) };
        let token = bearer(value.as_bytes()).ok_or(Denied::Token)?;
        let scopes = self.scopes(token).ok_or(Denied::Token)?;
        if scopes.contains(&scope) { Ok(()) } else { Err(Denied::Scope) }
    }

    /// Whether a token is needed; otherwise the `Host` decides.
    pub fn needs_token(&self) -> bool {
        !self.tokens.is_empty()
    }

    fn scopes(&self, token: &[u8]) -> Option<&[Scope]> {
        self.known(token).map(|known| known.scopes.as_slice())
    }

    /// The configured token that this one is.
    pub fn known(&self, token: &[u8]) -> Option<&AdminToken> {
        let sha256 = Sha256::digest(token);
        let mut found = None;
        for known in &self.tokens {
            if bool::from(known.sha256.ct_eq(sha256.as_slice())) {
                found = Some(known);
            }
        }
        found
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_loopback_names_are_loopback() {
        for good in ["127.0.0.1:8081", "localhost", "LOCALHOST:1", "[::1]:8081", "127.8.8.8"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in ["", "evil.example:8081", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    fn with_token() -> Access {
        let sha256 = Sha256::digest(b"open sesame").into();
        Access::new(vec![AdminToken { name: "ops".into(), sha256, scopes: vec![Scope::Read] }])
    }

    #[test]
    fn a_token_opens_its_scopes_only() {
        let request = TestRequest::default().insert_header((AUTHORIZATION, "Bearer open sesame")).to_http_request();
        assert_eq!(with_token().check(&request, Scope::Read), Ok(()));
        assert_eq!(with_token().check(&request, Scope::Admin), Err(Denied::Scope));
    }

    #[test]
    fn a_wrong_or_a_missing_token_is_denied() {
        for value in ["Bearer open sesam", "Basic open sesame", "Bearer "] {
            let request = TestRequest::default().insert_header((AUTHORIZATION, value)).to_http_request();
            assert_eq!(with_token().check(&request, Scope::Read), Err(Denied::Token), "{value}");
        }
        assert_eq!(with_token().check(&TestRequest::default().to_http_request(), Scope::Read), Err(Denied::Token));
    }
}
