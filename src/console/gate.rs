//! Decides who may see a page and who may press a button.
//!
//! One cookie, `HttpOnly; SameSite=Strict`, names a session, or without configured tokens just a browser. It is
//! `Secure` if the proxy in front says `X-Forwarded-Proto: https`: otherwise it is not known whether the browser uses
//! https, and a `Secure` cookie over plain http would lock everybody out.
//!
//! **Invariants**
//! 1. Only a POST changes anything, and only if its form carries the proof for the cookie (an HMAC under a key of this
//!    process), and if the browser does not say that another site sent it.
//! 2. Without configured tokens only a loopback `Host` is served ([`crate::access`]).
//! 3. A login gives a new cookie, so a cookie that an attacker planted before is useless.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderName};
use actix_web::web::Data;
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use tokio::sync::Semaphore;

use super::Console;
use super::frame::Frame;
use super::glance::Glances;
use super::problem::Problem;
use super::sessions::Sessions;
use crate::access::{self, Access, Caller};
use crate::bodies::{BodyLimits, Room};
use crate::config::Scope;
use crate::connections;
use crate::domain::Reason;
use crate::sources::{Proxies, Sources};
use crate::telemetry::Sender;

/// The cookie's name.
pub const COOKIE_NAME: &str = "reelhook";
/// The text length of 32 random bytes.
const COOKIE_CHARS: usize = 43;
/// Wrong tokens that one source may try in a minute before it is told to wait.
const LOGINS_PER_MINUTE: u32 = 10;
/// The most live streams at a time: each keeps a connection.
const MAX_STREAMS: usize = 64;
/// The most bytes of the form of a button.
const MAX_FORM_BYTES: usize = 16 << 10;
/// The most bytes of the form of a login: a token, and the address of a page.
const MAX_LOGIN_BYTES: usize = 8 << 10;

/// The running console.
pub struct Desk {
    /// What it shows.
    pub console: Data<Console>,
    /// Who is logged in.
    pub sessions: Sessions,
    /// Places for live streams.
    pub streams: Arc<Semaphore>,
    /// What the store held when a page last looked.
    pub glances: Glances,
    /// Limits for the forms of buttons.
    pub forms: BodyLimits,
    /// Limits for the forms of logins, which anybody may send.
    pub login_forms: BodyLimits,
    logins: Sources,
    proxies: Proxies,
    /// Without random bytes no form is accepted.
    key: Option<hmac::Key>,
}

/// A visitor who may use the console.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The token's name, where tokens are configured.
    pub who: Option<String>,
    /// The cookie's value.
    pub cookie: String,
    /// The proof that a form comes from one of this visitor's pages.
    pub form: String,
    is_new: bool,
    caller: Option<Caller>,
}

