//! The server's answers, as far as commands show them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::exchanges::{self, Attempt};
use super::print::say;
use super::remote::Trouble;
use super::session::Session;
use super::text;

/// A delivery.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub id: String,
    pub sink: String,
    pub route: String,
    pub state: String,
    #[serde(default)]
    pub is_blocked: bool,
    pub created_date_time: Timestamp,
    pub due_date_time: Option<Timestamp>,
    pub settled_date_time: Option<Timestamp>,
    pub attempt_count: usize,
    #[serde(default)]
    pub last_failure: Option<String>,
}

/// A delivery with its story, its attempts and its event.
#[derive(Deserialize)]
pub struct DetailedDelivery {
    pub story: Vec<String>,
    pub attempts: Vec<Attempt>,
    pub event: Option<Event>,
    pub data: Option<Box<RawValue>>,
}

/// An event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub received_date_time: Timestamp,
    pub accepted_date_time: Option<Timestamp>,
    pub client_context: Option<String>,
    pub resource: String,
    /// Absent from servers that do not tell it.
    #[serde(default)]
    pub is_matched: bool,
    #[serde(default)]
    pub deliveries: Vec<LoggedDelivery>,
    #[serde(default)]
    pub story: Vec<String>,
    pub data: Option<Box<RawValue>>,
}

/// A delivery of an event, in short.
#[derive(Deserialize)]
pub struct LoggedDelivery {
    pub sink: String,
    pub state: String,
}

/// A sink.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sink {
    pub name: String,
    pub state: String,
    pub is_paused: bool,
    pub state_since_date_time: Option<Timestamp>,
    pub paused_until_date_time: Option<Timestamp>,
    pub next_attempt_date_time: Option<Timestamp>,
    pub last_delivered_date_time: Option<Timestamp>,
    pub last_failure: Option<SinkFailure>,
    pub open_count: usize,
    pub dead_count: usize,
    pub oldest_date_time: Option<Timestamp>,
    #[serde(default)]
    pub hint: Option<String>,
}

/// A failed attempt of a sink.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkFailure {
    pub date_time: Timestamp,
    pub reason: String,
}

/// A quarantine entry.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: i64,
    pub channel: String,
    pub reason: String,
    pub first_reason: String,
    pub received_date_time: Timestamp,
    pub size_bytes: u64,
    pub body: Option<String>,
    pub withheld: Option<String>,
}

/// How many something was done to.
#[derive(Deserialize)]
pub struct Count {
    #[serde(alias = "replayed", alias = "deliveries")]
    pub count: usize,
}

/// A list that comes whole.
#[derive(Deserialize)]
struct Whole<T> {
    value: Vec<T>,
}

/// The sinks that the config has, and every other that something is left for.
///
/// # Errors
/// See [`Trouble`].
pub async fn sinks(server: &Session) -> Result<Vec<Sink>, Trouble> {
    let sinks: Whole<Sink> = server.get(&["sinks"], &[]).await?;
    Ok(sinks.value)
}

/// The names of the sinks that the config has.
///
/// # Errors
/// See [`Trouble`].
pub async fn configured_sinks(server: &Session) -> Result<BTreeSet<String>, Trouble> {
    let configured = sinks(server).await?.into_iter().filter(|sink| sink.state != "removed");
    Ok(configured.map(|sink| sink.name).collect())
}

impl Event {
    /// The event in one line.
    pub fn line(&self) -> String {
        let accepted = self.accepted_date_time.map(|at| format!("  (accepted {})", text::instant(at)));
        format!(
            "{}  {}  {}  {}  {}{}",
            self.id,
            text::instant(self.received_date_time),
            text::safe(&self.kind, 64),
            text::safe(self.client_context.as_deref().unwrap_or("-"), 64),
            text::safe(&self.resource, 100),
            accepted.unwrap_or_default()
        )
    }
}

impl DetailedDelivery {
    /// Says what happened to it, what was sent and answered, and the event.
    pub fn tell(&self) {
        tell(&self.story);
        exchanges::tell(&self.attempts);
        if let Some(event) = &self.event {
            say!("{}", event.line());
            tell_data(self.data.as_deref());
        }
    }
}

/// Says the lines of a story.
pub fn tell(story: &[String]) {
    for line in story {
        say!("{}", text::safe(line, 4096));
    }
}

/// Says an event's data.
pub fn tell_data(data: Option<&RawValue>) {
    if let Some(data) = data {
        say!("{}", text::safe(data.get(), 65_536));
    }
}
