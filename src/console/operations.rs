//! *Operations*: search and list, page by page.
//!
//! A search text that is the id of an operation, a call or an event finds what it names. Otherwise it is the beginning of
//! a client context, so that an index finds it; these results are ordered by client context. If they fit one page, those of
//! the newest operations follow that contain the text, in any case. All other lists are ordered by creation, the newest
//! first. A page ends at the place of a row, which the link to the next page names.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use jiff::Timestamp;
use url::form_urlencoded::Serializer;

use super::PAGE;
use super::format::{encoded, instant, number, tone_of, tone_of_state};
use super::frame::Frame;
use super::gate::Desk;
use super::page::show;
use super::parameters::{self, TEXT};
use super::problem::Problem;
use super::words;
use crate::config::Scope;
use crate::domain::{ClientContext, ExpectationState, GraphId, Operation};
use crate::odata::{Cursor, Filter, OrderBy, Subject, quoted};
use crate::store::operations::{Inside, Question};

/// So many of the newest operations are searched for a text inside their client context.
const N_NEWEST: usize = 5_000;
/// The statuses that Graph documents. It may send others, so the filter takes any text.
const STATUSES: [&str; 4] = ["notStarted", "running", "completed", "failed"];

#[derive(Template)]
#[template(path = "operations.html")]
struct Page {
    frame: Frame,
    asked: Asked,
    statuses: &'static [&'static str],
    /// Each state with the text of its option.
    states: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    is_filtered: bool,
    /// How the search found them.
    by: By,
    n_newest: String,
    older: Option<String>,
    newer: Option<String>,
    first: String,
    /// The same search in the events.
    in_events: String,
}

/// How operations were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// By the filters, or because their client context begins with the text.
    Index,
    /// By the id of an operation, a call or an event.
    Id,
    /// Also because their client context contains the text.
    Inside,
}

struct Row {
    href: String,
    id: String,
    client_context: String,
    call_id: String,
    status: String,
    tone: &'static str,
    state: &'static str,
    state_tone: &'static str,
    created: String,
    modified: String,
}

/// The names of the parameters of the page.
const PARAMETERS: [&str; 6] = [TEXT, "status", "state", "call", "older", "newer"];

/// The parameters of the page.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    #[serde(alias = "q")]
    text: String,
    status: String,
    state: String,
    call: String,
    older: String,
    newer: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/operations", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let asked: Asked = parameters::read(&request, &PARAMETERS)?;
    let found = find(&desk, &asked).await?;
    let page = Page {
        frame: visitor.frame("operations"),
        statuses: &STATUSES,
        states: ExpectationState::ALL.into_iter().map(|it| (it.as_str(), words::of_expectation(it))).collect(),
        rows: found.operations.iter().map(row).collect(),
        is_filtered: !(asked.text.is_empty()
            && asked.status.is_empty()
            && asked.state.is_empty()
            && asked.call.is_empty()),
        by: found.by,
        n_newest: number(N_NEWEST as u64),
        older: found.older.map(|place| asked.link(("older", &place))),
        newer: found.newer.map(|place| asked.link(("newer", &place))),
        first: asked.link(("", "")),
        in_events: format!("/events?{TEXT}={}", encoded(asked.text.trim())),
        asked,
    };
    show(&request, &visitor, &page)
}

/// A page of operations, the newest first (a search: by client context).
struct Found {
    operations: Vec<Operation>,
    by: By,
    older: Option<String>,
    newer: Option<String>,
}

async fn find(desk: &Desk, asked: &Asked) -> Result<Found, Problem> {
    if asked.text.is_empty() || !asked.older.is_empty() {
        return listed(desk, asked).await;
    }
    let named = desk.console.operator.named(asked.text.trim()).await?;
    if !named.is_empty() {
        return Ok(Found { operations: named, by: By::Id, older: None, newer: None });
    }
    let mut found = listed(desk, asked).await?;
    if found.older.is_some() {
        return Ok(found);
    }
    let known: Vec<i64> = found.operations.iter().map(|it| it.number).collect();
    let others = inside(desk, asked).await?.into_iter().filter(|it| !known.contains(&it.number));
    found.operations.extend(others);
    if found.operations.len() > known.len() {
        found.by = By::Inside;
    }
    Ok(found)
}

/// The operations whose client context contains the text.
async fn inside(desk: &Desk, asked: &Asked) -> Result<Vec<Operation>, Problem> {
    let inside = Inside { text: asked.text.trim(), n_newest: N_NEWEST };
    let (filter, call) = (asked.filter(false)?, GraphId::new(asked.call.trim()));
    let order = OrderBy::default();
    let of = Question::first(&order, PAGE);
    let question = Question { call_id: call.as_ref(), filter: filter.as_ref(), inside: Some(inside), ..of };
    Ok(desk.console.operations.list(question).await?)
}

