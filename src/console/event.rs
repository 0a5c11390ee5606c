//! *Event*: one event, its deliveries and its data. Events of an operation are also on the operation's page.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::format::{instant, tone_of_event};
use super::frame::Frame;
use super::gate::Desk;
use super::json::Json;
use super::live::operation_of;
use super::page::{Done, show};
use super::problem::Problem;
use super::words::{of_coming, of_delivery_state, of_envelope};
use crate::config::Scope;
use crate::domain::{EventId, Origin};
use crate::operator::words::{self, sentence};
use crate::operator::{Body, OperatorError, Present};
use crate::store::{DeliveryState, DeliveryView, EventView};

/// Where the notification of an event is gone.
const GONE: &str = "The notification is not kept any more: it was deleted together with the secrets in it.";
/// The most characters of an event's data that are shown.
const MAX_DATA_CHARS: usize = 64 * 1024;

#[derive(Template)]
#[template(path = "event.html")]
struct Page {
    frame: Frame,
    kind: String,
    tone: &'static str,
    client_context: String,
    /// The page of its operation; empty where it is about none.
    operation: String,
    sentences: Vec<String>,
    facts: Vec<(&'static str, String)>,
    /// Whether a route matched.
    is_matched: bool,
    deliveries: Vec<Delivery>,
    data: Json,
    /// The notification as it arrived.
    arrived: Option<Json>,
    original: String,
    /// Why it is not shown, or not whole.
    note: &'static str,
}

struct Delivery {
    id: String,
    sink: String,
    route: String,
    state: &'static str,
    tone: &'static str,
    told: String,
    reason: String,
    n_attempts: u32,
    /// The delivery that it is a resend of.
    resend_of: Option<String>,
    may_be_resent: bool,
    may_be_attempted: bool,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/events/{id}", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let missing = || Problem::Missing("There is no such event: it was never stored, or its retention is over.".into());
    let id: EventId = id.parse().map_err(|_uuid| missing())?;
    let event = match desk.console.operator.event(id).await {
        Err(OperatorError::Missing) => return Err(missing()),
        event => event?,
    };
    let frame = Frame { notice: Done::of(&request).notice(), ..visitor.frame("events") };
    let shows_secrets = visitor.may(Scope::Recordings);
    let original = desk.console.operator.original(id, shows_secrets).await?;
    let page = Page::of(frame, &event, &desk.console.operator.present()).with(original);
    show(&request, &visitor, &page)
}

impl Page {
    fn of(frame: Frame, event: &EventView, present: &Present<'_>) -> Self {
        let mut facts = vec![
            ("Event", event.id.to_string()),
            ("received", instant(event.received_at)),
            ("resource", event.resource.clone()),
        ];
        facts.extend(of_envelope(event));
        let told = words::of_event(event);
        Self {
            frame,
            kind: event.kind.clone(),
            tone: tone_of_event(event),
            client_context: event.client_context.clone().unwrap_or_default(),
            operation: operation_of(event),
            sentences: std::iter::once(of_coming(event)).chain(told.iter().map(|told| sentence(told))).collect(),
            facts,
            is_matched: event.is_matched,
            deliveries: event.deliveries.iter().map(|it| delivery(it, present)).collect(),
            data: Json::of(&event.data, MAX_DATA_CHARS),
            arrived: None,
            original: String::new(),
            note: match event.origin {
                Origin::Graph => GONE,
                Origin::Reelhook => "reelhook made this event: no notification arrived.",
            },
        }
    }
}

impl Page {
    fn with(mut self, original: Option<Body>) -> Self {
        let (text, note) = match original {
            None => return self,
            Some(Body::Withheld) => {
                self.note = "It is not JSON, so reelhook cannot hide the secrets in it. To see it, log in with a token that has the scope recordings.";
                return self;
            }
            Some(Body::Whole(bytes)) => (
                String::from_utf8_lossy(&bytes).into_owned(),
                "It may contain secrets. Without formatting, it is byte for byte what Graph sent.",
            ),
            Some(Body::WithoutSecrets(text)) => {
                (text, "Without the secrets in it. To see them, log in with a token that has the scope recordings.")
            }
        };
        self.arrived = Some(Json::of(&text, MAX_DATA_CHARS));
        self.original = words::cut(&text, MAX_DATA_CHARS);
        self.note = note;
        self
    }
}

fn delivery(delivery: &DeliveryView, present: &Present<'_>) -> Delivery {
    let (state, tone) = of_delivery_state(delivery, present.now);
    Delivery {
        id: delivery.id.to_string(),
        sink: delivery.sink.to_string(),
        route: delivery.route.told().to_owned(),
        state,
        tone,
        told: words::of_delivery(delivery, present),
        reason: delivery.reason.clone(),
        n_attempts: delivery.n_attempts,
        resend_of: delivery.resend_of.map(|id| id.to_string()),
        may_be_resent: delivery.state == DeliveryState::Delivered,
        may_be_attempted: delivery.may_be_attempted(),
    }
}
