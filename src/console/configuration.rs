//! *Configuration*: the config that the server runs with, each key with its value and origin, as `reelhook config print`
//! shows them. Whatever reads a key also says how it is shown, and hides what may be a secret ([`crate::config`]).

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::format::instant;
use super::frame::Frame;
use super::gate::Desk;
use super::page::show;
use super::problem::Problem;
use crate::config::Scope;
use crate::running::{Change, Last, Refusal, Setup, Shown};

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
    /// Its origin; `None` for a default.
    pub origin: Option<String>,
}

impl Row {
    fn of(shown: &Shown, key: &str) -> Self {
        Self { key: key.to_owned(), value: shown.value.clone(), origin: shown.origin.clone() }
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
        let (table, key) = in_table(&shown.path);
        if key.contains('.') && !shown.is_set {
            // One of several forms that the value may have.
            continue;
        }
        let row = Row::of(shown, key);
        // Keys of a table may stand behind those of its lists, as `subscriptions.publisher` does.
        match sections.iter_mut().find(|(known, _)| *known == table) {
            Some((_, rows)) => rows.push(row),
            None => sections.push((table, vec![row])),
        }
    }
    sections.into_iter().map(|(table, rows)| Section { title: title(table, &rows), rows }).collect()
}

/// A key path as the table that has a header in the config, and the key within it. A table may hold others
/// (`client_context.prefix`), which have no header there.
fn in_table(path: &str) -> (&str, &str) {
    let of_list = path.rfind("].").map(|at| (&path[..=at], &path[at + 2..]));
    let n_names = if path.starts_with("sinks.") { 2 } else { 1 };
    let dot = path.match_indices('.').nth(n_names - 1).map(|(at, _)| (&path[..at], &path[at + 1..]));
    of_list.or(dot).unwrap_or((path, path))
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
        let (is_set, origin) = (value != "not set", Some(origin.to_owned()).filter(|it| it != "default"));
        Shown { path: path.into(), value: value.into(), is_set, origin }
    }

    #[test]
    fn keys_stand_under_the_header_of_their_table() {
        let keys = [
            shown("server.listen", "\"0.0.0.0:8080\"", "my.toml:2"),
            shown("server.workers", "2", "default"),
            shown("subscriptions.tenants", "not set", "default"),
            shown("subscriptions.certificates[0].id", "\"2026\"", "my.toml:5"),
            shown("subscriptions.publisher", "\"x\"", "default"),
            shown("routes[0].name", "\"support\"", "my.toml:9"),
            shown("routes[0].client_context.exact", "not set", "default"),
            shown("routes[0].client_context.prefix", "\"a.b\"", "my.toml:10"),
            shown("routes[0].status", "not set", "default"),
            shown("routes[1].name", "\"rest\"", "my.toml:12"),
        ];
        let sections = sections(&keys);
        let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
        let certificate = "[[subscriptions.certificates]] 2026";
        assert_eq!(titles, ["[server]", "[subscriptions]", certificate, "[[routes]] support", "[[routes]] rest"]);
        let row = |key: &str, value: &str, origin: Option<&str>| Row {
            key: key.into(),
            value: value.into(),
            origin: origin.map(str::to_owned),
        };
        let listen = row("listen", "\"0.0.0.0:8080\"", Some("my.toml:2"));
        assert_eq!(sections[0].rows, [listen, row("workers", "2", None)]);
        let keys: Vec<&str> = sections[3].rows.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["name", "client_context.prefix", "status"]);
        assert_eq!(in_table("sinks.crm.tls.ca"), ("sinks.crm", "tls.ca"));
        assert_eq!(in_table("subscriptions.certificates[0].id"), ("subscriptions.certificates[0]", "id"));
    }
}
