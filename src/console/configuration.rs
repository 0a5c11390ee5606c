//! *Configuration*: the config that the server runs with, each key with its value and origin, as `reelhook config print`
//! shows them. Whatever reads a key also says how it is shown, and hides what may be a secret ([`crate::config`]).

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::frame::Frame;
use super::gate::Desk;
use super::page::show;
use super::problem::Problem;
use super::shown::instant;
use crate::config::Scope;
use crate::running::{Change, Last, Refusal, Setup, Shown};

/// The origin of a value that was not set.
const DEFAULT: &str = "default";

#[derive(Template)]
#[template(path = "configuration.html")]
struct Page {
    frame: Frame,
    /// Since when this config runs.
    since: String,
    /// The last reload.
    last: Option<Reloaded>,
    sections: Vec<Section>,
}

/// What became of the last reload.
struct Reloaded {
    at: String,
    by: String,
    is_refused: bool,
    mistakes: Vec<String>,
    changed: String,
    needs_restart: Vec<String>,
}

impl Reloaded {
    fn of(last: &Last) -> Self {
        let (mistakes, change) = match &last.outcome {
            Ok(change) => (Vec::new(), change.clone()),
            Err(Refusal::Mistakes(mistakes)) => (mistakes.clone(), Change::default()),
            Err(Refusal::Impossible(why)) => (vec![(*why).to_owned()], Change::default()),
        };
        Self {
            at: instant(last.at),
            by: last.by.clone(),
            is_refused: last.outcome.is_err(),
            mistakes,
            changed: if change.changed.is_empty() { "nothing".to_owned() } else { change.changed.join(", ") },
            needs_restart: change.needs_restart,
        }
    }
}

/// The keys of one table.
struct Section {
    /// `[server]`, or `[[routes]] support`.
    title: String,
    rows: Vec<Row>,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key within its table.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its origin; empty for a default.
    pub origin: String,
}

impl Row {
    fn of(shown: &Shown, key: &str) -> Self {
        let origin = if shown.origin == DEFAULT { String::new() } else { shown.origin.clone() };
        Self { key: key.to_owned(), value: shown.value.clone(), origin }
    }
}

/// The route of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/configuration", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let setup = desk.console.running.now();
    let page = Page {
        frame: visitor.frame("configuration"),
        since: instant(setup.since),
        last: desk.console.reload.last().map(|last| Reloaded::of(&last)),
        sections: sections(&setup.keys),
    };
    show(&request, &visitor, &page)
}

/// The keys by their tables, in the order of the config.
fn sections(keys: &[Shown]) -> Vec<Section> {
    let mut sections: Vec<(&str, Vec<Row>)> = Vec::new();
    for shown in keys {
        let (table, key) = shown.path.rsplit_once('.').unwrap_or((&shown.path, &shown.path));
        let row = Row::of(shown, key);
        match sections.last_mut().filter(|(last, _)| *last == table) {
            Some((_, rows)) => rows.push(row),
            None => sections.push((table, vec![row])),
        }
    }
    sections.into_iter().map(|(table, rows)| Section { title: title(table, &rows), rows }).collect()
}

/// The header of a table as the config has it, with the name of one of several.
fn title(table: &str, rows: &[Row]) -> String {
    let Some((list, _)) = table.rsplit_once('[') else { return format!("[{table}]") };
    let name = rows.iter().find(|row| row.key == "name" || row.key == "id");
    format!("[[{list}]] {}", name.map(|row| row.value.trim_matches('"')).unwrap_or_default())
}

/// The keys of a sink.
pub fn of_sink(setup: &Setup, name: &str) -> Vec<Row> {
    let section = format!("sinks.{name}.");
    let of_it = |shown: &Shown| shown.path.strip_prefix(&section).map(|key| Row::of(shown, key));
    setup.keys.iter().filter_map(of_it).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, value: &str, origin: &str) -> Shown {
        Shown { path: path.into(), value: value.into(), origin: origin.into() }
    }

    #[test]
    fn keys_stand_under_the_header_of_their_table() {
        let keys = [
            shown("server.listen", "\"0.0.0.0:8080\"", "my.toml:2"),
            shown("server.workers", "2", "default"),
            shown("subscriptions", "not set", "default"),
            shown("routes[0].name", "\"support\"", "my.toml:9"),
            shown("routes[1].name", "\"rest\"", "my.toml:12"),
        ];
        let sections = sections(&keys);
        let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
        assert_eq!(titles, ["[server]", "[subscriptions]", "[[routes]] support", "[[routes]] rest"]);
        let row =
            |key: &str, value: &str, origin: &str| Row { key: key.into(), value: value.into(), origin: origin.into() };
        let listen = row("listen", "\"0.0.0.0:8080\"", "my.toml:2");
        assert_eq!(sections[0].rows, [listen, row("workers", "2", "")]);
    }
}
