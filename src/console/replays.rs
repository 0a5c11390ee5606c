//! *Replay*: a dead letter is due again; or all of a sink, after a page with their number.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::count;
use super::form::Form;
use super::format::{counted, encoded};
use super::frame::Frame;
use super::gate::{Desk, Visitor};
use super::page::{lead_to, paused, show};
use super::problem::Problem;
use super::sinks::{Pressed, known};
use crate::config::Scope;
use crate::domain::{DeliveryId, SinkName};
use crate::operator::{Action, OperatorError};
use crate::store::DeadFilter;

#[derive(Template)]
#[template(path = "replay.html")]
struct Confirm {
    frame: Frame,
    sink: String,
    href: String,
    is_paused: bool,
    words: String,
    is_none: bool,
    /// The count, as the form sends it back.
    counted: String,
}

/// The form of a button on a page with a count.
#[derive(Debug, serde::Deserialize)]
struct PressedCount {
    form: String,
    #[serde(default)]
    counted: String,
}

/// The routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/sinks/{name}/replay", web::get().to(confirm))
        .route("/sinks/{name}/replay", web::post().to(replay_all))
        .route("/sinks/{name}/dead-letters/{id}/replay", web::post().to(replay_one));
}

async fn confirm(desk: Data<Desk>, request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Write)?;
    confirm_for(&desk, &request, &visitor, &name).await
}

async fn confirm_for(
    desk: &Desk,
    request: &HttpRequest,
    visitor: &Visitor,
    name: &str,
) -> Result<HttpResponse, Problem> {
    let sink = known(desk, name).await?;
    let which = DeadFilter { sink: Some(sink.name.clone()), ..DeadFilter::default() };
    let count = desk.console.operator.count(&Action::Replay(which)).await?;
    let page = Confirm {
        frame: visitor.frame("sinks"),
        href: format!("/sinks/{}", encoded(name)),
        is_paused: sink.is_paused(),
        sink: sink.name.to_string(),
        words: counted(count.counted.n, "dead letter"),
        is_none: count.counted.n == 0,
        counted: count::written(&count),
    };
    show(request, visitor, &page)
}

async fn replay_all(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<PressedCount>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let Some(count) = count::read(&pressed.counted) else {
        return confirm_for(&desk, &request, &visitor, &name).await;
    };
    let which = DeadFilter { sink: Some(known(&desk, &name).await?.name), ..DeadFilter::default() };
    let n = desk.console.operator.replay_all(&which, count.bounds(), visitor.name()).await?;
    Ok(replayed(&desk, &name, (n, count.counted.n)))
}

async fn replay_one(
    desk: Data<Desk>,
    request: HttpRequest,
    path: Path<(String, String)>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let (name, id) = path.into_inner();
    let id: DeliveryId = id.parse().map_err(|_uuid| Problem::Missing("There is no such dead letter.".into()))?;
    let n = match desk.console.operator.replay_one(id, visitor.name()).await {
        Err(OperatorError::Missing | OperatorError::NotDead) => 0,
        outcome => outcome.map(|()| 1)?,
    };
    Ok(replayed(&desk, &name, (n, n)))
}

/// The way back after so many were replayed, of so many that were counted.
fn replayed(desk: &Desk, sink: &str, (n, n_counted): (u64, u64)) -> HttpResponse {
    let paused = paused(desk.console.operator.pauses.is_paused(&SinkName::new(sink)));
    let of = if n < n_counted { format!("&of={n_counted}") } else { String::new() };
    lead_to(format!("/sinks/{}?done=replayed&n={n}{of}{paused}", encoded(sink)))
}
