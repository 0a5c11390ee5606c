//! *Deliveries*: the deliveries of all sinks, newest event first.

use actix_web::web::{self, Data, ServiceConfig};
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
use super::parameters::{self, TEXT};
use super::problem::Problem;
use super::selection::{instant, some};
use super::words::of_delivery_state;
use crate::config::Scope;
use crate::domain::SinkName;
use crate::operator::{Present, words};
use crate::store::{DeliveryFilter, LoggedDelivery, Phase};

/// Stands for all states.
const ANY: &str = "any";
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

/// The names of the parameters of the page.
const PARAMETERS: [&str; 6] = [TEXT, "sink", "state", "type", "since", "until"];

/// The parameters of the page; empty: not asked for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    #[serde(alias = "q")]
    text: String,
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

async fn page(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let (asked, now): (Asked, _) = (parameters::read(&request, &PARAMETERS)?, desk.console.clock.now());
    let before = Before::of(&request);
    let found = desk.console.operator.delivery_log(&asked.filter(now)?, before.page(PAGE)?).await?;
    let present = desk.console.operator.present();
    let pager = Pager::of("/deliveries", &asked.fixed(now).fields(), &before, &found);
    let sinks = desk.console.running.now().config.sinks.iter().map(|sink| sink.name.to_string()).collect();
    let page = Page {
        frame: visitor.frame("deliveries"),
        asked,
        sinks,
        states: PHASES.map(|(phase, text)| (phase.as_str(), text)),
        rows: found.rows.into_iter().map(|it| row(it, &present)).collect(),
        pager,
    };
    show(&request, &visitor, &page)
}

impl Asked {
    fn filter(&self, now: Timestamp) -> Result<DeliveryFilter, Problem> {
        let unknown = |text: &str| Problem::not_offered("State", text);
        let state = some(&self.state).filter(|state| state != ANY);
        let phase = state.map(|text| Phase::parse(&text).ok_or_else(|| unknown(&text)));
        Ok(DeliveryFilter {
            sink: some(&self.sink).map(|name| SinkName::new(&name)),
            phase: phase.transpose()?,
            kind: some(&self.kind),
            since: instant("Event received since", &self.since, now)?,
            until: instant("Event received until", &self.until, now)?,
            text: some(&self.text),
        })
    }

    fn fields(&self) -> [(&str, &str); 6] {
        let Self { text, sink, state, kind, since, until } = self;
        [(TEXT, text), ("sink", sink), ("state", state), ("type", kind), ("since", since), ("until", until)]
    }

    /// The same, with times that do not count from now.
    fn fixed(&self, now: Timestamp) -> Self {
        let at = |text| parameters::fixed(text, now);
        Self { since: at(&self.since), until: at(&self.until), ..self.clone() }
    }

    /// Whether it asks for fewer than all.
    fn narrows(&self) -> bool {
        self.fields().iter().any(|(name, value)| !value.trim().is_empty() && (*name, *value) != ("state", ANY))
    }
}

fn row(LoggedDelivery { delivery, event }: LoggedDelivery, present: &Present<'_>) -> Row {
    let (state, tone) = of_delivery_state(&delivery, present.now);
    Row {
        id: delivery.id.to_string(),
        created: shown(delivery.created_at),
        sink: delivery.sink.to_string(),
        href: event.as_ref().map(page_of).unwrap_or_default(),
        client_context: event.as_ref().and_then(|it| it.client_context.clone()).unwrap_or_default(),
        kind: event.map(|it| it.kind).unwrap_or_default(),
        state,
        tone,
        told: words::of_delivery(&delivery, present),
        reason: delivery.reason,
        n_attempts: delivery.n_attempts,
    }
}
