//! *Quarantine*: notifications that failed verification, with the reason, the next step, and a button to replay them.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::PAGE;
use super::form::Form;
use super::format::{bytes, instant};
use super::frame::Frame;
use super::gate::Desk;
use super::json::Json;
use super::page::{Done, lead_to, show};
use super::pager::{Before, Pager};
use super::problem::Problem;
use super::selection::Selection;
use super::words;
use crate::config::Scope;
use crate::domain::Reason;
use crate::operator::{self, Body, OperatorError, Sight};
use crate::store::QuarantineView;

/// The most characters of a body that are shown.
const MAX_BODY_CHARS: usize = 64 * 1024;

#[derive(Template)]
#[template(path = "quarantine.html")]
struct List {
    frame: Frame,
    entries: Vec<Entry>,
    pager: Pager,
    selection: Selection,
    /// Each reason, and what it means.
    reasons: Vec<(&'static str, &'static str)>,
    /// The confirmation of a replay of all that match.
    bulk: String,
}

#[derive(Template)]
#[template(path = "quarantined.html")]
struct Page {
    frame: Frame,
    entry: Entry,
    may_see_body: bool,
    /// Whether accepting it without a token can help: a wrong `clientState` stays wrong.
    may_vouch: bool,
    hides_secrets: bool,
    /// How to see what is hidden.
    to_see: String,
    body: Option<Shown>,
}

/// A body in two ways.
struct Shown {
    shown: Json,
    original: String,
}

struct Entry {
    id: i64,
    received: String,
    channel: &'static str,
    reason: &'static str,
    /// The first reason, if it differs.
    first_reason: Option<&'static str>,
    /// The last check after the one on arrival, or that one is to come.
    checked: Option<String>,
    why: &'static str,
    next: &'static str,
    size: String,
}

#[derive(Debug, serde::Deserialize)]
struct Judge {
    form: String,
    #[serde(default)]
    vouch: String,
}

/// The routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/quarantine", web::get().to(list))
        .route("/quarantine/{id}", web::get().to(page))
        .route("/quarantine/{id}/replay", web::post().to(replay));
}

async fn list(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let (selection, now) = (Selection::in_list(&request, &["reason", "since"])?, desk.console.clock.now());
    let (before, done) = (Before::of(&request), Done::of(&request));
    let entries = desk.console.operator.quarantine(&selection.quarantine(now)?, before.page(PAGE)?).await?;
    let frame = Frame { notice: done.notice(), ..visitor.frame("quarantine") };
    let page = List {
        frame,
        pager: Pager::of("/quarantine", &selection.fixed(now).fields(), &before, &entries),
        entries: entries.rows.iter().map(entry).collect(),
        reasons: Reason::ALL
            .into_iter()
            .filter(|it| it.is_of_entries())
            .map(|it| (it.as_str(), words::of_reason(it).0))
            .collect(),
        bulk: format!("/bulk/quarantine?{}", selection.query(now)?),
        selection,
    };
    show(&request, &visitor, &page)
}

async fn page(desk: Data<Desk>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let found = desk.console.operator.quarantine_entry(number(&id)?).await.map_err(problem)?;
    let may_see_body = visitor.may(Scope::Admin);
    let hides_secrets = !visitor.may(Scope::Recordings);
    let body = match Body::of(&found, Sight { bodies: may_see_body, secrets: !hides_secrets }) {
        Body::Whole(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Body::WithoutSecrets(text) => Some(text),
        Body::Withheld => None,
    };
    let body = body.map(|body| Shown {
        shown: Json::of(&body, MAX_BODY_CHARS),
        original: operator::words::cut(&body, MAX_BODY_CHARS),
    });
    let to_see = words::to_see_a_body(found.id, (desk.console.access.needs_token(), may_see_body));
    let frame = visitor.frame("quarantine");
    let may_vouch = may_see_body && found.reason != Reason::ClientState;
    let page = Page { frame, entry: entry(&found), may_see_body, may_vouch, hides_secrets, to_see, body };
    show(&request, &visitor, &page)
}

async fn replay(
    desk: Data<Desk>,
    request: HttpRequest,
    id: Path<String>,
    judge: Form<Judge>,
) -> Result<HttpResponse, Problem> {
    let is_vouched = judge.vouch == "yes";
    // Vouching for an unverified origin needs more rights than replaying.
    let scope = if is_vouched { Scope::Admin } else { Scope::Write };
    let visitor = desk.press(&request, (scope, &judge.form))?;
    if !visitor.may(Scope::Write) {
        return Err(Problem::Scope(Scope::Write));
    }
    desk.console.operator.verify_again(number(&id)?, is_vouched, visitor.name()).await.map_err(problem)?;
    Ok(lead_to("/quarantine?done=judged"))
}

fn number(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_number| missing())
}

fn problem(error: OperatorError) -> Problem {
    match error {
        OperatorError::Missing => missing(),
        other => other.into(),
    }
}

fn missing() -> Problem {
    Problem::Missing(
        "There is no such quarantine entry: there never was one with this number, it was accepted, or newer entries replaced it.".into(),
    )
}

fn entry(view: &QuarantineView) -> Entry {
    let (why, next) = words::of_reason(view.reason);
    Entry {
        id: view.id,
        received: instant(view.received_at),
        channel: view.channel.as_str(),
        reason: view.reason.as_str(),
        first_reason: (view.first_reason != view.reason).then(|| view.first_reason.as_str()),
        checked: match (view.is_wished, view.verified_at) {
            (true, _) => Some("requested; the server does it within seconds".into()),
            (false, at) => at.map(|at| format!("{}: refused again", instant(at))),
        },
        why,
        next,
        size: bytes(view.n_bytes),
    }
}