/// Finds by indexes.
async fn listed(desk: &Desk, asked: &Asked) -> Result<Found, Problem> {
    let is_back = !asked.newer.is_empty() && asked.text.is_empty();
    let order = asked.order(is_back)?;
    let after = asked.place(&order, is_back)?;
    let filter = asked.filter(true)?;
    let call = GraphId::new(asked.call.trim());
    let question = Question {
        call_id: call.as_ref(),
        filter: filter.as_ref(),
        after: after.as_ref(),
        ..Question::first(&order, PAGE + 1)
    };
    let mut operations = desk.console.operations.list(question).await?;
    let has_more = operations.len() > PAGE;
    operations.truncate(PAGE);
    if is_back {
        operations.reverse();
    }
    let has_newer = if is_back { has_more } else { after.is_some() };
    let has_older = is_back || has_more;
    let (first, last) = (operations.first(), operations.last());
    Ok(Found {
        by: By::Index,
        older: last.filter(|_| has_older).map(|it| asked.place_of(it)),
        newer: first.filter(|_| has_newer && asked.text.is_empty()).map(|it| asked.place_of(it)),
        operations,
    })
}

impl Asked {
    /// The filters; `with_text`: also by the beginning of the client context.
    fn filter(&self, with_text: bool) -> Result<Option<Filter>, Problem> {
        let mut conditions = Vec::new();
        if with_text && !self.text.is_empty() {
            conditions.push(format!("startsWith(clientContext,{})", quoted(&self.text)));
        }
        if !self.status.trim().is_empty() {
            conditions.push(format!("status eq {}", quoted(self.status.trim())));
        }
        if !self.state.is_empty() {
            let state =
                ExpectationState::parse(&self.state).ok_or_else(|| Problem::not_offered("Expectation", &self.state))?;
            conditions.push(format!("expectation/state eq {}", quoted(state.as_str())));
        }
        if conditions.is_empty() {
            return Ok(None);
        }
        let filter = Filter::parse(&conditions.join(" and "));
        filter.map(Some).map_err(|error| Problem::Filter(format!("This search is not possible: {error}.")))
    }

    fn order(&self, is_back: bool) -> Result<OrderBy, Problem> {
        let text = match (self.text.is_empty(), is_back) {
            (true, false) => "createdDateTime desc",
            (true, true) => "createdDateTime",
            (false, _) => "clientContext,createdDateTime",
        };
        OrderBy::parse(text).map_err(|error| Problem::Address(error.to_string()))
    }

    /// Where the page begins: the place of a row, as [`Asked::place_of`] wrote it.
    fn place(&self, order: &OrderBy, is_back: bool) -> Result<Option<Cursor>, Problem> {
        let (name, text) = if is_back { ("newer", &self.newer) } else { ("older", &self.older) };
        if text.is_empty() {
            return Ok(None);
        }
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let (Some(row), Some(created_at)) = (number(), number()) else { return Err(Problem::unknown(name, text)) };
        let created_at = Timestamp::from_microsecond(created_at).map_err(|_range| Problem::unknown(name, text))?;
        let client_context = parts.next();
        let subject = Subject { created_at: Some(created_at), client_context, ..Subject::default() };
        Ok(Some(order.cursor(&subject, row)))
    }

    fn place_of(&self, operation: &Operation) -> String {
        let place = format!("{}.{}", operation.number, operation.created_at.as_microsecond());
        let context = operation.client_context.as_ref().map(ClientContext::as_str);
        match context.filter(|_| !self.text.is_empty()) {
            Some(context) => format!("{place}.{context}"),
            None => place,
        }
    }

    /// The same search at another place.
    fn link(&self, place: (&str, &str)) -> String {
        let mut query = Serializer::new(String::new());
        let asked =
            [(TEXT, &*self.text), ("status", &*self.status), ("state", &*self.state), ("call", &*self.call), place];
        for (name, value) in asked.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        format!("/operations?{}", query.finish())
    }
}

/// The path of an operation's page.
pub fn path_of(operation: &Operation) -> String {
    let call = operation.call_id.as_deref().map(|call| format!("?call={}", encoded(call))).unwrap_or_default();
    format!("/operations/{}{call}", encoded(&operation.id))
}

fn row(operation: &Operation) -> Row {
    let state = operation.expectation.as_ref().map(|expectation| expectation.state);
    Row {
        href: path_of(operation),
        id: operation.id.clone(),
        client_context: operation.client_context.as_ref().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        call_id: operation.call_id.clone().unwrap_or_default(),
        status: operation.status.as_str().to_owned(),
        tone: tone_of(&operation.status),
        state: state.map(ExpectationState::as_str).unwrap_or_default(),
        state_tone: state.map(tone_of_state).unwrap_or_default(),
        created: instant(operation.created_at),
        modified: instant(operation.modified_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_none_is_refused() {
        for text in ["x", "1", "1.x", "1.9223372036854775807", "'; DROP TABLE operations --"] {
            let asked = Asked { older: text.into(), ..Asked::default() };
            let order = asked.order(false).unwrap();
            assert!(matches!(asked.place(&order, false), Err(Problem::Address(_))), "{text}");
        }
    }

    #[test]
    fn a_link_repeats_the_question_and_escapes_it() {
        let asked = Asked { text: "a&b='".into(), status: "running".into(), older: "1.2".into(), ..Asked::default() };
        assert_eq!(asked.link(("older", "3.4")), "/operations?text=a%26b%3D%27&status=running&older=3.4");
    }
}
