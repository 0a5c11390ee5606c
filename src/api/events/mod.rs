//! The events as a stream of server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>):
//! each as a sink gets it, but without the route and always without the token.
//!
//! The stream begins with new events. `Last-Event-ID` (or `lastEventId`) begins after an event, `after=oldest` with the
//! oldest stored event. `clientContext`, `status`, `type` and `operation` select events by one of their values.

mod feed;

use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::OpenApi;
use uuid::Uuid;

use self::feed::{Feed, Start, Wanted};
use super::parameters::{Parameters, wrong};
use super::refusal::Refusal;
use super::{Admin, ApiError, Reader, resource};
use crate::access::Access;
use crate::domain::EventId;
use crate::web::sse;

/// The most streams at a time: each costs a connection and the memory of a page of events.
const MAX_STREAMS: usize = 1_000;
static SEATS: Semaphore = Semaphore::const_new(MAX_STREAMS);

const LAST_EVENT_ID: &str = "last-event-id";
const PARAMETERS: [&str; 6] = ["clientContext", "status", "type", "operation", "after", "lastEventId"];

/// The routes of this room.
pub fn routes(config: &mut ServiceConfig) {
    config.service(resource("/events", [(Method::GET, web::get().to(open))]));
}

#[derive(OpenApi)]
#[openapi(paths(open), tags((name = "events", description = "Events as they arrive")))]
struct Described;

/// The part of `/openapi.json` for these paths.
pub fn described() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

/// The events as they arrive (server-sent events). Each is a CloudEvent with its id and its type.
#[utoipa::path(
    get,
    path = "/v1.0/events",
    tag = "events",
    operation_id = "streamEvents",
    params(
        ("clientContext" = Option<Vec<String>>, Query, description = "Only events with one of these client contexts", explode = true),
        ("status" = Option<Vec<String>>, Query, description = "Only events with one of these statuses", explode = true),
        ("type" = Option<Vec<String>>, Query, description = "Only events of one of these types", explode = true),
        ("operation" = Option<Vec<String>>, Query, description = "Only events of one of these operations (ids with or without dashes, any case)", explode = true),
        ("after" = Option<String>, Query, description = "`oldest`: begin with the oldest stored event instead of now"),
        ("lastEventId" = Option<String>, Query, description = "Begin after this event"),
        ("Last-Event-ID" = Option<String>, Header, description = "Begin after this event; overrides the query"),
    ),
    responses(
        (status = 200, description = "Events, until the server stops", body = String, content_type = "text/event-stream"),
        (status = 503, description = "Too many streams are open", body = Refusal),
    ),
)]
pub async fn open(
    Reader(caller): Reader,
    (admin, access): (Data<Admin>, Data<Access>),
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::read(request.query_string(), &PARAMETERS)?;
    let wanted = Wanted::of(&parameters);
    let seat = seat()?;
    let changes = admin.changes.of_events();
    let after = start(&admin, &request, &parameters).await?;
    let feed = Feed::new(admin, wanted, Start { after, changes }, seat);
    // A reload may take the token away.
    let is_admitted = move |_: &Result<_, _>| std::future::ready(access.still_admits(&caller));
    Ok(HttpResponse::Ok()
        .content_type(sse::MEDIA_TYPE)
        .insert_header((CACHE_CONTROL, "no-store"))
        // A proxy that buffers answers would hold events back.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(feed.chunks().take_while(is_admitted)))
}

fn seat() -> Result<SemaphorePermit<'static>, ApiError> {
    SEATS.try_acquire().map_err(|_none_left| ApiError::unavailable())
}

/// The event after which the stream begins; `None`: it begins with the oldest.
async fn start(admin: &Admin, request: &HttpRequest, parameters: &Parameters) -> Result<Option<EventId>, ApiError> {
    // The header overrides the query: a browser that reconnects sends it together with the original address.
    let last = match request.headers().get(LAST_EVENT_ID) {
        Some(value) => Some((LAST_EVENT_ID, value.to_str().unwrap_or("bytes that are not text"))),
        None => parameters.one("lastEventId")?.map(|value| ("lastEventId", value)),
    };
    let from = parameters.one("after")?;
    if let Some((name, text)) = last.filter(|(_, text)| !text.is_empty()) {
        let id = Uuid::try_parse(text).map_err(|_error| wrong(name, text, "the id of an event"))?;
        return Ok(Some(EventId(id)).filter(|id| !id.0.is_nil()));
    }
    match from {
        None => Ok(admin.events.newest_event().await?),
        Some("oldest") => Ok(None),
        Some(other) => Err(wrong("after", other, "oldest (to begin after an event, use lastEventId)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::ResponseError;

    #[test]
    fn one_stream_too_many_is_told_to_come_later() {
        let seats: Vec<_> = (0..MAX_STREAMS).map(|_| seat().unwrap()).collect();
        assert_eq!(seat().unwrap_err().status_code(), 503);
        drop(seats);
        assert!(seat().is_ok());
    }
}
