//! The event log: everything that was received, and what became of it.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, ServiceConfig};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::dead_letters::instant;
use super::shapes::EventShape;
use crate::api::pages::{self, List};
use crate::api::parameters::{Parameters, wrong};
use crate::api::{Admin, ApiError, Reader, resource};
use crate::store::{DeliveryView, EventFilter, EventView, Phase};

pub fn routes(config: &mut ServiceConfig) {
    config.service(resource("/eventLog", [(Method::GET, web::get().to(list))]));
}

/// An event with the states of its deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedEvent {
    #[serde(flatten)]
    event: EventShape,
    /// Its deliveries. Empty: it matches no route (`isMatched` is false), or none of its sinks takes events of this type.
    deliveries: Vec<DeliveryOfLog>,
}

/// A delivery of an event, in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryOfLog {
    /// Its id.
    id: String,
    /// The sink.
    sink: String,
    /// The name of the route that chose the sink. `expectation` if the announcement named the sink.
    route: String,
    /// `waiting`, `underWay` (taken for an attempt: it is in progress or about to begin; while reelhook pauses the sink, no attempt begins), `delivered` or `dead`.
    state: &'static str,
}

impl LoggedEvent {
    fn of(view: &EventView, now: Timestamp) -> Self {
        let deliveries = view.deliveries.iter().map(|delivery| DeliveryOfLog::of(delivery, now));
        Self { event: EventShape::from(view), deliveries: deliveries.collect() }
    }
}

impl DeliveryOfLog {
    fn of(view: &DeliveryView, now: Timestamp) -> Self {
        Self {
            id: view.id.to_string(),
            sink: view.sink.to_string(),
            route: view.route.to_string(),
            state: Phase::of(view, now).as_str(),
        }
    }
}

/// The query parameters of the event log.
const PARAMETERS: [&str; 8] = ["type", "resource", "matched", "since", "until", "text", "$top", pages::SKIPTOKEN];

/// A page of the stored events, newest first, with the link to the next page. A page looks at a limited number of events: it
/// may have no entries, and a link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/eventLog",
    tag = "events",
    operation_id = "listEvents",
    params(
        ("type" = Option<String>, Query, description = "Only events of this CloudEvents type"),
        ("resource" = Option<String>, Query, description = "Only events of this type of resource, or whose resource's path contains this text, in any case"),
        ("matched" = Option<bool>, Query, description = "`true`: only events that match a route; `false`: only those that match none"),
        ("since" = Option<String>, Query, description = "Only events that arrived from this instant on, or so long ago: 2h"),
        ("until" = Option<String>, Query, description = "Only events that arrived until this instant, or so long ago: 1h"),
        ("text" = Option<String>, Query, description = "The id of an event, a delivery, an operation or a call, in any spelling; or a part of a client context, in any case"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Events, newest first", body = List<LoggedEvent>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<LoggedEvent>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &PARAMETERS)?.at(admin.clock.now());
    let at = |name| instant(&parameters, name, &admin);
    let is_matched = parameters.one("matched")?;
    let is_matched =
        is_matched.map(|it| it.parse().map_err(|_error| wrong("matched", it, "true or false"))).transpose()?;
    let which = EventFilter {
        kind: parameters.text("type")?,
        resource: parameters.text("resource")?,
        since: at("since")?,
        until: at("until")?,
        is_matched,
        text: parameters.text("text")?,
    };
    let events = admin.operator.event_log(&which, pages::asked(&parameters)?).await?;
    let now = admin.clock.now();
    Ok(Json(List::shown(&request, &parameters, &events, |event| LoggedEvent::of(event, now))))
}
