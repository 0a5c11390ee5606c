//! The live stream of an open page: new events, and the board whenever it changed.
//!
//! **Invariants**
//! 1. A stream costs a bounded share of the store's reads, however much arrives: it skips events that it cannot follow,
//!    and the board is sent at most once a second ([`super::glance`]).
//! 2. It ends with its session, and does not keep that session from becoming idle.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Bytes, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::board::{Board, Part};
use super::format::{encoded, tone_of_event};
use super::gate::{Desk, Visitor};
use super::moment::Moment;
use super::problem::Problem;
use super::range::Range;
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
/// The least time between two boards.
const BOARD_PAUSE: Duration = Duration::from_secs(1);
/// How often a quiet stream sends a sign of life, and reads the store without being told of a change.
const BEAT: Duration = Duration::from_secs(15);
/// When a browser connects again after the stream broke, in milliseconds.
const RETRY_MILLIS: u32 = 1_000;

/// An event in a row.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its id.
    pub id: String,
    /// When it was received.
    pub instant: Moment,
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
            instant: Moment(event.received_at),
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
    /// The range of the board; without it no board is sent.
    range: Option<String>,
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
    let asked = asked.into_inner();
    let range =
        asked.range.map(|name| Range::parse(&name).ok_or_else(|| Problem::unknown("range", &name))).transpose()?;
    let Ok(place) = Arc::clone(&desk.streams).try_acquire_owned() else {
        return Ok(HttpResponse::ServiceUnavailable().finish());
    };
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok().map(str::to_owned));
    let after = last.or(asked.after).and_then(|id| Uuid::try_parse(&id).ok()).map(EventId);
    let mut events = desk.console.changes.of_events();
    // The first read comes without a change.
    events.mark_changed();
    let now = Instant::now();
    let board = range.map(|range| Shown { range, html: String::new(), next_at: now });
    let mut following =
        Following { desk: desk.into_inner(), visitor, events, after, board, beat_at: now + BEAT, _place: place };
    if following.after.is_none() {
        following.after = following.desk.console.events.newest_event().await?;
    }
    let mut first = Chunk::default();
    first.retry(RETRY_MILLIS);
    first.end();
    let body = stream::unfold((Some(first), following), |(first, mut following)| async move {
        let bytes = match first {
            Some(first) => first.into(),
            None => following.next().await?,
        };
        Some((Ok::<_, actix_web::Error>(bytes), (None, following)))
    });
    Ok(HttpResponse::Ok().content_type(sse::MEDIA_TYPE).streaming(body))
}

struct Following {
    desk: Arc<Desk>,
    visitor: Visitor,
    events: watch::Receiver<u64>,
    after: Option<EventId>,
    board: Option<Shown>,
    beat_at: Instant,
    _place: OwnedSemaphorePermit,
}

/// The board that the page shows.
struct Shown {
    range: Range,
    html: String,
    next_at: Instant,
}

impl Following {
    /// The next part of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.may_go_on() {
                return None;
            }
            let wake_at = self.board.as_ref().map_or(self.beat_at, |board| board.next_at.min(self.beat_at));
            let is_changed = match timeout_at(wake_at, self.events.changed()).await {
                Ok(Err(_closed)) => return None,
                Ok(Ok(())) => true,
                Err(_elapsed) => false,
            };
            if is_changed {
                // What comes meanwhile is read together.
                tokio::time::sleep(PAUSE).await;
                // Marked as seen before the store is read, so that a later event wakes the stream again.
                self.events.borrow_and_update();
            }
            let is_beat = Instant::now() >= self.beat_at;
            let mut chunk = if is_changed || is_beat { self.read().await } else { Chunk::default() };
            self.renew_board(&mut chunk).await;
            if chunk.is_empty() && is_beat {
                chunk.comment();
                chunk.end();
            }
            if !chunk.is_empty() {
                self.beat_at = Instant::now() + BEAT;
                return Some(chunk.into());
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

    /// Adds the board, if its time has come and it is another one.
    async fn renew_board(&mut self, chunk: &mut Chunk) {
        let Some(shown) = self.board.as_mut().filter(|shown| Instant::now() >= shown.next_at) else { return };
        shown.next_at = Instant::now() + BOARD_PAUSE;
        let html = match Board::recent(&self.desk, shown.range).await {
            Ok(board) => Part::html(board),
            Err(error) => {
                tracing::debug!(%error, "the live board could not read the store; trying again");
                return;
            }
        };
        if html != shown.html {
            chunk.event("board");
            chunk.data(|bytes| drop(serde_json::to_writer(bytes, &html)));
            chunk.end();
            shown.html = html;
        }
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
