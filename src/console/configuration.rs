//! *Configuration*: the config that the server runs with, each key with its value, defaults included.
//!
//! **Invariants**
//! 1. No secret is shown, nor a part of one: a secret is `set` or `not set`. Values of a sink's table are shown only if
//!    they cannot be secret: the host of a URL, the names of headers.

use std::fmt::Display;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use toml::Value;
use url::Url;

use super::frame::Frame;
use super::gate::Desk;
use super::page::show;
use super::problem::Problem;
use super::shown::instant;
use crate::config::{self, Config, Scope, SinkDispatch, Subscriptions, TextMatch};
use crate::running::{Change, Last, Refusal};
use crate::sinks::KINDS;

const SET: &str = "set";
const NOT_SET: &str = "not set";

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
            changed: list(&change.changed, "nothing"),
            needs_restart: change.needs_restart,
        }
    }
}

struct Section {
    name: String,
    rows: Vec<(String, String)>,
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
        sections: sections(&setup.config),
    };
    show(&request, &visitor, &page)
}

fn sections(config: &Config) -> Vec<Section> {
    let mut sections = vec![server(config), admin(config), store(config), calls(config)];
    sections.push(config.subscriptions.as_ref().map_or_else(
        || section("[subscriptions]", vec![row("subscriptions", NOT_SET)]),
        |subscriptions| section("[subscriptions]", of_subscriptions(subscriptions)),
    ));
    let within = config.expectations.default_within.map_or_else(|| "not set: no deadline".to_owned(), duration);
    let lost_after = duration(config.expectations.lost_after);
    let remembered = duration(config.expectations.remember_calls);
    let most = config.expectations.max_remembered_calls.to_string();
    let rows = vec![
        row("lost_after", lost_after),
        row("default_within", within),
        row("remember_calls", remembered),
        row("max_remembered_calls", most),
    ];
    sections.push(section("[expectations]", rows));
    sections.push(section("[dispatch]", dispatch(&config.dispatch.defaults)));
    sections.extend(config.sinks.iter().map(|it| section(&format!("[sinks.{}]", it.name), sink(it))));
    sections.extend(config.routes.iter().map(route));
    sections.push(section(
        "[log]",
        vec![row("filter", &config.log.filter), row("format", format!("{:?}", config.log.format).to_lowercase())],
    ));
    sections.push(section("[reload]", vec![row("watch", config.reload.watch)]));
    sections
}

fn section(name: &str, rows: Vec<(String, String)>) -> Section {
    Section { name: name.to_owned(), rows }
}

fn row(key: &str, value: impl Display) -> (String, String) {
    (key.to_owned(), value.to_string())
}

