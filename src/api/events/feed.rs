//! The stream of one client. Each part is made when the connection can take it.
//!
//! **Invariants**
//! 1. The next page is read after the last one was sent: a slow client costs the memory of one page, and delays nobody
//!    else.
//! 2. A client always knows its place in the stream. It gets the place where it begins, and each place that it passed
//!    without an event for it. After a broken connection it continues from there.
//! 3. A client gets something at least every [`HEARTBEAT`]. The stream ends when the server stops.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use futures_util::Stream;
use tokio::sync::{SemaphorePermit, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::api::Admin;
use crate::api::parameters::Parameters;
use crate::config::Events;
use crate::domain::{ClientContext, Event, EventId, GraphId, Previous, Status};
use crate::sinks::cloud_event;
use crate::store::{EventView, StreamedEvent};
use crate::web::sse::Chunk;

/// The longest time without data.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client should wait before it reconnects, in milliseconds.
const RETRY_MILLIS: u32 = 2_000;
/// How many events are read at a time.
const PAGE: usize = 32;

/// The events that a client asks for. An empty list means all.
#[derive(Debug, Default)]
pub struct Wanted {
    client_contexts: Vec<String>,
    statuses: Vec<Status>,
    kinds: Vec<String>,
    operations: Vec<GraphId>,
}

impl Wanted {
    /// Reads the parameters.
    pub fn of(parameters: &Parameters) -> Self {
        let texts = |name| parameters.all(name).map(str::to_owned).collect();
        Self {
            client_contexts: texts("clientContext"),
            statuses: parameters.all("status").map(Status::parse).collect(),
            kinds: texts("type"),
            operations: parameters.all("operation").filter_map(GraphId::new).collect(),
        }
    }

    fn has(&self, event: &EventView) -> bool {
        fn chosen<T: PartialEq>(wanted: &[T], has: impl Fn(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(has)
        }
        chosen(&self.client_contexts, |it| event.client_context.as_ref() == Some(it))
            && chosen(&self.statuses, |it| event.status.as_ref() == Some(it))
            && chosen(&self.kinds, |it| event.kind.eq_ignore_ascii_case(it))
            && chosen(&self.operations, |it| event.envelope.carried.operation_id.as_deref() == Some(it.as_str()))
    }
}

/// The stream of one client.
pub struct Feed {
    admin: Data<Admin>,
    wanted: Wanted,
    changes: watch::Receiver<u64>,
    /// The last event that was read.
    after: Option<EventId>,
    /// The last place that was sent to the client; `None` before the first.
    told: Option<Option<EventId>>,
    said_at: Instant,
    _seat: SemaphorePermit<'static>,
}

/// Where a feed begins.
pub struct Start {
    /// The last event that is not sent; `None`: the feed begins with the oldest.
    pub after: Option<EventId>,
    /// Registered before the place was looked up: no event in between is missed.
    pub changes: watch::Receiver<u64>,
}

impl Feed {
    /// A feed of the events after a place.
    pub fn new(admin: Data<Admin>, wanted: Wanted, start: Start, seat: SemaphorePermit<'static>) -> Self {
        let Start { after, changes } = start;
        Self { admin, wanted, changes, after, told: None, said_at: Instant::now(), _seat: seat }
    }

    /// The body of the answer.
    pub fn chunks(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut feed| async move {
            let chunk = feed.next().await?;
            Some((Ok(chunk), feed))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.told.is_none() {
            let mut chunk = Chunk::default();
            chunk.retry(RETRY_MILLIS);
            return Some(self.say(chunk));
        }
        loop {
            if self.admin.no_more_waiting.is_cancelled() {
                return None;
            }
            self.changes.borrow_and_update();
            let page = match self.admin.events.stream(self.after, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    // The client reconnects and continues where it was.
                    tracing::warn!(%error, "a stream of events ends: the store could not be read");
                    return None;
                }
            };
            let is_last = page.len() < PAGE;
            let events = self.take(&page);
            if !events.is_empty() {
                return Some(self.say(events));
            }
            if self.said_at.elapsed() >= HEARTBEAT {
                let mut chunk = Chunk::default();
                chunk.comment();
                return Some(self.say(chunk));
            }
            if is_last {
                self.wait().await?;
            }
        }
    }

    /// The events of a page that the client asked for.
    fn take(&mut self, page: &[StreamedEvent]) -> Chunk {
        let (mut chunk, setup) = (Chunk::default(), self.admin.operator.running.now());
        for streamed in page {
            let id = streamed.event.id;
            self.after = Some(id);
            if self.wanted.has(&streamed.event) {
                write(streamed, &setup.config.events, &mut chunk);
                self.told = Some(Some(id));
            }
        }
        chunk
    }

    /// A chunk of the stream. If the client does not know its place yet, the chunk begins with it: an event without
    /// data, which clients do not show.
    fn say(&mut self, mut chunk: Chunk) -> Bytes {
        self.said_at = Instant::now();
        if self.told != Some(self.after) {
            self.told = Some(self.after);
            let id = self.after.map_or(Uuid::nil(), |after| after.0);
            chunk.id(id);
            chunk.end();
        }
        chunk.into()
    }

    /// Waits for new events or for the next heartbeat; `None` when the server stops.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.changes.changed() => changed.ok(),
            () = self.admin.no_more_waiting.cancelled() => None,
            () = tokio::time::sleep_until(self.said_at + HEARTBEAT) => Some(()),
        }
    }
}

/// Writes one event.
fn write(streamed: &StreamedEvent, events: &Events, chunk: &mut Chunk) {
    let event = event(streamed);
    chunk.id(event.id);
    chunk.event(&events.sent_type(&event.kind));
    chunk.data(|bytes| cloud_event::write_unrouted(&event, events, bytes));
    chunk.end();
}

/// The event as sinks get it.
fn event(StreamedEvent { event: view, metadata }: &StreamedEvent) -> Event {
    // An event whose data cannot be opened any more is sent without data.
    let data = if view.data.is_empty() { "null".to_owned() } else { view.data.clone() };
    Event {
        id: view.id,
        origin: view.origin,
        kind: view.kind.clone(),
        number: view.number,
        envelope: view.envelope.clone(),
        subject: Some(view.resource.clone()).filter(|resource| !resource.is_empty()),
        time: view.received_at,
        client_context: view.client_context.clone().and_then(ClientContext::new),
        order: view.order,
        previous: view.previous.clone().map(|status| Previous { status }),
        possible_repeat: view.possible_repeat,
        data,
        recording_access_token: None,
        secrets: None,
        metadata: metadata.clone(),
    }
}
