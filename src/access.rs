//! Decides who may use the admin listener.
//!
//! **Invariants**
//! 1. Without configured tokens a request is served only if all of this holds: it names a loopback host (a page in the
//!    operator's browser cannot reach the listener under its own name by DNS rebinding); no proxy forwarded it (or
//!    everybody who reaches the proxy could use the listener); and no page of another site caused it, not even to read.
//! 2. Tokens are compared by their SHA-256 in constant time, and every configured one is compared.
//! 3. A request that may change something is denied if a browser sends it for a page of another origin, whatever else
//!    it contains.
//! 4. A reload replaces all tokens at once. Sessions and streams of a token that is gone end ([`Access::still_admits`]).

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{AdminToken, Scope};
use crate::connections;
use crate::web::{bearer, loopback};

/// Decides who may use the admin listener.
#[derive(Debug)]
pub struct Access {
    tokens: ArcSwap<Vec<AdminToken>>,
}

/// A client that may use the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: Arc<str>,
    scopes: Vec<Scope>,
    /// The SHA-256 of its token; `None`: no token was needed.
    sha256: Option<[u8; 32]>,
}

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The `Host` header names a host that is not loopback: 403.
    Host,
    /// A page of another origin sends it: to change something, or without tokens to read: 403.
    Origin,
    /// A proxy forwarded it, and there are no tokens: 403.
    Forwarded,
    /// No token, or one that is not configured: 401.
    Token,
    /// The token does not have this scope: 403.
    Scope(Scope),
}

impl Caller {
    /// The name of its token; `loopback` if no tokens are configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

impl Access {
    /// Access with these tokens. Without tokens: loopback only, with every scope but `recordings`.
    pub fn new(tokens: Vec<AdminToken>) -> Self {
        Self { tokens: ArcSwap::from_pointee(tokens) }
    }

    /// From now on these tokens open it.
    pub fn replace(&self, tokens: Vec<AdminToken>) {
        self.tokens.store(tokens.into());
    }

    /// Whether somebody who was let in would be let in now, with the same scopes.
    pub fn still_admits(&self, caller: &Caller) -> bool {
        let tokens = self.tokens.load();
        match caller.sha256 {
            None => tokens.is_empty(),
            Some(sha256) => tokens
                .iter()
                .any(|known| known.sha256 == sha256 && *known.name == *caller.name && known.scopes == caller.scopes),
        }
    }

    /// The sender of `request`, if it has the scope.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn check(&self, request: &HttpRequest, scope: Scope) -> Result<Caller, Denied> {
        let caller = self.caller(request.headers())?;
        if !request.method().is_safe() && is_from_elsewhere(request.headers()) {
            return Err(Denied::Origin);
        }
        connections::prove(request);
        if caller.may(scope) { Ok(caller) } else { Err(Denied::Scope(scope)) }
    }

    /// Whether a token is needed; if not, the `Host` decides.
    pub fn needs_token(&self) -> bool {
        !self.tokens.load().is_empty()
    }

    /// The owner of this token; `None` if it is not configured.
    pub fn owner(&self, token: &[u8]) -> Option<Caller> {
        let sha256 = Sha256::digest(token);
        let mut found = None;
        for known in self.tokens.load().iter() {
            if bool::from(known.sha256.ct_eq(sha256.as_slice())) {
                let (name, scopes) = (known.name.as_str().into(), known.scopes.clone());
                found = Some(Caller { name, scopes, sha256: Some(known.sha256) });
            }
        }
        found
    }

    /// The sender of a request with these headers. Its scopes and its origin are not checked.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        if !self.needs_token() {
            let scopes = vec![Scope::Read, Scope::Write, Scope::Admin];
            return match () {
                () if !loopback::is_host(host(headers)) => Err(Denied::Host),
                () if is_forwarded(headers) => Err(Denied::Forwarded),
                () if is_cross_site(headers) => Err(Denied::Origin),
                () => Ok(Caller { name: "loopback".into(), scopes, sha256: None }),
            };
        }
        let mut values = headers.get_all(AUTHORIZATION);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(Denied::Token) };
        let token = bearer::token(value.as_bytes()).ok_or(Denied::Token)?;
        self.owner(token).ok_or(Denied::Token)
    }
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Whether a proxy forwarded it: proxies add one of these headers.
fn is_forwarded(headers: &HeaderMap) -> bool {
    let is_of_proxies =
        |name: &str| matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-");
    headers.keys().any(|name| is_of_proxies(name.as_str()))
}

/// Whether the browser says that a page of another site caused it.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").any(|site| site.as_bytes() == b"cross-site")
}

