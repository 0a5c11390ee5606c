//! The address by which the client reached this server. Links begin with it, because clients follow them as they are.
//!
//! **Invariants**
//! 1. A link has the host of the request, or is relative to it; a forwarding header is never used for the host.
//! 2. It is `https` if the TLS proxy says so: Microsoft's clients send their token only to `https`, and do not follow
//!    other links.

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use actix_web::http::uri::Authority;

/// `http://host:port` or `https://host:port`, without a path; empty if the request has no host.
pub fn origin(request: &HttpRequest) -> String {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let named = named.filter(|host| !host.as_str().contains('@'));
    named.map_or_else(String::new, |host| format!("{}://{host}", scheme(request)))
}

/// A client that lies here gets links that only it cannot follow.
fn scheme(request: &HttpRequest) -> &'static str {
    let said = request.headers().get("x-forwarded-proto");
    if said.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"https")) { "https" } else { "http" }
}

/// The whole address of the request, without its query.
pub fn of(request: &HttpRequest) -> String {
    format!("{}{}", origin(request), request.uri().path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_link_names_the_host_that_the_request_named_and_no_other() {
        for (said, scheme) in [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("javascript", "http")] {
            let request = TestRequest::with_uri("/v1.0/x?y=1")
                .insert_header((HOST, "api.example:8081"))
                .insert_header(("x-forwarded-host", "evil.example"))
                .insert_header(("x-forwarded-proto", said))
                .insert_header(("forwarded", "host=evil.example"));
            assert_eq!(of(&request.to_http_request()), format!("{scheme}://api.example:8081/v1.0/x"));
        }
        for bad in ["evil@host", "a b", "", "host/path"] {
            let request = TestRequest::with_uri("/").insert_header((HOST, bad)).to_http_request();
            assert_eq!(origin(&request), "", "{bad}");
        }
    }
}