impl Desk {
    /// Opens the console.
    pub fn new(console: Data<Console>) -> Self {
        let setup = console.running.now();
        let proxies = Proxies::new(&setup.config.server.trusted_proxies);
        let settings = &setup.config.admin;
        let limits = |max_bytes| BodyLimits {
            max_bytes,
            timeout: settings.body_timeout,
            room: Room::new(settings.max_inflight_bytes),
        };
        Self {
            forms: limits(MAX_FORM_BYTES),
            login_forms: limits(MAX_LOGIN_BYTES),
            console,
            sessions: Sessions::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            glances: Glances::default(),
            logins: Sources::new(LOGINS_PER_MINUTE),
            proxies,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).ok(),
        }
    }

    /// Admits a visitor with the scope.
    ///
    /// # Errors
    /// The answer to give instead.
    pub fn enter(&self, request: &HttpRequest, scope: Scope) -> Result<Visitor, Problem> {
        let visitor = self.visitor(request)?;
        if visitor.may(scope) { Ok(visitor) } else { Err(Problem::Scope(scope)) }
    }

    /// Admits a visitor, whatever the scopes.
    ///
    /// # Errors
    /// The answer to give instead.
    pub fn visitor(&self, request: &HttpRequest) -> Result<Visitor, Problem> {
        if self.console.access.needs_token() {
            let session =
                cookie(request).and_then(|it| Some((self.sessions.touch(&it, self.console.clock.steady())?, it)));
            let session = session.filter(|(session, _)| self.console.access.still_admits(&session.caller));
            let Some((session, cookie)) = session else {
                let path = request.uri().path_and_query().map(|it| it.as_str().to_owned());
                return Err(Problem::Login(path.unwrap_or_default()));
            };
            connections::prove(request);
            let who = Some(session.caller.name().to_owned());
            return Ok(Visitor { who, caller: Some(session.caller), ..self.browser(cookie, false) });
        }
        let caller = self.console.access.caller(request.headers()).map_err(|denied| {
            self.console.rejections.note("admin", Reason::AdminAccess, None);
            Problem::from(denied)
        })?;
        connections::prove(request);
        Ok(Visitor { caller: Some(caller), ..self.stranger(request)? })
    }

    /// Admits a visitor who presses a button; `form` is the form's proof.
    ///
    /// # Errors
    /// The answer to give instead.
    pub fn press(&self, request: &HttpRequest, (scope, form): (Scope, &str)) -> Result<Visitor, Problem> {
        let visitor = self.enter(request, scope)?;
        self.check_form(request, form)?;
        Ok(visitor)
    }

    /// An unknown visitor, for the login page.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn stranger(&self, request: &HttpRequest) -> Result<Visitor, Problem> {
        match cookie(request) {
            Some(cookie) => Ok(self.browser(cookie, false)),
            None => Ok(self.browser(new_cookie()?, true)),
        }
    }

    /// Checks that a form comes from a page of the same browser.
    ///
    /// # Errors
    /// It does not.
    pub fn check_form(&self, request: &HttpRequest, form: &str) -> Result<(), Problem> {
        let proven = cookie(request).zip(self.key.as_ref()).is_some_and(|(cookie, key)| {
            let proof = URL_SAFE_NO_PAD.decode(form).unwrap_or_default();
            hmac::verify(key, cookie.as_bytes(), &proof).is_ok()
        });
        if proven && !access::is_from_elsewhere(request.headers()) { Ok(()) } else { Err(Problem::Form) }
    }

    /// Logs in with a token. Returns the new cookie. A correct token is never refused, however many wrong ones were
    /// tried.
    ///
    /// # Errors
    /// The token is not known; or too many unknown ones were tried.
    pub fn log_in(&self, request: &HttpRequest, token: &str) -> Result<String, Problem> {
        let source = self.proxies.source(request.peer_addr(), request.headers());
        let Some(known) = self.console.access.owner(token.trim().as_bytes()) else {
            let sender = Sender { source, ..Sender::default() };
            self.console.rejections.note_of("admin", Reason::AdminAccess, sender);
            return Err(if self.logins.allow(source) { Problem::Token } else { Problem::TooMany });
        };
        let new = new_cookie()?;
        if let Some(old) = cookie(request) {
            self.sessions.end(&old);
        }
        let source = source.map(tracing::field::display);
        tracing::info!(caller = known.name(), source, "logged in to the console");
        self.sessions.begin(&new, known, self.console.clock.steady());
        Ok(new)
    }

    fn browser(&self, cookie: String, is_new: bool) -> Visitor {
        let proof = self.key.as_ref().map(|key| hmac::sign(key, cookie.as_bytes()));
        let form = proof.map(|proof| URL_SAFE_NO_PAD.encode(proof)).unwrap_or_default();
        Visitor { who: None, cookie, form, is_new, caller: None }
    }
}

impl Visitor {
    /// The visitor's name, for the log.
    pub fn name(&self) -> &str {
        self.who.as_deref().unwrap_or("console")
    }

    /// Whether this visitor has the scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.may(scope))
    }

    /// Whether this visitor would be let in now: a reload may have taken the token away.
    pub fn is_admitted_by(&self, access: &Access) -> bool {
        self.caller.as_ref().is_some_and(|caller| access.still_admits(caller))
    }

    /// The frame of a page; `current` is the page's name in the navigation.
    pub fn frame(&self, current: &'static str) -> Frame {
        Frame {
            current,
            form: self.form.clone(),
            who: self.who.clone(),
            is_inside: true,
            can_write: self.may(Scope::Write),
            notice: None,
        }
    }

    /// The header that gives the browser its cookie, if it has none.
    pub fn new_cookie(&self, request: &HttpRequest) -> Option<String> {
        self.is_new.then(|| set_cookie(request, &self.cookie))
    }
}

/// The value of `Set-Cookie`.
pub fn set_cookie(request: &HttpRequest, value: &str) -> String {
    let said = request.headers().get(HeaderName::from_static("x-forwarded-proto"));
    let is_https = said.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"https"));
    let cookie = Cookie::build((COOKIE_NAME, value)).http_only(true).same_site(SameSite::Strict).path("/");
    cookie.secure(is_https).to_string()
}

/// The cookie of a request, where it looks as one of ours.
pub fn cookie(request: &HttpRequest) -> Option<String> {
    let headers = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut cookies = headers.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let ours = cookies.find(|cookie| cookie.name() == COOKIE_NAME)?;
    let value = ours.value();
    let is_ours = value.len() == COOKIE_CHARS && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    is_ours.then(|| value.to_owned())
}

fn new_cookie() -> Result<String, Problem> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_unspecified| Problem::Store("the system gave no random bytes".into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_cookie_that_looks_as_ours_is_read() {
        let value = "A".repeat(COOKIE_CHARS);
        let read = |text: String| cookie(&TestRequest::default().insert_header((COOKIE, text)).to_http_request());
        assert_eq!(read(format!("a=b; {COOKIE_NAME}={value}; c=d")), Some(value.clone()));
        assert_eq!(read(format!("{COOKIE_NAME}={value}A")), None);
        assert_eq!(read(format!("{COOKIE_NAME}={}<", &value[1..])), None);
        assert_eq!(read(format!("other={value}")), None);
    }
}
