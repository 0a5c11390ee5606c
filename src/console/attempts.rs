//! The buttons that attempt deliveries now: all that waits for a sink, or one delivery.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::form::Form;
use super::format::encoded;
use super::gate::Desk;
use super::page::{lead_to, paused};
use super::pressed_delivery::PressedDelivery;
use super::problem::Problem;
use super::sinks::{Pressed, problem_of};
use crate::config::Scope;
use crate::domain::SinkName;
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
    let found = PressedDelivery::find(&desk, &id).await?;
    let done = match desk.console.operator.attempt_one(found.id(), visitor.name()).await {
        // The page shows what became of it meanwhile.
        Err(OperatorError::UnderWay(_) | OperatorError::Delivered | OperatorError::IsDead) => "not-waiting".to_owned(),
        outcome => outcome.map(|due| format!("attempted-one{}", paused(due.is_paused)))?,
    };
    Ok(found.lead_back(&done))
}
