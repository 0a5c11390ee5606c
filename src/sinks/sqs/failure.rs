//! What a refusal of the service means for a delivery.

use serde::Deserialize;

use crate::sinks::web_service::Answer;
use crate::sinks::{DeliveryError, reason};

/// The codes for a queue that is not there.
const WITHOUT_QUEUE: [&str; 3] = ["QueueDoesNotExist", "NonExistentQueue", "QueueDeletedRecently"];
/// The codes for a login that is refused.
const OF_THE_LOGIN: [&str; 9] = [
    "SignatureDoesNotMatch",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidSecurity",
];
/// The codes for a login that may not do what it asks for.
const OF_RIGHTS: [&str; 2] = ["AccessDenied", "AccessDeniedException"];
/// The codes for a message that no later attempt can store.
const FOR_GOOD: [&str; 4] =
    ["InvalidMessageContents", "InvalidParameterValue", "InvalidAttributeValue", "BatchRequestTooLong"];

/// What the reason begins with where the login lacks a right.
const RIGHTS: &str = "the login may not do this: ";

/// An error as the protocol has it.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "__type")]
    code: String,
    #[serde(default, alias = "Message")]
    message: String,
}

/// The failure of a request. [`DeliveryError::Reject`] where what it holds is refused.
pub(super) fn of(answer: &Answer) -> DeliveryError {
    let (code, message) = told(&answer.body);
    let status = answer.status.as_u16();
    if WITHOUT_QUEUE.contains(&&*code) {
        return reason::retry_all(&format!("the queue is not there: {code}"));
    }
    if OF_THE_LOGIN.contains(&&*code) {
        // The service may repeat what was signed, with the session's token.
        return reason::retry_all(&format!("the service refused the login: {code}"));
    }
    if OF_RIGHTS.contains(&&*code) {
        return reason::retry_all(&format!("{RIGHTS}{code}: {message}"));
    }
    if FOR_GOOD.contains(&&*code) {
        return reason::reject(&format!("{code}: {message}"));
    }
    let text = match &*code {
        "" => format!("the service answered {status}"),
        _ => format!("the service answered {status}: {code}: {message}"),
    };
    let is_of_all = matches!(status, 401 | 403 | 404 | 429 | 500..) || is_throttled(&code) || code.starts_with("Kms");
    if is_of_all { reason::retry_all(&text) } else { reason::retry(&text) }
}

/// Whether the login is known, and may not do what it asked for.
pub(super) fn is_of_rights(error: &DeliveryError) -> bool {
    let reason = error.to_string();
    OF_RIGHTS.iter().any(|code| reason.starts_with(&format!("{RIGHTS}{code}:")))
}

/// The failure of one entry of a request.
pub(super) fn of_entry(code: &str, message: &str) -> DeliveryError {
    let text = format!("{}: {message}", plain(code));
    match plain(code) {
        code if FOR_GOOD.contains(&code) => reason::reject(&text),
        code if is_throttled(code) => reason::retry_all(&text),
        _ => reason::retry(&text),
    }
}

fn is_throttled(code: &str) -> bool {
    code.contains("Throttl") || code == "OverLimit"
}

/// The code and the message of an answer: in JSON, or in XML where the service did not read the request that far.
fn told(body: &[u8]) -> (String, String) {
    if let Ok(told) = serde_json::from_slice::<Told>(body) {
        return (plain(&told.code).to_owned(), told.message);
    }
    let text = String::from_utf8_lossy(body);
    let within = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    (within("Code").as_deref().map(plain).unwrap_or_default().to_owned(), within("Message").unwrap_or_default())
}

/// A code without the names before it.
fn plain(code: &str) -> &str {
    code.rsplit(['#', '.']).next().unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::*;

    fn judged(status: u16, body: &str) -> DeliveryError {
        of(&Answer { status: StatusCode::from_u16(status).unwrap(), body: body.into() })
    }

    #[test]
    fn a_refusal_is_for_all_for_one_or_for_good() {
        let all = |text: &str| reason::retry_all(text);
        let error = |code: &str| format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"why"}}"#);
        for (status, body, expected) in [
            (400, error("QueueDoesNotExist"), all("the queue is not there: QueueDoesNotExist")),
            (400, error("RequestThrottled"), all("the service answered 400: RequestThrottled: why")),
            (400, error("KmsDisabled"), all("the service answered 400: KmsDisabled: why")),
            (403, error("AccessDeniedException"), all("the login may not do this: AccessDeniedException: why")),
            (503, "<html>".into(), all("the service answered 503")),
            (400, error("UnsupportedOperation"), reason::retry("the service answered 400: UnsupportedOperation: why")),
            (400, error("InvalidMessageContents"), reason::reject("InvalidMessageContents: why")),
        ] {
            assert_eq!(judged(status, &body), expected);
        }
    }

    #[test]
    fn what_was_signed_is_not_told() {
        let body =
            r#"{"__type":"com.amazon.coral.service#SignatureDoesNotMatch","message":"x-amz-security-token:canary"}"#;
        assert_eq!(judged(403, body), reason::retry_all("the service refused the login: SignatureDoesNotMatch"));
    }
}
