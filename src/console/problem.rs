//! A page that says what went wrong and what to do next.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;

use super::format;
use super::frame::Frame;
use crate::access::Denied;
use crate::config::Scope;
use crate::domain::Reason;
use crate::operator::{OperatorError, words::sentence};
use crate::store::StoreError;
use crate::wording::untrusted_text::cut;

/// Why a page cannot be shown, or a button does nothing.
#[derive(Debug)]
pub enum Problem {
    /// Nobody is logged in; the path to go to after the login.
    Login(String),
    /// The token is not known.
    Token,
    /// Too many logins were tried.
    TooMany,
    /// The `Host` header names a host that is not loopback.
    Host,
    /// A proxy sent it, and no tokens are configured.
    Forwarded,
    /// A page of another site sent it.
    Elsewhere,
    /// The token lacks the scope.
    Scope(Scope),
    /// The form does not come from a page of this browser, or is too old.
    Form,
    /// The form did not arrive completely, for this reason.
    Body(Reason),
    /// The fields of the form could not be read, for this reason.
    Fields(String),
    /// It does not exist; a sentence about it.
    Missing(String),
    /// The address is not valid, for this reason.
    Address(String),
    /// A filter of a list has a value that the page cannot read: its name on the page, and what was found and expected.
    Filter(String),
    /// What is stored does not allow it; a sentence about it.
    Conflict(String),
    /// The store failed, for this reason.
    Store(String),
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    frame: Frame,
    title: &'a str,
    text: &'a str,
    next: &'a str,
    link: (&'a str, &'a str),
}

/// The same page without the part of its address that has the filters.
const UNFILTERED: (&str, &str) = ("?", "Show the page without filters");

impl Problem {
    /// A filter, by its name on the page, has this value; what was expected instead.
    pub fn filter(label: &str, found: &str, expected: &str) -> Self {
        Self::Filter(format!("The filter {label:?} has the value {:?}: {expected}.", cut(found, 40)))
    }

    /// A filter, by its name on the page, has a value that is not among those that it offers.
    pub fn not_offered(label: &str, found: &str) -> Self {
        Self::filter(label, found, "expected one of those that the filter offers")
    }

    /// A parameter has a value that the page does not know.
    pub fn unknown(name: &str, found: &str) -> Self {
        Self::Address(format!("Found {name}={:?}, which this page does not know.", cut(found, 40)))
    }

    /// The parameters are not those of the page.
    pub fn unreadable() -> Self {
        Self::Address("A parameter occurs twice, or has a value that this page cannot read.".into())
    }

    fn told(&self) -> (&'static str, String, &'static str) {
        const NOT_OURS: &str =
            "It did not come from a page of this server, or the server was restarted after you opened the page.";
        const AGAIN: &str = "Go back, reload the page, and press the button again.";
        let text = |text: &str| text.to_owned();
        match self {
            Self::Login(_) => ("Log in first", String::new(), ""),
            Self::Token => (
                "This token is not known",
                text("It is not in [[admin.tokens]] of this server's config."),
                "Check that you copied all of it. `reelhook token new` makes a new one and prints its lines for the config.",
            ),
            Self::TooMany => (
                "Too many logins",
                text(
                    "This token is not known, and too many unknown tokens were tried from your address within a minute.",
                ),
                "Check the token and log in again: a correct one is accepted at once.",
            ),
            Self::Host => (
                "This host name is not allowed",
                text("Without a configured token, this console answers only to a loopback name."),
                "Open it as http://localhost or http://127.0.0.1, through an SSH tunnel if it is on another machine; or configure a token in [[admin.tokens]].",
            ),
            Self::Forwarded => (
                "A proxy is not allowed",
                text(
                    "Without a configured token, only this machine can use the console, but the request came through a proxy.",
                ),
                "Configure a token in [[admin.tokens]], or open http://localhost directly, through an SSH tunnel if it is on another machine.",
            ),
            Self::Elsewhere => (
                "Requests from another site are not allowed",
                text("A page of another site sent your browser here."),
                "Type the address into the browser yourself.",
            ),
            Self::Scope(scope) => (
                "Your token lacks a scope",
                format!("This request needs the scope {:?}.", format!("{scope:?}").to_lowercase()),
                "Log in with another token, or add the scope to yours in [[admin.tokens]] and run `reelhook reload`.",
            ),
            Self::Form => ("This form was not accepted", text(NOT_OURS), AGAIN),
            Self::Body(reason) => ("This form did not arrive completely", text(why_unread(*reason)), AGAIN),
            Self::Missing(what) => ("Not found", what.clone(), "Choose a page in the menu."),
            Self::Fields(why) => ("This form could not be read", why.clone(), AGAIN),
            Self::Address(why) => (
                "This address is not valid",
                why.clone(),
                "Correct the part of the address after the question mark, or choose a page in the menu.",
            ),
            Self::Filter(why) => ("A filter is not valid", why.clone(), "Go back and correct the filter."),
            Self::Conflict(why) => {
                ("This cannot be done", why.clone(), "Nothing was changed. Go back, and reload the page.")
            }
            Self::Store(why) => (
                "The store could not do this",
                why.clone(),
                "Nothing was changed. Reload in a moment; if the error stays, read the server's log.",
            ),
        }
    }
}

/// Why a form was not read to its end.
fn why_unread(reason: Reason) -> &'static str {
    match reason {
        Reason::BodyTimeout => "It arrived too slowly.",
        Reason::BodyTooLarge => "It is larger than any form of this console.",
        Reason::Shed => "The server has no memory left for more forms.",
        _ => "It was cut off, or is not a form of this console.",
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.told().0)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Login(_) => StatusCode::SEE_OTHER,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Host | Self::Forwarded | Self::Elsewhere | Self::Scope(_) | Self::Form => StatusCode::FORBIDDEN,
            Self::Body(Reason::BodyTimeout) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(Reason::BodyTooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(Reason::Shed) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Body(Reason::ContentEncoding | Reason::ContentType) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Fields(_) | Self::Address(_) | Self::Filter(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Self::Login(next) = self {
            let location = format!("/login?next={}", format::encoded(next));
            return response.insert_header((LOCATION, location)).finish();
        }
        match self {
            Self::TooMany => drop(response.insert_header((RETRY_AFTER, "60"))),
            // What is left of it is not read: where the next request begins is not known.
            Self::Body(_) => drop(response.force_close()),
            _ => {}
        }
        let (title, text, next) = self.told();
        let is_inside = !matches!(self, Self::Token | Self::TooMany | Self::Host | Self::Forwarded | Self::Elsewhere);
        let link = match self {
            Self::Address(_) | Self::Filter(_) => UNFILTERED,
            _ if is_inside => ("/", "Go to the overview"),
            _ => ("/login", "Try again"),
        };
        let frame = Frame { is_inside, ..Frame::default() };
        let page = Page { frame, title, text: &text, next, link };
        match page.render() {
            Ok(html) => response.content_type("text/html; charset=utf-8").body(html),
            Err(_cannot) => response.body(title),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Host => Self::Host,
            Denied::Forwarded => Self::Forwarded,
            Denied::Origin => Self::Elsewhere,
            Denied::Token => Self::Token,
            Denied::Scope(scope) => Self::Scope(scope),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Store(error) => error.into(),
            OperatorError::Missing => Self::Missing("There is nothing with this id or name.".into()),
            other => Self::Conflict(sentence(&other.to_string())),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the console could not use the store");
        Self::Store(error.to_string())
    }
}
