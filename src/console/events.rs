//! *Events*: everything that was received, newest first, with what became of it.

use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;

use super::PAGE;
use super::frame::Frame;
use super::gate::Desk;
use super::live::Row;
use super::page::show;
use super::pager::{Before, Pager};
use super::problem::Problem;
use super::selection::{instant, some};
use super::words::{of_delivery_state, of_route};
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
    deliveries: Vec<Delivery>,
}

/// The state of one of its deliveries.
struct Delivery {
    sink: String,
    route: String,
    state: &'static str,
    tone: &'static str,
}

/// The parameters of the page; empty: not asked for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
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

async fn page(
    desk: Data<Desk>,
    request: HttpRequest,
    asked: Query<Asked>,
    before: Query<Before>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let asked = asked.into_inner();
    let which = asked.filter(desk.console.clock.now())?;
    let found = desk.console.operator.event_log(&which, before.page(PAGE)?).await?;
    let pager = Pager::of("/events", &asked.fields(), &before, &found);
    let rows = found.rows.iter().map(logged).collect();
    show(&request, &visitor, &Page { frame: visitor.frame("events"), asked, rows, pager })
}

impl Asked {
    fn filter(&self, now: Timestamp) -> Result<EventFilter, Problem> {
        let is_matched = match self.matched.as_str() {
            "" => None,
            "yes" => Some(true),
            "no" => Some(false),
            _ => return Err(Problem::Address("Matches a route: expected yes or no.".into())),
        };
        Ok(EventFilter {
            kind: some(&self.kind),
            resource: some(&self.resource),
            since: instant("Since", &self.since, now)?,
            until: instant("Until", &self.until, now)?,
            is_matched,
            text: some(&self.q),
        })
    }

    fn fields(&self) -> [(&str, &str); 6] {
        let Self { q, kind, resource, matched, since, until } = self;
        [("q", q), ("type", kind), ("resource", resource), ("matched", matched), ("since", since), ("until", until)]
    }

    /// Whether it asks for fewer than all.
    fn narrows(&self) -> bool {
        self.fields().iter().any(|(_, value)| !value.trim().is_empty())
    }
}

fn logged(event: &EventView) -> Logged {
    Logged {
        row: Row::of(event),
        resource_type: event.envelope.resource_type.clone(),
        resource: event.resource.clone(),
        deliveries: event.deliveries.iter().map(delivery).collect(),
    }
}

fn delivery(delivery: &DeliveryView) -> Delivery {
    let (state, tone) = of_delivery_state(delivery.state);
    Delivery { sink: delivery.sink.to_string(), route: of_route(&delivery.route), state, tone }
}
