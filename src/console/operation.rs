//! *Operation*: one operation as a picture, in sentences, and as a table.

use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::format::{counted_at_least, duration, encoded, instant, tone_of, tone_of_event, tone_of_state};
use super::frame::Frame;
use super::gate::Desk;
use super::json::Json;
use super::moment::Moment;
use super::page::{Done, show};
use super::problem::Problem;
use super::timeline::{self, Timeline};
use super::words;
use crate::config::Scope;
use crate::domain::{ClientContext, ExpectationState, GraphId, Operation};
use crate::odata;
use crate::operator::{self, Present, words::sentence};
use crate::store::{Counted, DeliveryState, DeliveryView, EventView, NewestEvents};
use crate::web::link;

/// The most characters of an event's data that are shown.
const MAX_DATA_CHARS: usize = 64 * 1024;
/// The most events that are shown, the newest; the others are counted, and are found among all events.
const MAX_EVENTS: usize = 200;

#[derive(Template)]
#[template(path = "operation.html")]
struct Page {
    frame: Frame,
    client_context: String,
    status: String,
    tone: &'static str,
    state: &'static str,
    state_tone: &'static str,
    facts: Vec<(&'static str, String)>,
    story: Vec<String>,
    timeline: Timeline,
    events: Vec<Event>,
    /// How many events are not shown; empty: none.
    left_out: String,
    /// Where all events of its path are.
    all_events: String,
    api: Api,
}

/// The API's answer about the operation.
struct Api {
    path: String,
    /// The command that asks for it.
    curl: String,
    answer: Json,
}

struct Event {
    kind: String,
    tone: &'static str,
    id: String,
    came: String,
    received: Moment,
    meaning: Vec<String>,
    facts: Vec<(&'static str, String)>,
    /// Whether a route matched.
    is_matched: bool,
    deliveries: Vec<Delivery>,
    data: Json,
    /// The data, byte for byte.
    original: String,
}

struct Delivery {
    id: String,
    sink: String,
    route: String,
    state: &'static str,
    tone: &'static str,
    told: String,
    n_attempts: u32,
    failures: Vec<Failure>,
    /// The delivery that it is a resend of.
    resend_of: Option<String>,
    /// Whether its event can be sent again.
    may_be_resent: bool,
    /// Whether it can be attempted before its time.
    may_be_attempted: bool,
}

struct Failure {
    number: u32,
    started: Moment,
    took: String,
    reason: String,
    is_after_replay: bool,
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    #[serde(default)]
    call: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/operations/{id}", web::get().to(page));
}

async fn page(
    desk: Data<Desk>,
    request: HttpRequest,
    id: Path<String>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let id = GraphId::new(&id).ok_or_else(missing)?;
    let operation = desk.console.operations.get(&id, GraphId::new(&asked.call).as_ref()).await?;
    let operation = operation.ok_or_else(missing)?;
    let found = desk.console.operator.store.newest_events(operation.number, MAX_EVENTS).await?;
    let NewestEvents { events, counted } = found;
    let n_left_out = counted.n.saturating_sub(events.len() as u64);
    let present = desk.console.operator.present();
    let now = present.now;
    let state = operation.expectation.as_ref().map(|expectation| expectation.state);
    let mut story = words::of_operation(&operation, &events, &present);
    if n_left_out > 0 {
        story.push(format!("Only the newest {} events are counted here and drawn below.", events.len()));
    }
    let page = Page {
        frame: Frame { notice: Done::of(&request).notice(), ..visitor.frame("operations") },
        client_context: operation.client_context.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        status: operation.status.as_str().to_owned(),
        tone: tone_of(&operation.status),
        state: state.map(ExpectationState::as_str).unwrap_or_default(),
        state_tone: state.map(tone_of_state).unwrap_or_default(),
        facts: facts(&operation),
        story,
        timeline: timeline::draw(&operation, &events, now),
        events: events.iter().map(|it| event(it, &present)).collect(),
        left_out: match n_left_out {
            0 => String::new(),
            n => counted_at_least(Counted { n, ..counted }, "earlier event"),
        },
        all_events: format!("/events?resource={}", encoded(events.first().map_or("", |event| &event.resource))),
        api: api(&operation, &request, visitor.may(Scope::Recordings), desk.console.access.needs_token()),
    };
    show(&request, &visitor, &page)
}

/// What the API answers to a client with the visitor's rights.
fn api(operation: &Operation, request: &HttpRequest, shows_token: bool, needs_token: bool) -> Api {
    let call_id = operation.call_id.as_deref();
    let context = odata::context(&format!("{}/v1.0", link::origin(request)), call_id, true);
    let mut answer = operation.shown(shows_token).to_json();
    answer.insert("@odata.context".into(), context.into());
    let collection = call_id.map(|call_id| format!("calls/{}/operations", encoded(call_id)));
    let collection = collection.unwrap_or_else(|| "recordOperations".into());
    let path = format!("/v1.0/communications/{collection}/{}", encoded(&operation.id));
    let answer = serde_json::to_string(&answer).unwrap_or_default();
    let token = if needs_token { "-H \"Authorization: Bearer $REELHOOK_TOKEN\" " } else { "" };
    Api { curl: format!("curl {token}'{}{path}'", link::origin(request)), answer: Json::of(&answer, usize::MAX), path }
}

fn missing() -> Problem {
    Problem::Missing(
        "This operation is not known: it was neither announced nor reported here, or it was removed.".into(),
    )
}

fn facts(operation: &Operation) -> Vec<(&'static str, String)> {
    let or_none = |text: Option<&str>| text.unwrap_or("none").to_owned();
    let mut facts = vec![
        ("Client context", or_none(operation.client_context.as_ref().map(ClientContext::as_str))),
        ("Operation", operation.id.clone()),
        ("Call", operation.call_id.as_deref().unwrap_or("not known").to_owned()),
        ("Tenant", operation.tenant_id.as_deref().unwrap_or("not known").to_owned()),
        ("First known", instant(operation.created_at)),
        ("Last changed", instant(operation.modified_at)),
        ("Proof of the status", words::of_proof(operation)),
    ];
    if let Some(result) = &operation.result_info {
        facts.push(("Result", format!("{}, subcode {}", result.code, result.subcode)));
        facts.extend(result.message.clone().map(|message| ("Graph's message", message)));
    }
    let reason = operation.completion_reason.clone();
    facts.extend(reason.map(|reason| ("Completion reason", reason)));
    facts.push(("Recording", or_none(operation.recording_location.as_deref())));
    facts.extend(operation.call_end.as_ref().map(|end| ("Call ended", instant(end.at))));
    if let Some(expectation) = &operation.expectation {
        facts.extend(expectation.announced_at.map(|at| ("Announced", instant(at))));
        facts.push(("Deadline", expectation.expected_by.map_or_else(|| "no deadline".to_owned(), instant)));
        let sinks: Vec<&str> = expectation.sinks.iter().map(crate::domain::SinkName::as_str).collect();
        facts.push(("Sinks", if sinks.is_empty() { "chosen by the routes".to_owned() } else { sinks.join(", ") }));
        facts.extend(expectation.metadata.clone().map(|metadata| ("Metadata", metadata)));
    }
    facts
}

fn event(event: &EventView, present: &Present<'_>) -> Event {
    Event {
        kind: event.kind.clone(),
        tone: tone_of_event(event),
        id: event.id.to_string(),
        came: words::of_coming(event),
        received: Moment(event.received_at),
        meaning: operator::words::of_event(event).iter().map(|told| sentence(told)).collect(),
        facts: words::of_envelope(event),
        is_matched: event.is_matched,
        deliveries: event.deliveries.iter().map(|it| delivery(it, present)).collect(),
        data: Json::of(&event.data, MAX_DATA_CHARS),
        original: operator::words::cut(&event.data, MAX_DATA_CHARS),
    }
}

fn delivery(delivery: &DeliveryView, present: &Present<'_>) -> Delivery {
    let (state, tone) = words::of_delivery_state(delivery, present.now);
    let failures = delivery.failures.iter().map(|failure| Failure {
        number: failure.number,
        started: Moment(failure.started_at),
        took: duration(failure.took),
        reason: failure.reason.clone(),
        is_after_replay: failure.is_after_replay,
    });
    Delivery {
        id: delivery.id.to_string(),
        sink: delivery.sink.to_string(),
        route: delivery.route.told().to_owned(),
        state,
        tone,
        told: operator::words::of_delivery(delivery, present),
        n_attempts: delivery.n_attempts,
        resend_of: delivery.resend_of.map(|id| id.to_string()),
        may_be_resent: delivery.state == DeliveryState::Delivered,
        may_be_attempted: delivery.may_be_attempted(),
        failures: failures.collect(),
    }
}
