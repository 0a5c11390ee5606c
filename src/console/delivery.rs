//! *Delivery*: one delivery with every attempt, and what was sent and answered in it.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::exchange::Exchange;
use super::format::{duration, encoded, instant};
use super::frame::Frame;
use super::gate::Desk;
use super::live::page_of;
use super::page::show;
use super::pressed_delivery::PressedDelivery;
use super::problem::Problem;
use super::words;
use crate::config::Scope;
use crate::operator::{self, DeliveryOfEvent};
use crate::store::{DeliveryState, DeliveryView, FailedAttempt};

/// How the reason begins where a sink of the kind `http` sent nothing, because it had no connection.
const COULD_NOT_CONNECT: &str = "could not connect";

#[derive(Template)]
#[template(path = "delivery.html")]
struct Page {
    frame: Frame,
    id: String,
    sink: String,
    sink_href: String,
    state: &'static str,
    tone: &'static str,
    told: String,
    facts: Vec<(&'static str, String)>,
    client_context: String,
    /// The page of its operation or its event; empty: the event is gone.
    operation: String,
    resend_of: Option<String>,
    attempts: Vec<Attempt>,
    /// Whether an attempt is in progress now.
    is_attempted: bool,
    /// Whether no attempt had an exchange.
    has_no_exchange: bool,
    may_be_resent: bool,
    may_be_attempted: bool,
    may_be_replayed: bool,
}

struct Attempt {
    number: u32,
    state: &'static str,
    tone: &'static str,
    /// When it began; empty: an older version made it.
    started: String,
    took: String,
    reason: String,
    is_after_replay: bool,
    /// Whether nothing of its request was sent.
    is_unsent: bool,
    exchange: Option<Exchange>,
    /// Why there is none; empty: there was none.
    missing: String,
    /// Whether its exchange is shown at once.
    is_open: bool,
}

/// The route of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/deliveries/{id}", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let found = PressedDelivery::find(&desk, &id).await?.into_inner();
    let delivery = &found.delivery;
    let present = desk.console.operator.present();
    let (state, tone) = words::of_delivery_state(delivery, present.now);
    let attempts = attempts(&found);
    let page = Page {
        frame: visitor.frame("deliveries"),
        id: delivery.id.to_string(),
        sink: delivery.sink.to_string(),
        sink_href: format!("/sinks/{}", encoded(delivery.sink.as_str())),
        state,
        tone,
        told: operator::words::sentence(&operator::words::of_delivery(delivery, &present)),
        facts: facts(&found),
        client_context: found.event.as_ref().and_then(|it| it.client_context.clone()).unwrap_or_default(),
        operation: found.event.as_ref().map(page_of).unwrap_or_default(),
        resend_of: delivery.resend_of.map(|id| id.to_string()),
        has_no_exchange: attempts.iter().all(|it| it.exchange.is_none() && it.missing.is_empty()),
        attempts,
        is_attempted: present.is_attempted(delivery),
        may_be_resent: delivery.state == DeliveryState::Delivered,
        may_be_attempted: delivery.may_be_attempted(),
        may_be_replayed: delivery.state == DeliveryState::Dead,
    };
    show(&request, &visitor, &page)
}

fn facts(found: &DeliveryOfEvent) -> Vec<(&'static str, String)> {
    let DeliveryView { id, event, route, created_at, .. } = &found.delivery;
    let kind = found.event.as_ref().map(|event| ("Event type", event.kind.clone()));
    let facts = [
        ("Delivery", id.to_string()),
        ("Event", event.to_string()),
        ("Route", route.told().to_owned()),
        ("Created", instant(*created_at)),
    ];
    facts.into_iter().chain(kind).collect()
}

/// The newest first.
fn attempts(found: &DeliveryOfEvent) -> Vec<Attempt> {
    let delivery = &found.delivery;
    let mut attempts: Vec<Attempt> = delivery.failures.iter().map(|failure| failed(found, failure)).collect();
    if delivery.state == DeliveryState::Delivered {
        attempts.push(Attempt {
            state: "delivered",
            tone: "good",
            started: delivery.success.map(|success| instant(success.started_at)).unwrap_or_default(),
            took: delivery.success.map(|success| duration(success.took)).unwrap_or_default(),
            is_after_replay: delivery.success.is_some_and(|success| success.is_after_replay),
            ..numbered(found, delivery.n_attempts)
        });
    }
    attempts.reverse();
    if let Some(last) = attempts.first_mut() {
        last.is_open = true;
    }
    attempts
}

fn failed(found: &DeliveryOfEvent, failure: &FailedAttempt) -> Attempt {
    Attempt {
        started: instant(failure.started_at),
        took: duration(failure.took),
        reason: failure.reason.clone(),
        is_after_replay: failure.is_after_replay,
        is_unsent: failure.reason.starts_with(COULD_NOT_CONNECT),
        ..numbered(found, failure.number)
    }
}

/// A failed attempt of which nothing but the exchange is known.
fn numbered(found: &DeliveryOfEvent, number: u32) -> Attempt {
    Attempt {
        number,
        state: "failed",
        tone: "bad",
        started: String::new(),
        took: String::new(),
        reason: String::new(),
        is_after_replay: false,
        is_unsent: false,
        exchange: found.exchanges.get(&number).map(Exchange::from),
        missing: found.why_no_exchange(number).unwrap_or_default(),
        is_open: false,
    }
}
