//! *Sinks*: each sink's backlog and dead letters, and the buttons: test the connection, pause, resume.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::form::Form;
use super::format::{duration, encoded, instant, number};
use super::frame::Frame;
use super::gate::Desk;
use super::live::page_of;
use super::page::{Done, lead_to, show};
use super::pager::{Before, Pager};
use super::parameters;
use super::problem::Problem;
use super::selection::Selection;
use super::sink_state::{self, Badge};
use super::{PAGE, configuration};
use crate::config::Scope;
use crate::domain::SinkName;
use crate::operator::{self, OperatorError, SinkState, SinkSummary};
use crate::store::LoggedDelivery;

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
    settings: Vec<configuration::Row>,
    probe: Option<Probe>,
    /// Its state in sentences.
    sentences: Vec<String>,
    selection: Selection,
    /// The confirmation of a replay of all that match.
    bulk: String,
    letters: Vec<Letter>,
    pager: Pager,
}

/// Which dead letters the page shows.
struct Asked {
    selection: Selection,
    before: Before,
}

struct Summary {
    name: String,
    href: String,
    kind: String,
    state: Badge,
    is_configured: bool,
    is_paused: bool,
    /// Why the last attempt failed, if the sink fails.
    failure: String,
    next: String,
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
        .route("/sinks/{name}/resume", web::post().to(resume));
}

async fn list(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    parameters::check(request.query_string(), &[])?;
    let sinks = desk.console.operator.sink_summaries().await?;
    let sinks = sinks.into_iter().map(|sink| summary(&desk, sink)).collect();
    show(&request, &visitor, &List { frame: visitor.frame("sinks"), sinks })
}

async fn page(desk: Data<Desk>, request: HttpRequest, name: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let selection = Selection { sink: name.clone(), ..Selection::in_list(&request, &["reason", "since"])? };
    let frame = Frame { notice: Done::of(&request).notice(), ..visitor.frame("sinks") };
    let page = Page::of(&desk, Asked { selection, before: Before::of(&request) }, frame, None).await?;
    show(&request, &visitor, &page)
}

impl Page {
    async fn of(desk: &Desk, asked: Asked, frame: Frame, probe: Option<Probe>) -> Result<Self, Problem> {
        let Asked { selection, before } = asked;
        let (name, now) = (selection.sink.as_str(), desk.console.clock.now());
        let sink = known(desk, name).await?;
        let which = selection.dead_letters(now)?;
        let letters = desk.console.operator.dead_letters(&which, before.page(PAGE)?).await?;
        let setup = desk.console.running.now();
        Ok(Self {
            frame,
            sentences: sink_state::sentences(&sink, desk.console.clock.now()),
            settings: configuration::of_sink(&setup, name),
            sink: summary(desk, sink),
            probe,
            bulk: format!("/bulk/dead-letters?{}", selection.query(now)?),
            pager: {
                let fixed = selection.fixed(now);
                let fields: Vec<_> = fixed.fields().into_iter().filter(|(name, _)| *name != "sink").collect();
                Pager::of(&format!("/sinks/{}", encoded(name)), &fields, &before, &letters)
            },
            letters: letters.rows.into_iter().map(letter).collect(),
            selection,
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
    let sink = desk.console.running.now().built(&name).cloned().ok_or_else(|| missing(&name))?;
    let began = std::time::Instant::now();
    let (is_well, text) = match operator::probed(&*sink).await {
        Ok(warnings) => (true, [&["The destination can be reached.".to_owned()], &*warnings].concat().join(" ")),
        Err(why) => (false, why),
    };
    let probe = Probe { is_well, text, took: duration(began.elapsed()) };
    let selection = Selection { sink: name.clone(), ..Selection::default() };
    let asked = Asked { selection, before: Before::default() };
    let page = Page::of(&desk, asked, visitor.frame("sinks"), Some(probe)).await?;
    show(&request, &visitor, &page)
}

async fn pause(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    desk.console.operator.pause(&SinkName::new(&name), visitor.name()).await.map_err(problem_of(&name))?;
    Ok(lead_to(format!("/sinks/{}?done=paused", encoded(&name))))
}

async fn resume(
    desk: Data<Desk>,
    request: HttpRequest,
    name: Path<String>,
    pressed: Form<Pressed>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, &pressed.form))?;
    let (operator, sink) = (&desk.console.operator, SinkName::new(&name));
    operator.resume(&sink, visitor.name()).await.map_err(problem_of(&name))?;
    Ok(lead_to(match operator.sink_summary(&sink).await {
        // Nothing else is left of it.
        Err(OperatorError::Missing) => "/sinks".to_owned(),
        Ok(it) if !it.is_configured() => format!("/sinks/{}?done=unpaused", encoded(&name)),
        _ => format!("/sinks/{}?done=resumed", encoded(&name)),
    }))
}

/// A sink that is configured, or was and has something left.
///
/// # Errors
/// There is none, or the store could not be read.
pub async fn known(desk: &Desk, name: &str) -> Result<SinkSummary, Problem> {
    desk.console.operator.sink_summary(&SinkName::new(name)).await.map_err(problem_of(name))
}

/// The problem with an action on a sink.
pub fn problem_of(name: &str) -> impl FnOnce(OperatorError) -> Problem {
    move |error| match error {
        OperatorError::Missing => missing(name),
        other => other.into(),
    }
}

fn missing(name: &str) -> Problem {
    Problem::Missing(format!("There is no sink {name:?} in the config."))
}

fn summary(desk: &Desk, sink: SinkSummary) -> Summary {
    let setup = desk.console.running.now();
    let configured = setup.sink(sink.name.as_str());
    Summary {
        href: format!("/sinks/{}", encoded(sink.name.as_str())),
        kind: configured.map_or_else(|| "not in the config any more".to_owned(), |sink| sink.kind.clone()),
        state: Badge::from(sink.state),
        is_configured: sink.is_configured(),
        is_paused: sink.is_paused(),
        failure: match (sink.state, &sink.last_failure) {
            (SinkState::Failing, Some(failure)) => failure.reason.clone(),
            _ => String::new(),
        },
        next: sink.next_attempt.map_or("–".into(), instant),
        open: number(sink.n_open),
        n_open: sink.n_open,
        n_dead: sink.n_dead,
        dead: number(sink.n_dead),
        hint: sink.hint(number).unwrap_or_default(),
        oldest: sink.oldest.map_or("–".into(), |it| duration(it.age)),
        name: sink.name.to_string(),
    }
}

fn letter(LoggedDelivery { delivery, event }: LoggedDelivery) -> Letter {
    Letter {
        id: delivery.id.to_string(),
        href: event.as_ref().map(page_of).unwrap_or_default(),
        client_context: event.as_ref().and_then(|it| it.client_context.clone()).unwrap_or_default(),
        kind: event.map(|it| it.kind).unwrap_or_default(),
        created: instant(delivery.created_at),
        given_up: instant(delivery.at),
        n_attempts: delivery.n_attempts,
        reason: delivery.reason,
    }
}
