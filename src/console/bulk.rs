//! Actions on many dead letters, quarantine entries or unmatched events: on the ticked ones at once, on all that match
//! after a page with their number, by a job.

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;

use super::count;
use super::form::Form;
use super::format::{counted_at_least, encoded};
use super::frame::Frame;
use super::gate::{Desk, Visitor};
use super::page::{lead_to, paused, show};
use super::problem::Problem;
use super::selection::Selection;
use crate::config::Scope;
use crate::domain::SinkName;
use crate::operator::Action;
use crate::store::Counted;

#[derive(Template)]
#[template(path = "bulk.html")]
struct Page {
    frame: Frame,
    verb: &'static str,
    words: String,
    is_none: bool,
    /// Why there is nothing to do.
    why_none: &'static str,
    hint: &'static str,
    /// The count, as the form sends it back.
    counted: String,
    query: String,
    of: &'static str,
    back: String,
}

/// The fields of a form, as they came: a field may come more than once.
type Fields = Vec<(String, String)>;

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    DeadLetters,
    Quarantine,
    Unmatched,
}

impl Of {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "dead-letters" => Ok(Self::DeadLetters),
            "quarantine" => Ok(Self::Quarantine),
            "unmatched" => Ok(Self::Unmatched),
            _ => Err(Problem::Missing("There is no page at this address.".into())),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::DeadLetters => "dead-letters",
            Self::Quarantine => "quarantine",
            Self::Unmatched => "unmatched",
        }
    }

    /// What the address asks for. An unknown parameter is refused: without it, the page would mean more than somebody asked
    /// for.
    fn selected_by(self, request: &HttpRequest) -> Result<Selection, Problem> {
        let known: &[&str] = match self {
            Self::DeadLetters => &["sink", "reason", "since"],
            Self::Quarantine => &["reason", "since"],
            Self::Unmatched => &["type", "since"],
        };
        Selection::in_list(request, known)
    }

    /// Why there is nothing to do, with a filter or without one.
    fn why_none(self, is_filtered: bool) -> &'static str {
        match (self, is_filtered) {
            (Self::DeadLetters, true) => "No dead letter matches the filter.",
            (Self::DeadLetters, false) => "There are no dead letters.",
            (Self::Quarantine, true) => "No entry matches the filter.",
            (Self::Quarantine, false) => "The quarantine is empty.",
            (Self::Unmatched, true) => {
                "No unmatched event that the filter selects matches a route of the current config. Add or change a route, \
                 and run `reelhook reload`."
            }
            (Self::Unmatched, false) => {
                "No unmatched event matches a route of the current config. Add or change a route, and run `reelhook reload`."
            }
        }
    }

    /// The list that it is chosen from.
    fn list(self, sink: &str) -> String {
        match self {
            Self::DeadLetters => format!("/sinks/{}", encoded(sink)),
            Self::Quarantine => "/quarantine".into(),
            Self::Unmatched => "/unmatched".into(),
        }
    }
}

/// The routes of these pages.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/bulk/{of}", web::get().to(confirm))
        .route("/bulk/{of}", web::post().to(begin))
        .route("/bulk/{of}/selected", web::post().to(selected));
}

async fn confirm(desk: Data<Desk>, request: HttpRequest, of: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Write)?;
    confirm_for(&desk, &request, &visitor, Of::parse(&of)?).await
}

async fn confirm_for(desk: &Desk, request: &HttpRequest, visitor: &Visitor, of: Of) -> Result<HttpResponse, Problem> {
    let (selection, now) = (of.selected_by(request)?, desk.console.clock.now());
    let count = desk.console.operator.count(&action(of, &selection, now)?).await?;
    let is_removed = !selection.sink.is_empty() && !desk.console.operator.has_sink(&SinkName::new(&selection.sink));
    let (verb, what, hint) = match of {
        Of::DeadLetters if is_removed => (
            "Replay",
            "dead letter",
            "The config has no such sink, so they only wait: until you add it again, or move or drop what waits.",
        ),
        Of::DeadLetters => (
            "Replay",
            "dead letter",
            "They are delivered again. Delivery ids stay the same, and the retry schedule starts again.",
        ),
        Of::Quarantine => (
            "Replay",
            "entry",
            "Each is verified again with the current config. What is accepted leaves the quarantine; the rest stays.",
        ),
        Of::Unmatched => ("Route", "event", "These match a route of the current config. The others stay unmatched."),
    };
    let page = Page {
        frame: frame(visitor, of),
        verb,
        words: counted_at_least(count.counted, what),
        is_none: count.counted == Counted { n: 0, is_all: true },
        why_none: of.why_none(selection.narrows()),
        hint,
        counted: count::written(&count),
        query: selection.query(now)?,
        of: of.as_str(),
        back: of.list(&selection.sink),
    };
    show(request, visitor, &page)
}

fn frame(visitor: &Visitor, of: Of) -> Frame {
    visitor.frame(match of {
        Of::DeadLetters => "sinks",
        Of::Quarantine => "quarantine",
        Of::Unmatched => "unmatched",
    })
}

/// What is asked for.
fn action(of: Of, selection: &Selection, now: Timestamp) -> Result<Action, Problem> {
    Ok(match of {
        Of::DeadLetters => Action::Replay(selection.dead_letters(now)?),
        Of::Quarantine => Action::Verify(selection.quarantine(now)?, false),
        Of::Unmatched => Action::Route(selection.unmatched(now)?),
    })
}

async fn begin(
    desk: Data<Desk>,
    request: HttpRequest,
    of: Path<String>,
    fields: Form<Fields>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, proof(&fields)))?;
    let (of, now) = (Of::parse(&of)?, desk.console.clock.now());
    let selection = of.selected_by(&request)?;
    let action = action(of, &selection, now)?;
    let Some(count) = count::read(value(&fields, "counted")) else {
        return confirm_for(&desk, &request, &visitor, of).await;
    };
    let job = desk.console.operator.begin(action, count, visitor.name())?;
    Ok(lead_to(format!("/jobs/{job}")))
}

async fn selected(
    desk: Data<Desk>,
    request: HttpRequest,
    of: Path<String>,
    fields: Form<Fields>,
) -> Result<HttpResponse, Problem> {
    let visitor = desk.press(&request, (Scope::Write, proof(&fields)))?;
    let (of, operator, who) = (Of::parse(&of)?, &desk.console.operator, visitor.name());
    let sink = value(&fields, "sink");
    // The list shows the newest first; those of one operation are done in their order.
    let ticked: Vec<&str> = fields.iter().rev().filter(|(name, _)| name == "id").map(|(_, id)| id.as_str()).collect();
    let done = match of {
        _ if ticked.is_empty() => "none-ticked".to_owned(),
        Of::DeadLetters => {
            let n = operator.replay_these(parsed(&ticked), who).await?;
            format!("replayed&n={n}{}", paused(operator.pauses.is_paused(&SinkName::new(sink))))
        }
        Of::Quarantine => format!("judged-some&n={}", operator.verify_these_again(&parsed(&ticked), false, who).await?),
        Of::Unmatched => {
            format!("routed-some&n={}", operator.route_these_again(&parsed(&ticked), who).await?.n_matched)
        }
    };
    Ok(lead_to(format!("{}?done={done}", of.list(sink))))
}

/// What can be read; the page sends nothing else.
fn parsed<T: std::str::FromStr>(ids: &[&str]) -> Vec<T> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

fn value<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
}

fn proof(fields: &Fields) -> &str {
    value(fields, "form")
}
