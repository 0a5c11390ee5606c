//! The log line of a refused token: what it says of itself, beside what the config expects.
//!
//! **Invariants**
//! 1. The token itself is never logged, nor its signature. Of its contents only the claims that are compared with the config,
//!    cut and on one line.
//! 2. A token is read only if its line is written: a flood of refused tokens costs nothing here.

use std::fmt::{self, Display};

use super::claims::{Claim, Part};
use super::demands::Demands;
use crate::domain::{Channel, Reason};

/// The most expected values that are listed.
const MAX_LISTED: usize = 5;

/// Logs that a token was refused.
pub(super) fn log(channel: Channel, reason: Reason, token: &[u8], demands: &Demands) {
    let claim = |name| Claim { token, part: Part::Payload, name };
    tracing::warn!(
        channel = channel.as_str(),
        reason = reason.as_str(),
        kid = %Claim { token, part: Part::Header, name: "kid" },
        iss = %claim("iss"),
        aud = %claim("aud"),
        tid = %claim("tid"),
        expected_iss = %Expected(&demands.issuers),
        expected_aud = %Expected(&demands.audiences),
        expected_tid = %Expected(&demands.tenants),
        "a token was refused; what it says of itself is not verified"
    );
}

/// What a config expects, for a person.
pub(super) struct Expected<'a>(pub(super) &'a [String]);

impl Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("any"),
            values => {
                let listed: Vec<&str> = values.iter().take(MAX_LISTED).map(String::as_str).collect();
                f.write_str(&listed.join(", "))?;
                match values.len().saturating_sub(MAX_LISTED) {
                    0 => Ok(()),
                    n_more => write!(f, " and {n_more} more"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_expected_values_are_counted() {
        let values: Vec<String> = (0..7).map(|n| n.to_string()).collect();
        assert_eq!(Expected(&values).to_string(), "0, 1, 2, 3, 4 and 2 more");
        assert_eq!(Expected(&values[..2]).to_string(), "0, 1");
        assert_eq!(Expected(&[]).to_string(), "any");
    }
}
