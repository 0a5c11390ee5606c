//! What an error of the server means for a delivery.

use redis::{ErrorKind, RedisError, ServerError};

use crate::sinks::{DeliveryError, reason};

/// The errors after which every other command that writes would fail too: no memory left, a disk that cannot be written,
/// a replica, a server that loads or runs a script, a cluster without a part, no login.
const OF_THE_SERVER: [&str; 10] =
    ["OOM", "MISCONF", "READONLY", "LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "NOAUTH", "WRONGPASS"];

/// The failure of a command.
pub(super) fn of(error: &RedisError) -> DeliveryError {
    match ServerError::try_from(error.clone()) {
        Ok(error) => of_server(&error),
        Err(_) if error.kind() == ErrorKind::AuthenticationFailed => {
            reason::retry_all("the server refused the login: check auth")
        }
        Err(_) => reason::retry_all(&format!("the connection failed: {}", reason::chain(error))),
    }
}

fn of_server(error: &ServerError) -> DeliveryError {
    let (code, text) = (error.code(), told(error));
    if OF_THE_SERVER.contains(&code) {
        return reason::retry_all(&text);
    }
    if text.contains("too large to be stored") {
        return reason::reject(&text);
    }
    reason::retry(&text)
}

/// What the server says. Of an unknown command it repeats what came with it, which may be a secret.
pub(super) fn told(error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    let details = details.split_once(", with args").map_or(details, |(before, _)| before);
    format!("{} {details}", error.code())
}
