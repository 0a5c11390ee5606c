//! Looks whether the server takes entries, and what its answer is worth.

use redis::{FromRedisValue, Value};

use super::connection::Connection;
use super::{Settings, failure};
use crate::sinks::{DeliveryError, reason};

/// Looks at the server and, where the key does not depend on the event, at what has the key. What the login may not ask is
/// left open.
///
/// # Errors
/// The server is a replica, or the key belongs to something else.
pub(super) async fn stream(connection: &Connection, settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    let mut questions = redis::pipe();
    questions.cmd("ROLE").cmd("CONFIG").arg("GET").arg("append*");
    if let Some(key) = settings.stream.fixed() {
        questions.cmd("TYPE").arg(key);
    }
    let answers = connection.send(&mut questions).await.map_err(|error| failure::of(&error))?;
    // No login, or a server that loads: a delivery would fail too.
    let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
    if let Some(error) = errors.map(failure::of).find(DeliveryError::pauses) {
        return Err(error);
    }
    let [role, config, kind] = [0, 1, 2].map(|n| answers.get(n).and_then(|answer| answer.as_ref().ok()));
    if let Some(Value::Array(role)) = role
        && role.first().and_then(text).as_deref() == Some("slave")
    {
        return Err(reason::retry_all("the server is a replica, expected one that takes writes"));
    }
    match kind.and_then(text).as_deref() {
        None | Some("none" | "stream") => {}
        Some(other) => {
            return Err(reason::retry(&format!("the key belongs to a {other}, expected a stream or nothing")));
        }
    }
    let warning = if settings.wait_aof.is_some() { None } else { doubt(config) };
    Ok(warning.map(str::to_owned).into_iter().collect())
}

/// Why an answer may be worth less than a disk, by the server's settings.
fn doubt(config: Option<&Value>) -> Option<&'static str> {
    let config = config.and_then(|it| Vec::<(String, String)>::from_redis_value_ref(it).ok()).unwrap_or_default();
    let setting = |name: &str| config.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (setting("appendonly"), setting("appendfsync")) {
        (Some("no"), _) => {
            Some("appendonly is no: what the server confirms is in its memory only, and a restart can lose it.")
        }
        (Some(_), Some("everysec")) => Some(
            "appendfsync is everysec: a power cut can lose the confirmed events of the last second. Set wait_aof, or \
             appendfsync always.",
        ),
        (Some(_), Some("no")) => Some(
            "appendfsync is no: the system decides when confirmed events are on the disk. Set wait_aof, or appendfsync \
             always.",
        ),
        (Some(_), Some(_)) => None,
        _ => {
            Some("the server does not tell appendonly and appendfsync: whether it keeps confirmed events is not known.")
        }
    }
}

fn text(value: &Value) -> Option<String> {
    String::from_redis_value_ref(value).ok()
}
