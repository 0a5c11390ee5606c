//! The buttons that attempt deliveries now: all that waits for a sink, or one delivery.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::form::Form;
use super::format::encoded;
use super::gate::Desk;
use super::live::page_of;
use super::page::{lead_to, paused};
use super::problem::Problem;
use super::sinks::{Pressed, problem_of};
use crate::config::Scope;
use crate::domain::{DeliveryId, SinkName};
use crate::operator::OperatorError;

/// The routes of these buttons.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/sinks/{name}/attempt", web::post().to(all)).route("/deliveries/{id}/attempt", web::post().to(one));
}

async fn all(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let due = desk.console.operator.attempt_all(&SinkName::new(&name), visitor.name()).await;
    let due = due.map_err(problem_of(&name))?;
    Ok(lead_to(format!("/sinks/{}?done=attempted&n={}{}", encoded(&name), due.n_waiting, paused(due.is_paused))))
}

async fn one(
    desk: Data<Desk>,
    request: HttpRequest,
    id: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let missing = || Problem::Missing("There is no such delivery: the retention has removed it.".into());
    let id: DeliveryId = id.parse().map_err(|_uuid| missing())?;
    let operator = &desk.console.operator;
    let found = operator.delivery(id).await.map_err(|error| match error {
        OperatorError::Missing => missing(),
        other => other.into(),
    })?;
    let done = match operator.attempt_one(id, visitor.name()).await {
        // The page shows what became of it meanwhile.
        Err(OperatorError::UnderWay(_) | OperatorError::Delivered | OperatorError::IsDead) => "not-waiting".to_owned(),
        outcome => outcome.map(|due| format!("attempted-one{}", paused(due.is_paused)))?,
    };
    // The operation's page, or the sink's where the event belongs to no operation.
    let page = found.event.as_ref().map(page_of).filter(|page| !page.is_empty());
    let page = page.unwrap_or_else(|| format!("/sinks/{}", encoded(found.delivery.sink.as_str())));
    let and = if page.contains('?') { '&' } else { '?' };
    Ok(lead_to(format!("{page}{and}done={done}")))
}
