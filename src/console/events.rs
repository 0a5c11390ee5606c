//! *Events*: everything that was received, newest first, with what became of it.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;

use super::PAGE;
use super::frame::Frame;
use super::gate::Desk;
use super::live::Row;
use super::page::show;
use super::pager::{Before, Pager};
use super::parameters::{self, TEXT};
use super::problem::Problem;
use super::selection::{instant, some};
use super::words::of_delivery_state;
use crate::config::Scope;
use crate::store::{DeliveryView, EventFilter, EventView};

#[derive(Template)]
#[template(path = "events.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    rows: Vec<Logged>,
    pager: Pager,
}

/// An event in a row.
struct Logged {
    row: Row,
    resource_type: String,
    resource: String,
    is_matched: bool,
    deliveries: Vec<Delivery>,
}

/// The state of one of its deliveries.
struct Delivery {
    sink: String,
    route: String,
    state: &'static str,
    tone: &'static str,
}

/// The names of the parameters of the page.
const PARAMETERS: [&str; 6] = [TEXT, "type", "resource", "matched", "since", "until"];

/// The parameters of the page; empty: not asked for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    #[serde(alias = "q")]
    text: String,
    #[serde(rename = "type")]
    kind: String,
    resource: String,
    matched: String,
    since: String,
    until: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/events", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let (asked, now): (Asked, _) = (parameters::read(&request, &PARAMETERS)?, desk.console.clock.now());
    let (which, before) = (asked.filter(now)?, Before::of(&request));
    let found = desk.console.operator.event_log(&which, before.page(PAGE)?).await?;
    let pager = Pager::of("/events", &asked.fixed(now).fields(), &before, &found);
    let rows = found.rows.iter().map(|it| logged(it, now)).collect();
    show(&request, &visitor, &Page { frame: visitor.frame("events"), asked, rows, pager })
}

impl Asked {
    fn filter(&self, now: Timestamp) -> Result<EventFilter, Problem> {
        let is_matched = self.is_matched();
        if is_matched.is_none() && !self.matched.is_empty() {
            return Err(Problem::not_offered("Matches a route", &self.matched));
        }
        Ok(EventFilter {
            kind: some(&self.kind),
            resource: some(&self.resource),
            since: instant("Received since", &self.since, now)?,
            until: instant("Received until", &self.until, now)?,
            is_matched,
            text: some(&self.text),
        })
    }

    /// Whether events must match a route. The first versions had other words for it.
    fn is_matched(&self) -> Option<bool> {
        match self.matched.as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        }
    }

    /// The same, with times that do not count from now.
    fn fixed(&self, now: Timestamp) -> Self {
        let at = |text| parameters::fixed(text, now);
        Self { since: at(&self.since), until: at(&self.until), ..self.clone() }
    }

    fn fields(&self) -> [(&str, &str); 6] {
        let Self { text, kind, resource, matched, since, until } = self;
        [(TEXT, text), ("type", kind), ("resource", resource), ("matched", matched), ("since", since), ("until", until)]
    }

    /// Whether it asks for fewer than all.
    fn narrows(&self) -> bool {
        self.fields().iter().any(|(_, value)| !value.trim().is_empty())
    }
}

fn logged(event: &EventView, now: Timestamp) -> Logged {
    Logged {
        row: Row::of(event),
        resource_type: event.envelope.resource_type.clone(),
        resource: event.resource.clone(),
        is_matched: event.is_matched,
        deliveries: event.deliveries.iter().map(|it| delivery(it, now)).collect(),
    }
}

fn delivery(delivery: &DeliveryView, now: Timestamp) -> Delivery {
    let (state, tone) = of_delivery_state(delivery, now);
    Delivery { sink: delivery.sink.to_string(), route: delivery.route.told().to_owned(), state, tone }
}
