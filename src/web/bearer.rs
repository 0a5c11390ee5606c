//! The bearer token of an `Authorization` header (RFC 6750).

/// The token, if the header holds one: `Bearer`, in any case, blanks, and the token.
pub fn token(authorization: &[u8]) -> Option<&[u8]> {
    let at = authorization.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = authorization.split_at(at);
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme_and_a_blank() {
        for good in ["Bearer x.y", "bearer x.y", "BEARER   x.y "] {
            assert_eq!(token(good.as_bytes()), Some(b"x.y".as_slice()), "{good}");
        }
        for bad in ["", "Bearer", "Bearer ", "Basic x.y", "Bearer\tx.y", "x.y", "BearerX x.y", " x.y"] {
            assert_eq!(token(bad.as_bytes()), None, "{bad}");
        }
    }
}
