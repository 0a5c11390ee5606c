//! What an error of a service means for a delivery.

use object_store::Error;

use crate::sinks::{DeliveryError, reason};

/// The codes for a bucket or a container that is not there.
const WITHOUT_BUCKET: [&str; 2] = ["<Code>NoSuchBucket<", "<Code>ContainerNotFound<"];
/// The codes of the services for a name or an object that no later attempt can store.
const FOR_GOOD: [&str; 5] = [
    "<Code>KeyTooLongError<",
    "<Code>KeyTooLong<",
    "<Code>EntityTooLarge<",
    "<Code>RequestBodyTooLarge<",
    "<Code>InvalidResourceName<",
];

/// The failure of a request.
pub(super) fn of(error: &Error) -> DeliveryError {
    if let Some(own) = own(error) {
        return own;
    }
    let told = told(error);
    match error {
        _ if is_without_bucket(error) => reason::retry_all(&format!("the bucket or container is not there: {told}")),
        Error::Unauthenticated { .. } | Error::PermissionDenied { .. } => {
            reason::retry_all(&format!("the service refused the login: {told}"))
        }
        _ if has_one(error, &FOR_GOOD) => reason::reject(&told),
        _ => reason::retry_all(&told),
    }
}

/// Whether the bucket or the container is not there.
pub(super) fn is_without_bucket(error: &Error) -> bool {
    has_one(error, &WITHOUT_BUCKET)
}

/// The code and the message of a service's answer; or else the error as the library tells it.
pub(super) fn told(error: &Error) -> String {
    let text = reason::chain(error);
    let within = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        // Azure writes the number of the request and the time on lines of their own.
        rest.split_once('<')?.0.lines().next()
    };
    match (within("Code"), within("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text,
    }
}

/// The failure of getting a token, which the library only passed on.
fn own(error: &Error) -> Option<DeliveryError> {
    let Error::Generic { source, .. } = error else { return None };
    source.downcast_ref().cloned()
}

fn has_one(error: &Error, codes: &[&str]) -> bool {
    let text = reason::chain(error);
    codes.iter().any(|code| text.contains(code))
}