fn list<T: Display>(values: &[T], empty: &str) -> String {
    match values {
        [] => empty.to_owned(),
        values => values.iter().map(T::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// A duration as the config spells it, exactly.
fn duration(value: Duration) -> String {
    in_units(value.as_millis(), &[(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")], "0s")
}

/// A size as the config spells it, exactly.
fn bytes(n: u64) -> String {
    in_units(n.into(), &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")], "0B")
}

fn in_units(n: u128, units: &[(u128, &str)], none: &str) -> String {
    let fits = units.iter().find(|(unit, _)| n > 0 && n.is_multiple_of(*unit));
    fits.map_or_else(|| none.to_owned(), |(unit, name)| format!("{}{name}", n / unit))
}

fn server(config: &Config) -> Section {
    let it = &config.server;
    section(
        "[server]",
        vec![
            row("listen", it.listen),
            row("workers", it.workers),
            row("max_body", bytes(it.max_body_bytes as u64)),
            row("max_items", it.max_items),
            row("body_timeout", duration(it.body_timeout)),
            row("answer_timeout", duration(it.answer_timeout)),
            row("max_connections", it.max_connections),
            row("max_inflight", bytes(it.max_inflight_bytes as u64)),
            row("max_inflight_heads", bytes(it.max_inflight_head_bytes as u64)),
            row(
                "handshakes_per_minute",
                it.handshakes_per_minute.map_or_else(|| "not set: no limit".into(), |n| n.to_string()),
            ),
            row("trusted_proxies", list(&it.trusted_proxies, "none")),
            row("proxy_protocol", it.proxy_protocol),
            row("shutdown_delay", duration(it.shutdown_delay)),
            row("shutdown_grace", duration(it.shutdown_grace)),
        ],
    )
}

fn admin(config: &Config) -> Section {
    let it = &config.admin;
    let mut rows = vec![
        row("listen", it.listen),
        row("body_timeout", duration(it.body_timeout)),
        row("max_inflight", bytes(it.max_inflight_bytes as u64)),
    ];
    if config.admin.tokens.is_empty() {
        rows.push(row("tokens", "none: loopback only, without a login"));
    }
    for token in &config.admin.tokens {
        let scopes: Vec<String> = token.scopes.iter().map(|scope| format!("{scope:?}").to_lowercase()).collect();
        rows.push(row(&format!("tokens.{}.sha256", token.name), SET));
        rows.push(row(&format!("tokens.{}.scopes", token.name), list(&scopes, "none")));
    }
    section("[admin]", rows)
}

fn store(config: &Config) -> Section {
    let it = &config.store;
    let key = if it.encryption_key.is_some() { SET } else { "not set: generated once, beside the store" };
    section(
        "[store]",
        vec![
            row("path", it.path.display()),
            row("encryption_key", key),
            row("deduplicate", duration(it.deduplicate)),
            row("token_retention", duration(it.token_retention)),
            row("retention", duration(it.retention)),
            row("disk_reserve", bytes(it.disk_reserve_bytes)),
            row("quarantine_max_entries", it.quarantine_max_entries),
            row("quarantine_max_bytes", bytes(it.quarantine_max_bytes)),
            row("quarantine_strangers_share", it.quarantine_strangers_share),
        ],
    )
}

fn calls(config: &Config) -> Section {
    let Some(it) = &config.calls else { return section("[calls]", vec![row("calls", NOT_SET)]) };
    section(
        "[calls]",
        vec![
            row("path", &it.path),
            row("subpaths", it.subpaths),
            row("app_ids", list(&it.app_ids, "none")),
            row("tenants", list(&it.tenants, "any")),
            row("issuers", list(&it.issuers, "Microsoft's")),
            row("openid_configuration", &it.openid_configuration),
        ],
    )
}

fn of_subscriptions(it: &Subscriptions) -> Vec<(String, String)> {
    let mut rows = vec![
        row("path", &it.path),
        row("lifecycle_path", &it.lifecycle_path),
        row("app_ids", list(&it.app_ids, "none")),
        row("tenants", list(&it.tenants, "any")),
        row("openid_configuration", &it.openid_configuration),
        row("issuers", list(&it.issuers, "Microsoft's")),
        row("publisher", &it.publisher),
        row("client_states", secrets(it.client_states.len())),
        row("encrypted", list(&it.encrypted, "as learned")),
        row("max_pending_decryptions", it.max_pending_decryptions),
    ];
    for certificate in &it.certificates {
        rows.push(row(&format!("certificates.{}.private_key", certificate.id), SET));
        let thumbprint = certificate.thumbprint.as_deref().unwrap_or(NOT_SET);
        rows.push(row(&format!("certificates.{}.thumbprint", certificate.id), thumbprint));
    }
    rows
}

fn secrets(n: usize) -> String {
    match n {
        0 => NOT_SET.to_owned(),
        1 => SET.to_owned(),
        n => format!("{n} set"),
    }
}

fn dispatch(it: &SinkDispatch) -> Vec<(String, String)> {
    let retry: Vec<String> = it.retry.iter().map(|wait| duration(*wait)).collect();
    vec![
        row("concurrency", it.concurrency),
        row("timeout", duration(it.timeout)),
        row("queue", it.queue),
        row("queue_bytes", bytes(it.queue_bytes as u64)),
        row("retry", list(&retry, "none")),
        row("jitter", it.jitter),
        row("max_retry_after", duration(it.max_retry_after)),
    ]
}

/// A sink's keys and values.
pub fn sink(it: &config::Sink) -> Vec<(String, String)> {
    let mut rows = vec![row("kind", &it.kind)];
    let keys = KINDS.iter().find(|kind| kind.name == it.kind).map(|kind| kind.keys()).unwrap_or_default();
    let table = it.table.plain();
    for key in keys.iter().filter(|key| !table.contains_key(*key)) {
        rows.push(row(key, NOT_SET));
    }
    rows.extend(table.iter().map(|(key, value)| row(key, shown(key, value))));
    rows.extend(dispatch(&it.dispatch));
    rows
}

/// A value of a sink's table, if it cannot be a secret.
fn shown(key: &str, value: &Value) -> String {
    match value {
        Value::Table(table) if is_secret(table) => SET.to_owned(),
        Value::Table(table) if key == "headers" => list(&table.keys().collect::<Vec<_>>(), "none"),
        Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} = {}", shown(key, value)));
            list(&pairs.collect::<Vec<_>>(), "none")
        }
        Value::Array(values) => list(&values.iter().map(|value| shown(key, value)).collect::<Vec<_>>(), "none"),
        Value::String(text) => match Url::parse(text) {
            Ok(url) => format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or_default()),
            Err(_text) => text.clone(),
        },
        other => other.to_string(),
    }
}

/// `{ file = ".." }` or `{ env = ".." }`
fn is_secret(table: &toml::Table) -> bool {
    table.len() == 1 && (table.contains_key("file") || table.contains_key("env"))
}

fn condition(it: Option<&TextMatch>) -> String {
    match it {
        None => "any".into(),
        Some(TextMatch::Exact(texts)) => list(texts, "none"),
        Some(TextMatch::Prefix(text)) => format!("begins with {text}"),
        Some(TextMatch::Glob(text)) => format!("glob {text}"),
        Some(TextMatch::Regex(text)) => format!("regular expression {text}"),
        Some(TextMatch::Json { pointer, equals }) => format!("JSON {pointer} = {equals}"),
    }
}

fn route(it: &config::Route) -> Section {
    let statuses: Vec<&str> = it.status.iter().map(|status| status.as_str()).collect();
    let channels: Vec<&str> = it.channel.iter().map(|channel| channel.as_str()).collect();
    section(
        &format!("[[routes]] {}", it.name),
        vec![
            row("client_context", condition(it.client_context.as_ref())),
            row("resource", condition(it.resource.as_ref())),
            row("status", list(&statuses, "any")),
            row("tenant", list(&it.tenant, "any")),
            row("resource_type", list(&it.resource_type, "any")),
            row("change_type", list(&it.change_type, "any")),
            row("subscription", list(&it.subscription, "any")),
            row("channel", list(&channels, "any")),
            row("type", list(&it.kind, "any")),
            row("sinks", list(&it.sinks, "none")),
            row("continue", it.continues),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_exactly_and_as_the_config_spells_them() {
        assert_eq!(duration(Duration::from_millis(2500)), "2500ms");
        assert_eq!(duration(Duration::from_secs(86_400 * 30)), "30d");
        assert_eq!(duration(Duration::ZERO), "0s");
        assert_eq!(bytes(1 << 20), "1MiB");
        assert_eq!(bytes((1 << 20) + 1), "1048577B");
    }

    #[test]
    fn nothing_that_may_be_a_secret_is_shown() {
        let table: toml::Table = toml::from_str(
            r#"
            url = "https://hooks.example/services/CANARY?key=CANARY"
            urls = ["https://CANARY:CANARY@hooks.example/"]
            secret = [{ file = "CANARY" }, { env = "CANARY" }]
            headers = { x-key = "CANARY", authorization = { env = "CANARY" } }
            allow_private = ["10.0.0.0/8"]
            "#,
        )
        .unwrap();
        let shown: Vec<String> = table.iter().map(|(key, value)| format!("{key}: {}", shown(key, value))).collect();
        let shown = shown.join("\n");
        assert!(!shown.contains("CANARY"), "{shown}");
        assert!(shown.contains("hooks.example") && shown.contains("10.0.0.0/8") && shown.contains("x-key"), "{shown}");
    }
}
