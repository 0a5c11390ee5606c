//! *Resend*: successful deliveries are made again; first they are chosen and counted, then a job does it.

use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::count;
use super::form::Form;
use super::format::{counted_at_least, instant};
use super::frame::Frame;
use super::gate::{Desk, Visitor};
use super::page::{lead_to, show};
use super::pressed_delivery::{PressedDelivery, or_missing};
use super::problem::Problem;
use super::sinks::Pressed;
use crate::config::Scope;
use crate::domain::{RouteName, SinkName};
use crate::operator::{self, Action, Resend};
use crate::store::Counted;

#[derive(Template)]
#[template(path = "resend.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    sinks: Vec<String>,
    mistake: Option<String>,
    counted: Option<Found>,
}

/// What would be made again.
struct Found {
    /// The count, as the form sends it back.
    field: String,
    words: String,
    is_none: bool,
    /// As the form sends it back, and as a person reads it.
    since: String,
    since_words: String,
}

/// What the form asks for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    sink: String,
    route: String,
    #[serde(rename = "type")]
    kind: String,
    since: String,
    to: String,
    /// The form's proof, where the button was pressed.
    form: String,
    /// The count that the page showed, where the button was pressed.
    counted: String,
}

/// The routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/resend", web::get().to(page))
        .route("/resend", web::post().to(begin))
        .route("/deliveries/{id}/resend", web::post().to(one));
}

async fn page(desk: Data<Desk>, request: HttpRequest, asked: Query<Asked>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Write)?;
    page_for(&desk, &request, &visitor, asked.into_inner()).await
}

async fn page_for(
    desk: &Desk,
    request: &HttpRequest,
    visitor: &Visitor,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let sinks = desk.console.running.now().sink_names().iter().map(ToString::to_string).collect();
    let (mistake, counted) = match asked.since.is_empty() {
        true => (None, None),
        false => match count(desk, &asked).await {
            Ok(counted) => (None, Some(counted)),
            Err(mistake) => (Some(mistake), None),
        },
    };
    let page = Page { frame: visitor.frame("sinks"), asked, sinks, mistake, counted };
    show(request, visitor, &page)
}

async fn count(desk: &Desk, asked: &Asked) -> Result<Found, String> {
    let which = which(desk, asked)?;
    let since = which.since;
    let count = desk.console.operator.count(&Action::Resend(which)).await.map_err(|error| error.to_string())?;
    Ok(Found {
        field: count::written(&count),
        words: counted_at_least(count.counted, "delivery"),
        is_none: count.counted == Counted { n: 0, is_all: true },
        since: since.to_string(),
        since_words: instant(since),
    })
}

/// What the form means.
///
/// # Errors
/// It cannot be read.
fn which(desk: &Desk, asked: &Asked) -> Result<Resend, String> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (sink, to) = (some(&asked.sink), some(&asked.to));
    if to.is_some() && sink.is_none() {
        return Err("Choose the sink that received the events: this is needed if you send them to another sink.".into());
    }
    Ok(Resend {
        sink: sink.as_deref().map(SinkName::new),
        route: some(&asked.route).as_deref().map(RouteName::new),
        kind: some(&asked.kind),
        since: operator::since(asked.since.trim(), desk.console.clock.now())
            .map_err(|it| format!("Events received since: {it}"))?,
        to: to.as_deref().map(SinkName::new),
    })
}

async fn begin(desk: Data<Desk>, request: HttpRequest, asked: Form<Asked>) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &asked.form))?;
    let (Ok(which), Some(count)) = (which(&desk, &asked), count::read(&asked.counted)) else {
        return page_for(&desk, &request, &visitor, asked.clone()).await;
    };
    let job = desk.console.operator.begin(Action::Resend(which), count, visitor.name())?;
    Ok(lead_to(format!("/jobs/{job}")))
}

async fn one(
    desk: Data<Desk>,
    request: HttpRequest,
    id: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let found = PressedDelivery::find(&desk, &id).await?;
    desk.console.operator.resend_one(found.id(), None, visitor.name()).await.map_err(or_missing)?;
    Ok(found.lead_back("resent"))
}
