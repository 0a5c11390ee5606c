//! *Sinks*: each sink's backlog and dead letters, and the buttons: test the connection, pause, resume, replay.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use uuid::Uuid;

use super::form::Form;
use super::frame::Frame;
use super::gate::{Desk, Visitor};
use super::live::page_of;
use super::page::{Done, lead_to, show};
use super::problem::Problem;
use super::shown::{counted, duration, encoded, instant, number};
use super::{PAGE, configuration};
use crate::config::{self, Scope};
use crate::domain::{DeliveryId, SinkName};
use crate::store::{Backlog, DeadLetters, DeliveryState, Newest};
use crate::wording;

/// How long a test of the connection may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Template)]
#[template(path = "sinks.html")]
struct List {
    frame: Frame,
    sinks: Vec<Summary>,
}

#[derive(Template)]
#[template(path = "sink.html")]
struct Page {
    frame: Frame,
    sink: Summary,
    settings: Vec<(String, String)>,
    probe: Option<Probe>,
    letters: Vec<Letter>,
}

#[derive(Template)]
#[template(path = "replay.html")]
struct Confirm {
    frame: Frame,
    sink: Summary,
    counted: String,
}

struct Summary {
    name: String,
    href: String,
    kind: String,
    is_configured: bool,
    is_paused: bool,
    n_open: u64,
    open: String,
    n_dead: u64,
    dead: String,
    oldest: String,
    /// What to do about waiting deliveries if the sink is not in the config.
    hint: String,
}

struct Letter {
    id: String,
    href: String,
    client_context: String,
    kind: String,
    created: String,
    given_up: String,
    n_attempts: u32,
    reason: String,
}

struct Probe {
    is_well: bool,
    text: String,
    took: String,
}

/// A form with nothing but its proof.
#[derive(Debug, serde::Deserialize)]
pub struct Pressed {
    /// The proof.
    pub form: String,
}

/// The routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/sinks", web::get().to(list))
        .route("/sinks/{name}", web::get().to(page))
        .route("/sinks/{name}/probe", web::post().to(probe))
        .route("/sinks/{name}/pause", web::post().to(pause))
        .route("/sinks/{name}/resume", web::post().to(resume))
        .route("/sinks/{name}/replay", web::get().to(confirm))
        .route("/sinks/{name}/replay", web::post().to(replay_all))
        .route("/sinks/{name}/dead-letters/{id}/replay", web::post().to(replay_one));
}

async fn list(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let backlogs = desk.console.store.backlog().await?;
    let configured = desk.console.config.sinks.iter().map(|sink| &sink.name);
    let gone = backlogs.keys().filter(|name| configured_sink(&desk, name).is_none());
    let sinks = configured.chain(gone).map(|name| summary(&desk, name, &backlogs)).collect();
    show(&request, &visitor, &List { frame: visitor.frame("sinks"), sinks })
}

async fn page(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    done: Query<Done>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let frame = Frame { notice: done.notice(), ..visitor.frame("sinks") };
    let page = Page::of(&desk, &name, frame, None).await?;
    show(&request, &visitor, &page)
}

impl Page {
    async fn of(desk: &Desk, name: &str, frame: Frame, probe: Option<Probe>) -> Result<Self, Problem> {
        let (name, backlogs) = known(desk, name).await?;
        let configured = configured_sink(desk, &name);
        Ok(Self {
            frame,
            sink: summary(desk, &name, &backlogs),
            settings: configured.map(configuration::sink).unwrap_or_default(),
            probe,
            letters: letters(desk, &name).await?,
        })
    }
}

async fn probe(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    // It sends no event and changes nothing, so the scope `read` is enough.
    let visitor = desk.press(&request, (Scope::Read, &pressed.form))?;
    let sink = desk.console.sinks.iter().find(|(known, _)| known.as_str() == *name);
    let (_, sink) = sink.ok_or_else(|| missing(&name))?;
    let began = std::time::Instant::now();
    let (is_well, text) = match tokio::time::timeout(PROBE_TIMEOUT, sink.probe()).await {
        Ok(Ok(())) => (true, "The destination can be reached.".to_owned()),
        Ok(Err(error)) => (false, error.to_string()),
        Err(_elapsed) => (false, format!("no answer within {}", duration(PROBE_TIMEOUT))),
    };
    let probe = Probe { is_well, text, took: duration(began.elapsed()) };
    let page = Page::of(&desk, &name, visitor.frame("sinks"), Some(probe)).await?;
    show(&request, &visitor, &page)
}

async fn pause(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let (visitor, sink) = press(&desk, &request, (&name, &pressed))?;
    desk.console.pauses.pause(sink).await?;
    tracing::info!(%sink, who = visitor.name(), "a sink was paused");
    Ok(lead_to(format!("/sinks/{}?done=paused", encoded(&name))))
}

