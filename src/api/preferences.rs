//! `Prefer` (RFC 7240): wishes of a client. Those that reelhook does not know are ignored.

use actix_web::http::header::HeaderMap;

/// The value of a preference; empty if it has no value.
fn preference(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all("prefer").filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    preferences.find_map(|preference| {
        let (key, value) = preference.split_once('=').unwrap_or((preference, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// `odata.maxpagesize`: 1 or more.
pub fn max_page_size(headers: &HeaderMap) -> Option<u16> {
    let asked = preference(headers, "odata.maxpagesize").or_else(|| preference(headers, "maxpagesize"))?;
    asked.parse().ok().filter(|n| *n > 0)
}

/// `return=minimal`: the client wants no body if it does not need one.
pub fn wants_no_body(headers: &HeaderMap) -> bool {
    preference(headers, "return").is_some_and(|value| value.eq_ignore_ascii_case("minimal"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn with(prefer: &str) -> HeaderMap {
        TestRequest::default().insert_header(("prefer", prefer)).to_http_request().headers().clone()
    }

    #[test]
    fn preferences_are_read_among_others_and_nonsense_is_passed_over() {
        assert_eq!(max_page_size(&with("odata.maxpagesize=7")), Some(7));
        assert_eq!(max_page_size(&with("respond-async, Maxpagesize = \"9\"; x=y")), Some(9));
        for nonsense in ["", "odata.maxpagesize", "odata.maxpagesize=0", "odata.maxpagesize=-1", "return=minimal"] {
            assert_eq!(max_page_size(&with(nonsense)), None, "{nonsense}");
        }
        assert!(wants_no_body(&with("odata.maxpagesize=7, return=minimal")));
        assert!(!wants_no_body(&with("return=representation")));
    }
}
