//! The meaning of an answer, and how much of it is read. The server may be hostile: an endless body, a body that drips,
//! a `Retry-After` of 1e300, a connection that breaks after the status.
//!
//! **Invariants**
//! 1. Once the status is 2xx the event is delivered, whatever the rest of the answer is.
//! 2. A reason holds of an answer nothing but a short, escaped piece of its text, without the secrets that were sent. The
//!    exchange holds more: see [`super::wire`].

use std::error::Error;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};

use super::wire::Wire;
use crate::sinks::DeliveryError;
use crate::sinks::reason::{self, shown};

/// How much of a body is read, so that the connection can be used again.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long a body is waited for once the status is known.
const MAX_BODY_TIME: Duration = Duration::from_secs(1);
/// How much of a body is shown.
const MAX_EXCERPT_CHARS: usize = 200;

/// Judges an answer, and notes it on `wire`. `shows_text`: whether the server's text may be shown.
pub(super) async fn judge(
    mut response: Response,
    wire: &Wire,
    now: Timestamp,
    shows_text: bool,
) -> Result<(), DeliveryError> {
    wire.answered(&response);
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    let body = drain(&mut response, wire).await;
    if status.is_success() {
        return Ok(());
    }
    let mut reason = format!("answered {}", status.as_u16());
    if status.is_redirection() {
        reason.push_str(" (redirects are not followed: configure the final address)");
    } else if let Some(text) = Some(body).filter(|it| shows_text && !it.is_empty()).and_then(|it| wire.shown(&it)) {
        reason.push_str(": ");
        reason.push_str(&shown(text.trim(), MAX_EXCERPT_CHARS));
    }
    match status {
        StatusCode::GONE => Err(DeliveryError::Reject { reason }),
        // Other refusals are retried too: an operator's wrong token must not destroy the waiting deliveries.
        _ => {
            let pause = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            Err(DeliveryError::Retry { reason, after, pause })
        }
    }
}

/// Reads a bounded part of a body in a bounded time; returns its beginning.
async fn drain(response: &mut Response, wire: &Wire) -> Vec<u8> {
    let mut beginning = Vec::new();
    let mut n_read = 0;
    let drained = async {
        while n_read < MAX_BODY_BYTES {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return wire.ended(),
                Err(_broken) => return,
            };
            wire.read(&chunk);
            n_read += chunk.len();
            let room = (4 * MAX_EXCERPT_CHARS).saturating_sub(beginning.len());
            beginning.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
    };
    // A body that drips is not read further; the connection is closed.
    drop(tokio::time::timeout(MAX_BODY_TIME, drained).await);
    beginning
}

/// There was no answer. The text of `error` omits the address, which may contain a secret.
pub(super) fn no_answer(error: &reqwest::Error) -> DeliveryError {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    if error.is_connect() {
        return reason::retry_all(&format!("could not connect: {deepest}"));
    }
    match error.source() {
        Some(_) => reason::retry(&format!("no answer: {deepest}")),
        None => reason::retry("no answer: could not send the request"),
    }
}

/// Reads `Retry-After`: whole seconds, or a date. Anything else is ignored.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than can be counted is "very long": the dispatcher caps it.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let at: SystemTime = httpdate::parse_http_date(text).ok()?;
    // Not as a Timestamp: those end a day before the year 9999 does, and such a date is "very long" as well.
    let now = Duration::from_micros(u64::try_from(now.as_microsecond()).unwrap_or_default());
    at.duration_since(SystemTime::UNIX_EPOCH + now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn retry_after_is_whole_seconds_or_a_date() {
        assert_eq!(retry_after("120", NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(" 0 ", NOW), Some(Duration::ZERO));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:02:00 GMT", NOW), Some(Duration::from_secs(120)));
        let later = NOW + jiff::SignedDuration::from_secs(600);
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:02:00 GMT", later), None);
    }

    #[test]
    fn a_date_in_the_year_9999_is_very_long() {
        let years = Duration::from_secs(8000 * 365 * 24 * 3600);
        for text in ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 30 Dec 9999 22:00:01 GMT", "Fri, 01 Jan 9999 00:00:00 GMT"]
        {
            assert!(retry_after(text, NOW).is_some_and(|after| after > years), "{text}");
        }
    }

    #[test]
    fn threat_63_a_retry_after_that_says_nothing_is_ignored() {
        for text in ["inf", "1e300", "-5", "+5", "1.5", "Thu, 32 Foo", "", " ", "0x10", "NaN", "١٢"] {
            assert_eq!(retry_after(text, NOW), None, "{text:?}");
        }
        let huge = retry_after("99999999999999999999999999", NOW).unwrap();
        assert!(huge > Duration::from_secs(3600));
    }

    proptest! {
        #[test]
        fn no_retry_after_panics(text in any::<String>()) {
            let _ = retry_after(&text, NOW);
        }
    }
}