async fn resume(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let (visitor, sink) = press(&desk, &request, (&name, &pressed))?;
    desk.console.pauses.resume(sink).await?;
    tracing::info!(%sink, who = visitor.name(), "a sink was resumed");
    Ok(lead_to(format!("/sinks/{}?done=resumed", encoded(&name))))
}

/// Somebody who presses a button of a sink that is configured.
fn press<'a>(
    desk: &'a Desk,
    request: &HttpRequest,
    (name, pressed): (&str, &Pressed),
) -> Result<(Visitor, &'a SinkName), Problem> {
    let visitor = desk.press(request, (Scope::Write, &pressed.form))?;
    let sink = configured_sink(desk, &SinkName::new(name)).ok_or_else(|| missing(name))?;
    Ok((visitor, &sink.name))
}

async fn confirm(desk: Data<Desk>, request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Write)?;
    let (name, backlogs) = known(&desk, &name).await?;
    let sink = summary(&desk, &name, &backlogs);
    let page = Confirm { frame: visitor.frame("sinks"), counted: counted(sink.n_dead, "dead letter"), sink };
    show(&request, &visitor, &page)
}

async fn replay_all(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let (sink, _) = known(&desk, &name).await?;
    replay(&desk, (&visitor, &sink), DeadLetters::OfSink(sink.clone())).await
}

async fn replay_one(
    desk: Data<Desk>,
    request: HttpRequest,
    path: Path<(String, String)>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let (name, id) = path.into_inner();
    let id = Uuid::try_parse(&id).map_err(|_uuid| Problem::Missing("There is no such dead letter.".into()))?;
    replay(&desk, (&visitor, &SinkName::new(&name)), DeadLetters::One(DeliveryId(id))).await
}

async fn replay(
    desk: &Desk,
    (visitor, sink): (&Visitor, &SinkName),
    which: DeadLetters,
) -> Result<HttpResponse, Problem> {
    let n = desk.console.store.replay_dead(which).await?;
    tracing::info!(%sink, n, who = visitor.name(), "dead letters were replayed");
    Ok(lead_to(format!("/sinks/{}?done=replayed&n={n}", encoded(sink.as_str()))))
}

/// A sink that is configured, or a removed one that has deliveries or dead letters.
async fn known(desk: &Desk, name: &str) -> Result<(SinkName, BTreeMap<SinkName, Backlog>), Problem> {
    let (sink, backlogs) = (SinkName::new(name), desk.console.store.backlog().await?);
    let is_known = configured_sink(desk, &sink).is_some() || backlogs.contains_key(&sink);
    if is_known { Ok((sink, backlogs)) } else { Err(missing(name)) }
}

fn missing(name: &str) -> Problem {
    Problem::Missing(format!("There is no sink {name:?} in this server's config."))
}

fn configured_sink<'a>(desk: &'a Desk, name: &SinkName) -> Option<&'a config::Sink> {
    desk.console.config.sinks.iter().find(|sink| sink.name == *name)
}

fn summary(desk: &Desk, name: &SinkName, backlogs: &BTreeMap<SinkName, Backlog>) -> Summary {
    let configured = configured_sink(desk, name);
    let backlog = backlogs.get(name);
    let (n_open, n_dead) = backlog.map_or((0, 0), |it| (it.n_open, it.n_dead));
    let oldest = backlog.and_then(|it| it.oldest);
    Summary {
        href: format!("/sinks/{}", encoded(name.as_str())),
        kind: configured.map_or_else(|| "not in the config any more".to_owned(), |sink| sink.kind.clone()),
        is_configured: configured.is_some(),
        is_paused: desk.console.pauses.is_paused(name),
        n_open,
        open: number(n_open),
        n_dead,
        dead: number(n_dead),
        hint: match configured {
            None if n_open > 0 => wording::sink_is_gone(name.as_str(), (n_open, &number(n_open))),
            _ => String::new(),
        },
        oldest: oldest.map_or("–".into(), |it| duration(it.age)),
        name: name.to_string(),
    }
}

async fn letters(desk: &Desk, sink: &SinkName) -> Result<Vec<Letter>, Problem> {
    let store = &desk.console.store;
    let mut letters = Vec::new();
    for delivery in store.deliveries(DeliveryState::Dead, Some(sink), Newest::up_to(PAGE)).await? {
        let event = store.event(delivery.event).await?;
        letters.push(Letter {
            id: delivery.id.to_string(),
            href: event.as_ref().map(page_of).unwrap_or_default(),
            client_context: event.as_ref().and_then(|it| it.client_context.clone()).unwrap_or_default(),
            kind: event.map(|it| it.kind).unwrap_or_default(),
            created: instant(delivery.created_at),
            given_up: instant(delivery.at),
            n_attempts: delivery.n_attempts,
            reason: delivery.reason,
        });
    }
    Ok(letters)
}