/// Whether the browser says that a page of another origin sends it. Other clients do not send the header
/// (<https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>).
///
/// Browsers send `Sec-Fetch-Site` to hosts that they trust (https and loopback), and that decides. Others get `Origin`
/// alone: a page of this server names its own origin there, since its referrer policy is `same-origin`.
pub fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").peekable();
    if sites.peek().is_some() {
        return sites.any(|site| site.as_bytes() != b"same-origin");
    }
    headers.get_all(ORIGIN).any(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        // A TLS proxy may be in front.
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        own.is_none_or(|own| !own.eq_ignore_ascii_case(host(headers)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn with_token() -> Access {
        let sha256 = Sha256::digest(b"open sesame").into();
        Access::new(vec![AdminToken { name: "ops".into(), sha256, scopes: vec![Scope::Read] }])
    }

    #[test]
    fn a_token_opens_its_scopes_only() {
        let request = TestRequest::default().insert_header((AUTHORIZATION, "Bearer open sesame")).to_http_request();
        let caller = with_token().check(&request, Scope::Read).unwrap();
        assert_eq!((caller.name(), caller.may(Scope::Admin)), ("ops", false));
        assert_eq!(with_token().check(&request, Scope::Admin), Err(Denied::Scope(Scope::Admin)));
    }

    #[test]
    fn a_wrong_or_a_missing_token_is_denied() {
        for value in ["Bearer open sesam", "Basic open sesame", "Bearer "] {
            let request = TestRequest::default().insert_header((AUTHORIZATION, value)).to_http_request();
            assert_eq!(with_token().check(&request, Scope::Read), Err(Denied::Token), "{value}");
        }
        assert_eq!(with_token().check(&TestRequest::default().to_http_request(), Scope::Read), Err(Denied::Token));
    }

    #[test]
    fn a_token_that_was_replaced_opens_nothing_and_its_sessions_end() {
        let access = with_token();
        let caller = access.owner(b"open sesame").unwrap();
        assert!(access.still_admits(&caller));
        let other = |token: &str, scope| AdminToken {
            name: "ops".into(),
            sha256: Sha256::digest(token).into(),
            scopes: vec![scope],
        };
        for tokens in [vec![other("another", Scope::Read)], vec![other("open sesame", Scope::Write)], Vec::new()] {
            access.replace(tokens);
            assert!(!access.still_admits(&caller));
        }
        assert!(access.owner(b"open sesame").is_none());
        access.replace(vec![other("another", Scope::Write), other("open sesame", Scope::Read)]);
        assert!(access.still_admits(&caller));
    }

    fn changing(headers: &[(&'static str, &'static str)]) -> Result<(), Denied> {
        let mut request = TestRequest::post().insert_header((HOST, "localhost:8081"));
        for header in headers {
            request = request.insert_header(*header);
        }
        Access::new(Vec::new()).check(&request.to_http_request(), Scope::Write).map(|_caller| ())
    }

    #[test]
    fn what_another_origin_wants_changed_is_denied() {
        assert_eq!(changing(&[]), Ok(()));
        assert_eq!(changing(&[("origin", "http://LOCALHOST:8081"), ("sec-fetch-site", "same-origin")]), Ok(()));
        for origin in
            ["http://evil.example", "http://localhost", "http://localhost:8082", "null", "", "ftp://localhost:8081"]
        {
            assert_eq!(changing(&[("origin", origin)]), Err(Denied::Origin), "{origin}");
        }
        for site in ["cross-site", "same-site", "none", ""] {
            assert_eq!(changing(&[("sec-fetch-site", site)]), Err(Denied::Origin), "{site}");
            let own = ("origin", "http://localhost:8081");
            assert_eq!(changing(&[("sec-fetch-site", site), own]), Err(Denied::Origin), "{site}");
        }
        assert_eq!(changing(&[("sec-fetch-site", "same-origin"), ("origin", "null")]), Ok(()));
    }

    #[test]
    fn loopback_alone_does_not_open_recordings() {
        let request = TestRequest::get().insert_header((HOST, "localhost")).to_http_request();
        let denied = Err(Denied::Scope(Scope::Recordings));
        assert_eq!(Access::new(Vec::new()).check(&request, Scope::Recordings), denied);
        assert!(Access::new(Vec::new()).check(&request, Scope::Admin).is_ok());
    }

    #[test]
    fn without_tokens_nothing_is_served_that_a_proxy_sent_on_or_another_site_caused() {
        let looking = |header: (&'static str, &'static str)| {
            let request = TestRequest::get().insert_header((HOST, "localhost")).insert_header(header);
            Access::new(Vec::new()).check(&request.to_http_request(), Scope::Read).map(|_caller| ())
        };
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-x", "via"] {
            assert_eq!(looking((name, "1.1 proxy")), Err(Denied::Forwarded), "{name}");
        }
        assert_eq!(looking(("sec-fetch-site", "cross-site")), Err(Denied::Origin));
        for site in ["none", "same-origin", "same-site"] {
            assert_eq!(looking(("sec-fetch-site", site)), Ok(()), "{site}");
        }
        let bearer = (AUTHORIZATION, "Bearer open sesame");
        let request = TestRequest::get().insert_header(bearer).insert_header(("x-forwarded-for", "192.0.2.1"));
        assert!(with_token().check(&request.to_http_request(), Scope::Read).is_ok(), "a token proves who it is");
    }
}
