//! Graph's subscription handshake: the token in `?validationToken=..`
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation>).
//!
//! The token is form-encoded: `+` is a space, `%3a` a colon. What comes back must be the decoded token, exactly.

use percent_encoding::percent_decode_str;

/// The longest token that is echoed.
const MAX_TOKEN_BYTES: usize = 4096;

/// A query string, read as a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// It is no handshake.
    None,
    /// It is a handshake, but its token cannot be Graph's.
    Bad,
    /// It is a handshake: echo this.
    Token(String),
}

/// Looks for a handshake's token in a query string. The query may have other parameters of the subscriber.
pub fn token(query: &str) -> Handshake {
    let mut tokens = query.split('&').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let names_it = decode(name).is_some_and(|name| name == "validationToken");
        names_it.then_some(value)
    });
    match (tokens.next(), tokens.next()) {
        (None, _) => Handshake::None,
        (Some(value), None) => decode(value).filter(|token| is_usable(token)).map_or(Handshake::Bad, Handshake::Token),
        // With two tokens, reelhook would have to guess which one is Graph's.
        (Some(_), Some(_)) => Handshake::Bad,
    }
}

/// Graph sends text; control characters in it come from somebody else.
fn is_usable(token: &str) -> bool {
    !token.is_empty() && !token.chars().any(char::is_control)
}

/// Decodes `application/x-www-form-urlencoded` text strictly: no half escapes, UTF-8 only, bounded.
fn decode(text: &str) -> Option<String> {
    let begins_with_digits =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(begins_with_digits) {
        return None;
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8().ok()?;
    (decoded.len() <= MAX_TOKEN_BYTES).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is(text: &str) -> Handshake {
        Handshake::Token(text.into())
    }

    #[test]
    fn a_captured_token_is_decoded_exactly() {
        let query = "validationToken=Validation%3a+Testing+client+application+reachability+for+subscription+\
                     Request-Id%3a+522a8e7e-096a-494c-aaf1-ac0dcfca45b7";
        let token_is = "Validation: Testing client application reachability for subscription \
                        Request-Id: 522a8e7e-096a-494c-aaf1-ac0dcfca45b7";
        assert_eq!(token(query), is(token_is));
    }

    #[test]
    fn other_parameters_may_stand_beside_it() {
        assert_eq!(token("tenant=a%20b&validationToken=x%2By&z"), is("x+y"));
        assert_eq!(token("a=%ZZ&validationToken=%C3%a9%3D"), is("é="));
        for query in ["", "a=b", "validationtoken=x", "xvalidationToken=x", "a=validationToken"] {
            assert_eq!(token(query), Handshake::None, "{query}");
        }
    }

    #[test]
    fn markup_is_echoed_exactly_since_text_plain_makes_it_harmless() {
        assert_eq!(token("validationToken=%3Cscript%3Ealert(1)%3C/script%3E"), is("<script>alert(1)</script>"));
    }

    #[test]
    fn what_cannot_be_graphs_token_is_bad() {
        let long = format!("validationToken={}", "a".repeat(MAX_TOKEN_BYTES + 1));
        let longest = "a".repeat(MAX_TOKEN_BYTES);
        assert_eq!(token(&format!("validationToken={longest}")), is(&longest));
        for query in [
            "validationToken",
            "validationToken=",
            "validationToken=a&validationToken=a",
            "validationToken=a&validation%54oken=b",
            "validationToken=%",
            "validationToken=%4",
            "validationToken=%zz",
            "validationToken=%+1",
            "validationToken=%ff",
            "validationToken=a%0d%0aSet-Cookie:b",
            "validationToken=%00",
            "validationToken=%c2%85",
            &long,
        ] {
            assert_eq!(token(query), Handshake::Bad, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(query in ".{0,200}") {
            let _ = token(&query);
            let _ = token(&format!("validationToken={query}"));
        }

        #[test]
        fn what_was_encoded_comes_back(text in "[^\\x00-\\x1f\\x7f-\\u{9f}]{1,100}") {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let query: String = query.append_pair("validationToken", &text).finish();
            prop_assert_eq!(token(&query), Handshake::Token(text));
        }
    }
}
