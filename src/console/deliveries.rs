//! *Deliveries*: the deliveries of all sinks, newest event first.

use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;

use super::PAGE;
use super::format::instant as shown;
use super::frame::Frame;
use super::gate::Desk;
use super::live::page_of;
use super::page::show;
use super::pager::{Before, Pager};
use super::problem::Problem;
use super::selection::{instant, some};
use super::words::of_delivery_state;
use crate::config::Scope;
use crate::domain::SinkName;
use crate::operator::words;
use crate::store::{DeliveryFilter, LoggedDelivery, Phase};

/// Each state to filter by, with the text of its option.
const PHASES: [(Phase, &str); 5] = [
    (Phase::Unsettled, "waiting or under way"),
    (Phase::Waiting, "waiting"),
    (Phase::UnderWay, "under way"),
    (Phase::Delivered, "delivered"),
    (Phase::Dead, "dead letter"),
];

#[derive(Template)]
#[template(path = "deliveries.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    sinks: Vec<String>,
    states: [(&'static str, &'static str); 5],
    rows: Vec<Row>,
    pager: Pager,
}

/// A delivery in a row.
struct Row {
    id: String,
    created: String,
    sink: String,
    href: String,
    kind: String,
    client_context: String,
    state: &'static str,
    tone: &'static str,
    told: String,
    /// The reason of the last failure, unless it is delivered.
    reason: String,
    n_attempts: u32,
}

/// The parameters of the page; empty: not asked for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    sink: String,
    state: String,
    #[serde(rename = "type")]
    kind: String,
    since: String,
    until: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/deliveries", web::get().to(page));
}

async fn page(
    desk: Data<Desk>,
    request: HttpRequest,
    asked: Query<Asked>,
    before: Query<Before>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let (asked, now) = (asked.into_inner(), desk.console.clock.now());
    let found = desk.console.operator.delivery_log(&asked.filter(now)?, before.page(PAGE)?).await?;
    let pager = Pager::of("/deliveries", &asked.fields(), &before, &found);
    let sinks = desk.console.running.now().config.sinks.iter().map(|sink| sink.name.to_string()).collect();
    let page = Page {
        frame: visitor.frame("deliveries"),
        asked,
        sinks,
        states: PHASES.map(|(phase, text)| (phase.as_str(), text)),
        rows: found.rows.into_iter().map(|it| row(it, now)).collect(),
        pager,
    };
    show(&request, &visitor, &page)
}

impl Asked {
    fn filter(&self, now: Timestamp) -> Result<DeliveryFilter, Problem> {
        let unknown = |text: &str| Problem::Address(format!("There is no state {text:?}."));
        let phase = some(&self.state).map(|text| Phase::parse(&text).ok_or_else(|| unknown(&text)));
        Ok(DeliveryFilter {
            sink: some(&self.sink).map(|name| SinkName::new(&name)),
            phase: phase.transpose()?,
            kind: some(&self.kind),
            since: instant("Since", &self.since, now)?,
            until: instant("Until", &self.until, now)?,
            text: some(&self.q),
        })
    }

    fn fields(&self) -> [(&str, &str); 6] {
        let Self { q, sink, state, kind, since, until } = self;
        [("q", q), ("sink", sink), ("state", state), ("type", kind), ("since", since), ("until", until)]
    }

    /// Whether it asks for fewer than all.
    fn narrows(&self) -> bool {
        self.fields().iter().any(|(_, value)| !value.trim().is_empty())
    }
}

fn row(LoggedDelivery { delivery, event }: LoggedDelivery, now: Timestamp) -> Row {
    let (state, tone) = of_delivery_state(delivery.state);
    Row {
        id: delivery.id.to_string(),
        created: shown(delivery.created_at),
        sink: delivery.sink.to_string(),
        href: event.as_ref().map(page_of).unwrap_or_default(),
        client_context: event.as_ref().and_then(|it| it.client_context.clone()).unwrap_or_default(),
        kind: event.map(|it| it.kind).unwrap_or_default(),
        state,
        tone,
        told: words::of_delivery(&delivery, now),
        reason: delivery.reason,
        n_attempts: delivery.n_attempts,
    }
}
