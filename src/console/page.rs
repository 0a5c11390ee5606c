//! What all pages share: their headers, their assets.
//!
//! **Invariants**
//! 1. Pages contain no inline script or style, and nothing comes from another host: the policy below forbids both.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::format;
use super::frame::{self, SCRIPT, STYLE};
use super::gate::Visitor;
use super::problem::Problem;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What a redirect after a POST says was done; the text is ours, the address only chooses it.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Done {
    done: Option<String>,
    n: Option<u64>,
    /// How many were counted before, if they were more.
    of: Option<u64>,
    /// Whether an operator paused the sink.
    #[serde(default)]
    paused: bool,
}

impl Done {
    /// What the address of a request says; nothing if it cannot be read.
    pub fn of(request: &HttpRequest) -> Self {
        Query::from_query(request.query_string()).map(Query::into_inner).unwrap_or_default()
    }

    /// The result as text.
    pub fn notice(&self) -> Option<String> {
        let n = self.n.unwrap_or_default();
        let when = if self.paused {
            "the sink is paused, so nothing is attempted until you resume it"
        } else {
            "the attempts begin at once"
        };
        Some(match self.done.as_deref()? {
            "paused" => "Paused. The deliveries of this sink wait in the store until you resume it.".into(),
            "resumed" => "Resumed. All that waited is due now; the attempts begin at once.".into(),
            "unpaused" => "The pause ended. If the config has this sink again, its deliveries are attempted at once.".into(),
            "attempted" if n == 0 => "Nothing waits for this sink.".into(),
            "attempted" => format!("All that waits is due now ({}); {when}.", format::counted(n, "delivery")),
            "attempted-one" => format!("The delivery is due now; {when}."),
            "resent" => "The event is sent again by a new delivery; the attempts begin at once.".into(),
            "not-waiting" => "The delivery does not wait any more. This page shows what became of it.".into(),
            "none-ticked" => "Nothing was done: no row was ticked.".into(),
            "replayed" if n == 0 => "Nothing was replayed: these are no dead letters any more. They were replayed before, or removed.".into(),
            "replayed" => {
                let of = self.of.map(|of| format!(
                    " of the {} that were counted (the others are no dead letters any more)", format::number(of)
                ));
                format!("Replaying {}{}; {when}.", format::counted(n, "delivery"), of.unwrap_or_default())
            }
            "judged" => "The server verifies the entry again within seconds. If it accepts the entry, the entry leaves this list. Otherwise the entry stays; its page shows when it was checked, and the reason.".into(),
            "judged-some" if n == 0 => "Nothing was replayed: the ticked entries are not in the quarantine any more.".into(),
            "judged-some" => format!("The server verifies {} again within seconds. Those that it accepts leave this list.", format::counted(n, "entry")),
            "routed-some" if n == 0 => "Nothing was replayed: the ticked events match no route, or were replayed already.".into(),
            "routed-some" => format!("Routed: {} matched a route.", format::counted(n, "event")),
            "unrouted" => "No route matches the event yet: change the routes in the config, run `reelhook reload`, and try again.".into(),
            "routed" if n == 0 => "Routed, but none of its sinks takes events of this type: no delivery was made.".into(),
            "routed" => format!("Routed: {} made.", format::counted(n, "delivery")),
            _ => return None,
        })
    }
}

/// The answer that shows a page.
///
/// # Errors
/// The template could not be written out.
pub fn show(request: &HttpRequest, visitor: &Visitor, page: &impl Template) -> Result<HttpResponse, Problem> {
    let html = page.render().map_err(|error| Problem::Store(format!("the page could not be rendered: {error}")))?;
    let mut response = HttpResponse::Ok();
    if let Some(cookie) = visitor.new_cookie(request) {
        response.insert_header((SET_COOKIE, cookie));
    }
    Ok(response.content_type("text/html; charset=utf-8").body(html))
}

/// The part of that redirect's address that says that an operator paused the sink.
pub fn paused(is_paused: bool) -> &'static str {
    if is_paused { "&paused=true" } else { "" }
}

/// The redirect after a POST.
pub fn lead_to(location: impl Into<String>) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, location.into())).finish()
}

/// The style sheet or the script.
pub async fn asset(path: actix_web::web::Path<(String, String)>) -> Result<HttpResponse, Problem> {
    let (hash, name) = path.into_inner();
    let found = match name.as_str() {
        "console.css" => Some(("text/css; charset=utf-8", STYLE)),
        "console.js" => Some(("text/javascript; charset=utf-8", SCRIPT)),
        _ => None,
    };
    let Some((kind, text)) = found.filter(|_| hash == frame::hash()) else {
        return Err(Problem::Missing("This file belongs to another version of reelhook.".into()));
    };
    let kept = (CACHE_CONTROL, "public, max-age=31536000, immutable");
    Ok(HttpResponse::Ok().insert_header(kept).content_type(kind).body(text))
}

/// Adds the headers of every answer of the console.
///
/// # Errors
/// Those of the page.
pub async fn guarded(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    put("content-security-policy", POLICY);
    put("x-content-type-options", "nosniff");
    // A form of ours then says which origin it is of, see `access`. No other site is told anything.
    put("referrer-policy", "same-origin");
    put("cross-origin-opener-policy", "same-origin");
    put("cross-origin-resource-policy", "same-origin");
    if !response.headers().contains_key(CACHE_CONTROL) {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}
