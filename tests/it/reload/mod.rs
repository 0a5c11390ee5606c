//! The config is loaded again while the server runs: what changes, what does not, and that nothing is lost by it.

mod access;
mod channels;
mod load;
mod refused;
mod sinks;

use reelhook::running::{Change, Outcome};
use reelhook::simulator::payload::Recording;

use crate::test_app::{Settings, TestApp};

/// A route of everything to these sinks.
pub fn all_to(sinks: &str) -> String {
    format!("[[routes]]\nname = \"all\"\nsinks = [{sinks}]\n")
}

/// A sink that writes to a file in the app's folder, with its route.
pub fn file_sink(app: &TestApp, name: &str, file: &str) -> String {
    let path = app.folder.path().join(file);
    format!("[sinks.{name}]\nkind = \"file\"\npath = \"{}\"\n", path.display())
}

/// Posts that a recording was completed; the answer must be 202.
pub async fn post(app: &mut TestApp, client_context: &str) {
    let item = Recording::new(&mut app.seed).client_context(client_context).completed();
    assert_eq!(app.post_calls(&[item]).await.status, 202, "{client_context}");
}

/// What a reload changed; nothing needs a restart.
pub fn changed(outcome: Outcome) -> Vec<String> {
    let Change { changed, needs_restart, .. } = outcome.unwrap_or_else(|refused| panic!("{refused:?}"));
    assert_eq!(needs_restart, Vec::<String>::new());
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_change_without_a_restart() {
    let mut app = TestApp::start().await;
    post(&mut app, "before").await;
    app.first.wait_for(1).await;
    assert_eq!(changed(app.reload_with(|it| it.routes = all_to("\"second\"")).await), ["routes"]);
    post(&mut app, "after").await;
    app.second.wait_for(1).await;
    assert_eq!(app.delivered_contexts(), ["before"]);
    assert_eq!(changed(app.reload_with(|_same| {}).await), Vec::<String>::new());
    assert_eq!(app.metric("reelhook_config_reloads_total{result=\"ok\"}").await, 2.0);
    assert_eq!(app.metric("reelhook_config_reloads_total{result=\"refused\"}").await, 0.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_events_route_is_asked_of_the_config_that_runs_also_for_what_was_unmatched() {
    let none = "[[routes]]\nname = \"other\"\nclient_context = { exact = \"other\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: none.into(), ..Settings::default() }).await;
    post(&mut app, "lost and found").await;
    changed(app.reload_with(|it| it.routes = all_to("\"second\"")).await);
    let event = app.store.unmatched(reelhook::store::Newest::up_to(1)).await.unwrap().remove(0);
    let url = format!("http://{}/v1.0/unmatched/{}/replay", app.admin, event.id);
    assert_eq!(reqwest::Client::new().post(url).send().await.unwrap().status(), 200);
    app.second.wait_for(1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_needs_a_restart_is_named_and_keeps_its_value() {
    let app = TestApp::start().await;
    let change = |it: &mut Settings| {
        it.server = "max_connections = 77\nmax_items = 1".into();
        it.store = "retention = \"2h\"".into();
        it.calls = "path = \"/other\"".into();
    };
    let Change { changed, needs_restart, .. } = app.reload_with(change).await.unwrap();
    assert_eq!(changed, ["server.max_items"]);
    assert_eq!(needs_restart, ["server.max_connections", "store.retention", "calls.path"]);
    let mut seed = reelhook::simulator::payload::Seed::new(3);
    let mut item = || Recording::new(&mut seed).completed();
    assert_eq!(app.post_calls(&[item()]).await.status, 202, "the path is the old one");
    assert_eq!(app.post_calls(&[item(), item()]).await.status, 413, "and the limit is the new one");
    let page = reqwest::get(format!("http://{}/configuration", app.admin)).await.unwrap().text().await.unwrap();
    assert!(
        page.contains("data-test=\"config-reloaded\"") && page.contains("<li><code>calls.path</code></li>"),
        "{page}"
    );
    assert!(!page.contains("/other") && !page.contains(">77<"), "{page}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_bodies_change() {
    let mut app = TestApp::start().await;
    let names = changed(app.reload_with(|it| it.server = "max_body = \"1KiB\"\nmax_inflight = \"2KiB\"".into()).await);
    assert_eq!(names, ["server.max_body", "server.max_inflight"]);
    let long = Recording::new(&mut app.seed).client_context("x".repeat(2048)).completed();
    assert_eq!(app.post_calls(std::slice::from_ref(&long)).await.status, 413);
    changed(app.reload_with(|it| it.server.clear()).await);
    assert_eq!(app.post_calls(&[long]).await.status, 202);
    app.stop().await;
}
