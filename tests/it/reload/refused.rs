//! A config with mistakes: the old one runs on, and everyone is told.

use reelhook::running::Refusal;
use serde_json::Value;

use super::{all_to, changed, post};
use crate::test_app::{Settings, TestApp};

fn mistakes(outcome: reelhook::running::Outcome) -> Vec<String> {
    match outcome {
        Err(Refusal::Mistakes(mistakes)) => mistakes,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_with_mistakes_changes_nothing_and_tells_all_of_them() {
    let mut app = TestApp::start().await;
    let wrong = |it: &mut Settings| {
        it.routes = all_to("\"second\", \"nobody\"");
        it.server = "max_items = 0".into();
    };
    let told = mistakes(app.reload_with(wrong).await);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("server.max_items: found") && told[1].contains("found \"nobody\""), "{told:#?}");
    post(&mut app, "still to the first").await;
    app.first.wait_for(1).await;
    let answer = reqwest::Client::new().post(format!("http://{}/v1.0/reload", app.admin)).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body["error"]["code"], "configRefused");
    assert_eq!(body["error"]["message"].as_str().unwrap().lines().count(), 2, "{body}");
    let page = reqwest::get(format!("http://{}/configuration", app.admin)).await.unwrap().text().await.unwrap();
    assert!(page.contains("data-test=\"config-refused\"") && page.contains("server.max_items"), "{page}");
    assert_eq!(app.metric("reelhook_config_reloads_total{result=\"refused\"}").await, 2.0);
    changed(app.reload_with(|it| (it.server, it.routes) = (String::new(), String::new())).await);
    assert_eq!(app.metric("reelhook_config_reloads_total{result=\"ok\"}").await, 1.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_beyond_the_keys_changes_nothing_either() {
    let mut app = TestApp::start().await;
    let key = app.folder.path().join("key.pem");
    let before = std::fs::read(&key).unwrap();
    std::fs::write(&key, "no key").unwrap();
    let told = mistakes(app.reload_with(|it| it.routes = all_to("\"second\"")).await);
    assert!(told[0].contains("subscriptions.certificates[0].private_key") && !told[0].contains("no key"), "{told:#?}");
    std::fs::write(&key, before).unwrap();
    let told = mistakes(app.reload_with(|it| it.more = "[sinks.third]\nkind = \"telegraph\"\n".into()).await);
    assert!(told[0].contains("sinks.third.kind: found \"telegraph\""), "{told:#?}");
    post(&mut app, "still to the first").await;
    app.first.wait_for(1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_runs_commands_never_goes_on_silently_where_they_are_not_allowed_any_more() {
    let mut app = TestApp::start().await;
    let out = app.folder.path().join("events");
    let runs = format!("[sinks.third]\nkind = \"exec\"\ncommand = [\"sh\", \"-c\", \"cat >> $0\", {out:?}]\n");
    let told = mistakes(app.reload_with(|it| it.more = runs.clone()).await);
    assert!(told[0].contains("sinks.third.kind: found \"exec\", which runs commands"), "{told:#?}");
    let allow = |it: &mut Settings| {
        (it.more, it.routes, it.server) = (runs.clone(), all_to("\"third\""), "allow_exec = true".into());
    };
    assert_eq!(changed(app.reload_with(allow).await), ["server.allow_exec", "routes", "sinks.third (added)"]);
    let told = mistakes(app.reload_with(|it| it.server = String::new()).await);
    assert!(told.len() == 1 && told[0].contains("sinks.third.kind: found \"exec\""), "{told:#?}");
    post(&mut app, "the old config goes on, and everybody was told").await;
    let arrived = || std::fs::read_to_string(&out).is_ok_and(|text| text.contains("everybody was told"));
    crate::process::eventually("the event arrived", async || arrived()).await;
    let without = |it: &mut Settings| (it.more, it.routes) = (String::new(), String::new());
    let names = changed(app.reload_with(without).await);
    assert_eq!(names, ["server.allow_exec", "routes", "sinks.third (removed)"]);
    app.stop().await;
}
