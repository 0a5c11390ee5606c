//! *Unmatched*: events that matched no route, and a button to replay them: to route them again.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::PAGE;
use super::form::Form;
use super::format::duration;
use super::frame::Frame;
use super::gate::Desk;
use super::live::Row;
use super::page::{Done, lead_to, show};
use super::pager::{Before, Pager};
use super::problem::Problem;
use super::selection::Selection;
use super::sinks::Pressed;
use super::words;
use crate::config::Scope;
use crate::domain::EventId;
use crate::operator::OperatorError;

#[derive(Template)]
#[template(path = "unmatched.html")]
struct Page {
    frame: Frame,
    rows: Vec<Unmatched>,
    pager: Pager,
    selection: Selection,
    /// The confirmation of routing all that match the filter.
    bulk: String,
    retention: String,
}

struct Unmatched {
    row: Row,
    resource: String,
    facts: Vec<(&'static str, String)>,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/unmatched", web::get().to(page)).route("/unmatched/{id}/route", web::post().to(route));
}

async fn page(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let (selection, now) = (Selection::in_list(&request, &["type", "since"])?, desk.console.clock.now());
    let (before, done) = (Before::of(&request), Done::of(&request));
    let events = desk.console.operator.unmatched(&selection.unmatched(now)?, before.page(PAGE)?).await?;
    let pager = Pager::of("/unmatched", &selection.fixed(now).fields(), &before, &events);
    let rows = events.rows.iter().map(|event| Unmatched {
        row: Row::of(event),
        resource: event.resource.clone(),
        facts: words::of_envelope(event),
    });
    let frame = Frame { notice: done.notice(), ..visitor.frame("unmatched") };
    let retention = duration(desk.console.running.now().config.store.retention);
    let bulk = format!("/bulk/unmatched?{}", selection.query(now)?);
    let page = Page { frame, rows: rows.collect(), pager, selection, bulk, retention };
    show(&request, &visitor, &page)
}

async fn route(
    desk: Data<Desk>,
    request: HttpRequest,
    id: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let missing = || Problem::Missing("There is no such event.".into());
    let id: EventId = id.parse().map_err(|_uuid| missing())?;
    let n = match desk.console.operator.route_again(id, visitor.name()).await {
        Err(OperatorError::NoRouteMatches | OperatorError::AlreadyRouted) => {
            return Ok(lead_to("/unmatched?done=unrouted"));
        }
        Err(OperatorError::Missing) => return Err(missing()),
        routed => routed?,
    };
    Ok(lead_to(format!("/unmatched?done=routed&n={n}")))
}
