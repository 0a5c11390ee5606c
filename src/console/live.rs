//! The live stream: new events for an open page.
//!
//! **Invariants**
//! 1. A stream costs a bounded share of the store's reads, however much arrives: it skips events that it cannot follow.
//! 2. It ends with its session, and does not keep that session from becoming idle.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Bytes, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use uuid::Uuid;

use super::format::{encoded, instant, time_of_day, tone_of_event};
use super::gate::{Desk, Visitor};
use super::problem::Problem;
use crate::config::Scope;
use crate::domain::{EventId, RecordOperation};
use crate::store::{EventView, StreamedEvent};
use crate::web::sse::{self, Chunk};

/// The rows that a page begins with.
const FIRST: usize = 15;
/// The most rows sent at a time.
const MOST: usize = 50;
/// The least time between two reads of the store.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a quiet stream sends a sign of life, and checks that its session still exists.
const BEAT: Duration = Duration::from_secs(15);

/// An event in a row.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its id.
    pub id: String,
    /// The time of day.
    pub time: String,
    /// The whole instant.
    pub instant: String,
    /// Its CloudEvents type.
    pub kind: String,
    /// The colour's class.
    pub tone: &'static str,
    /// The client context; empty: none.
    pub client_context: String,
    /// The path of its page, or of its operation's.
    pub href: String,
}

impl Row {
    /// Of an event.
    pub fn of(event: &EventView) -> Self {
        Self {
            id: event.id.to_string(),
            time: time_of_day(event.received_at),
            instant: instant(event.received_at),
            kind: event.kind.clone(),
            tone: tone_of_event(event),
            client_context: event.client_context.clone().unwrap_or_default(),
            href: page_of(event),
        }
    }
}

/// The path of the page that shows an event: its operation's, or its own where it is about none.
pub fn page_of(event: &EventView) -> String {
    let operation = operation_of(event);
    if operation.is_empty() { format!("/events/{}", event.id) } else { operation }
}

/// The path of the page of an event's operation; empty where it is about none.
pub fn operation_of(event: &EventView) -> String {
    if event.envelope.resource_type != RecordOperation::TYPE {
        return String::new();
    }
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return String::new() };
    let text = |key: &str| data.get(key).and_then(Value::as_str);
    let call = text("callId").map(|call| format!("?call={}", encoded(call))).unwrap_or_default();
    text("id").map(|id| format!("/operations/{}{call}", encoded(id))).unwrap_or_default()
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    after: Option<String>,
}

/// The route of the stream.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/console/events", web::get().to(events));
}

/// The events that a page begins with, and the id after which the stream continues.
pub async fn newest(desk: &Desk) -> Result<(Vec<Row>, String), Problem> {
    let latest = desk.console.events.latest(FIRST).await?;
    let after = latest.first().map(|it| it.event.id.to_string()).unwrap_or_default();
    Ok((latest.iter().map(|it| Row::of(&it.event)).collect(), after))
}

async fn events(desk: Data<Desk>, request: HttpRequest, asked: Query<Asked>) -> Result<HttpResponse, Problem> {
    let visitor = match desk.enter(&request, Scope::Read) {
        Err(Problem::Login(_)) => return Ok(HttpResponse::Unauthorized().finish()),
        entered => entered?,
    };
    let Ok(place) = Arc::clone(&desk.streams).try_acquire_owned() else {
        return Ok(HttpResponse::ServiceUnavailable().finish());
    };
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok().map(str::to_owned));
    let after = last.or(asked.into_inner().after).and_then(|id| Uuid::try_parse(&id).ok()).map(EventId);
    let events = desk.console.changes.of_events();
    let mut following = Following { desk: desk.into_inner(), visitor, events, after, _place: place };
    if following.after.is_none() {
        following.after = following.desk.console.events.newest_event().await?;
    }
    let body = stream::unfold(following, |mut following| async move {
        let bytes = following.next().await?;
        Some((Ok::<_, actix_web::Error>(bytes), following))
    });
    Ok(HttpResponse::Ok().content_type(sse::MEDIA_TYPE).streaming(body))
}

struct Following {
    desk: Arc<Desk>,
    visitor: Visitor,
    events: watch::Receiver<u64>,
    after: Option<EventId>,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next part of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.may_go_on() {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
        // Marked as seen before the store is read, so that a later event wakes the stream again.
        self.events.borrow_and_update();
        let rows = self.read().await;
        if !rows.is_empty() {
            return Some(rows.into());
        }
        match tokio::time::timeout(BEAT, self.events.changed()).await {
            Ok(Err(_closed)) => None,
            Ok(Ok(())) | Err(_) => {
                let mut alive = Chunk::default();
                alive.comment();
                alive.end();
                Some(alive.into())
            }
        }
    }

    async fn read(&mut self) -> Chunk {
        let store = &self.desk.console.events;
        let read = match store.stream(self.after, MOST).await {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(%error, "the live stream could not read the store; trying again");
                return Chunk::default();
            }
        };
        self.after = read.last().map(|it| it.event.id).or(self.after);
        if read.len() == MOST
            && let Ok(Some(newest)) = store.newest_event().await
        {
            self.after = Some(newest);
        }
        let mut chunk = Chunk::default();
        read.iter().for_each(|streamed| write(streamed, &mut chunk));
        chunk
    }

    fn may_go_on(&self) -> bool {
        let console = &self.desk.console;
        let has_session = || self.desk.sessions.has(&self.visitor.cookie, console.clock.steady());
        self.visitor.is_admitted_by(&console.access) && (!console.access.needs_token() || has_session())
    }
}

fn write(streamed: &StreamedEvent, chunk: &mut Chunk) {
    let row = Row::of(&streamed.event);
    chunk.id(&row.id);
    // JSON has no line breaks of its own, so one line holds it. Writing to memory cannot fail.
    chunk.data(|bytes| drop(serde_json::to_writer(bytes, &row)));
    chunk.end();
}
