//! Threats 20 to 25: what an item must prove, repeats, and how many items there are.

use reelhook::config;
use reelhook::simulator::Answer;
use reelhook::simulator::payload::{Change, Recording};

use super::answers::{ACCEPTED, BAD_REQUEST, notifications, refused, still_delivers, with};
use crate::on_disk;
use crate::test_app::{CLIENT_STATE, Settings, TENANT, TestApp};
use reelhook::store::Newest;

#[tokio::test(flavor = "multi_thread")]
async fn threat_20_any_client_state_but_ours_is_quarantined_and_answered_as_ours() {
    let mut app = TestApp::start().await;
    let good = app.graph.change(&mut app.seed).basic();
    let short = &CLIENT_STATE[..CLIENT_STATE.len() - 1];
    let states = [
        String::new(),
        "null".into(),
        "\"\"".into(),
        "7".into(),
        "true".into(),
        format!("[\"{CLIENT_STATE}\"]"),
        format!("{{\"clientState\":\"{CLIENT_STATE}\"}}"),
        format!("\"{short}\""),
        format!("\"{CLIENT_STATE} \""),
        format!("\"{CLIENT_STATE}\\u0000\""),
        format!("\"{}\"", CLIENT_STATE.to_uppercase()),
    ];
    let accepted = app.post_changes(std::slice::from_ref(&good), false).await;
    for state in &states {
        let item = with(&good, "clientState", state);
        let post = notifications(&app.graph, std::slice::from_ref(&item));
        let answer = refused(&app, post, ACCEPTED, &[("notifications client_state", 1.0)]).await;
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&answer), names(&accepted));
        let newest = app.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id;
        let kept = app.store.quarantine_entry(newest).await.unwrap().unwrap();
        assert_eq!(kept.raw.unwrap().0, item, "byte for byte");
        let post = app.graph.lifecycle(&[with(&item, "lifecycleEvent", "\"missed\"")]);
        refused(&app, post, ACCEPTED, &[("lifecycle client_state", 1.0)]).await;
    }
    assert_eq!(app.quarantine().await, vec!["client_state"; 2 * states.len()]);
    still_delivers(&mut app, 1, &[]).await;
    app.stop().await;
}

#[test]
fn threat_20_an_empty_configured_state_does_not_start() {
    for states in ["[]", "[{ env = \"EMPTY\" }]"] {
        let text = format!(
            "[subscriptions]\napp_ids = [\"0efc74f7-41c3-47a4-8775-7259bfef4241\"]\nclient_states = {states}\n\
             [sinks.out]\nkind = \"stdout\"\n[[routes]]\nname = \"all\"\nsinks = [\"out\"]\n"
        );
        let empty = [("EMPTY".to_owned(), String::new())];
        let mistakes = config::parse(&text, empty.into_iter()).expect_err("it is refused").to_string();
        assert!(mistakes.contains("subscriptions.client_states"), "{mistakes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_21_whatever_a_state_is_worth_the_answer_waits_for_one_commit() {
    let routes = "[[routes]]\nname = \"none\"\nclient_context = { exact = \"nobody\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    let mut good = || app.graph.change(&mut app.seed).basic();
    let state = |state: String| format!("\"{state}\"");
    let (wrong_at_the_start, wrong_at_the_end) = (format!("x{}", &CLIENT_STATE[1..]), format!("{CLIENT_STATE}x"));
    let posts = [
        vec![good()],
        vec![with(&good(), "clientState", &state(wrong_at_the_start))],
        vec![with(&good(), "clientState", &state(wrong_at_the_end))],
        vec![with(&good(), "clientState", "")],
        vec![with(&with(&good(), "clientState", ""), "subscriptionId", "\"unknown\"")],
        vec![good(), with(&good(), "clientState", "")],
        vec!["7".into()],
    ];
    for items in posts {
        let before = on_disk::n_commits(app.folder.path());
        let answer = app.post_changes(&items, false).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0));
        assert_eq!(on_disk::n_commits(app.folder.path()) - before, 1, "{items:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_22_a_subscription_is_known_by_its_state_and_another_tenant_is_quarantined() {
    let subscriptions = format!("tenants = [\"{}\"]", TENANT.to_uppercase());
    let mut app = TestApp::start_with(Settings { subscriptions, ..Settings::default() }).await;
    let (unknown, ours) = (app.graph.change(&mut app.seed).basic(), app.graph.change(&mut app.seed));
    let other = "\"46d9e3bd-6309-4177-a016-b256a411e30f\"";
    for item in [with(&ours.basic(), "tenantId", other), with(&ours.basic(), "tenantId", "")] {
        let post = notifications(&app.graph, &[item, unknown.clone()]);
        refused(&app, post, ACCEPTED, &[("notifications jwt_tenant", 1.0)]).await;
    }
    let upper = with(&ours.basic(), "tenantId", &format!("\"{}\"", TENANT.to_uppercase()));
    refused(&app, notifications(&app.graph, &[upper]), ACCEPTED, &[]).await;
    assert_eq!(app.first.wait_for(2).await.len(), 2);
    assert_eq!(app.quarantine().await, ["jwt_tenant"; 2]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_23_a_replay_is_accepted_and_delivered_once_for_a_day() {
    let mut app = TestApp::start().await;
    let change: Change = app.graph.change(&mut app.seed);
    let recorded = Recording::new(&mut app.seed);
    let posts = |app: &TestApp| {
        [
            app.graph.calls(&[recorded.running(), recorded.completed()]).unwrap(),
            notifications(&app.graph, &[change.basic()]),
            app.graph.lifecycle(&[change.lifecycle("missed")]),
        ]
    };
    // Nothing tells a lifecycle event from the next one like it: each is delivered.
    for (later, expected) in [(0, 4), (1, 5), (3 * 3600, 6), (21 * 3600, 10)] {
        app.advance(later);
        for post in posts(&app) {
            refused(&app, post, ACCEPTED, &[]).await;
        }
        app.first.wait_for(expected).await;
    }
    for (channel, n) in [("calls", 4.0), ("subscriptions", 2.0), ("lifecycle", 0.0)] {
        assert_eq!(app.metric(&format!("reelhook_dedup_total{{channel=\"{channel}\"}}")).await, n, "{channel}");
    }
    assert_eq!(app.metric("reelhook_possible_repeats_total{channel=\"lifecycle\"}").await, 3.0);
    assert_eq!(app.first.wait_for(10).await.len(), 10);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_23_a_repeat_within_one_post_is_delivered_once() {
    let mut app = TestApp::start().await;
    let item = Recording::new(&mut app.seed).client_context("twice").completed();
    let answer = app.post_calls(&[item.clone(), item]).await;
    assert_eq!(answer.status, 202);
    app.first.wait_for(1).await;
    still_delivers(&mut app, 0, &["twice"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_24_a_known_id_with_other_bytes_is_news_and_is_told() {
    let mut app = TestApp::start().await;
    let item = app.graph.change(&mut app.seed).basic();
    let other = with(&item, "sequence", "7");
    for item in [&item, &other, &other, &item] {
        refused(&app, notifications(&app.graph, std::slice::from_ref(item)), ACCEPTED, &[]).await;
    }
    assert_eq!(app.first.wait_for(2).await.len(), 2);
    assert_eq!(app.metric("reelhook_dedup_conflict_total").await, 1.0);
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"subscriptions\"}").await, 2.0);
    still_delivers(&mut app, 2, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_25_more_items_than_the_limit_are_refused_and_up_to_it_taken() {
    let mut app = TestApp::start().await;
    let too_large = (413, "payload too large\n");
    for n in [10_000, 1001] {
        let items = vec!["{}".to_owned(); n];
        let post = app.graph.calls(&items).unwrap();
        refused(&app, post, too_large, &[("calls batch_too_large", 1.0)]).await;
        let post = notifications(&app.graph, &items);
        refused(&app, post, too_large, &[("notifications batch_too_large", 1.0)]).await;
    }
    let split = format!("{{\"value\":[{}],\"value\":[{}]}}", vec!["{}"; 600].join(","), vec!["{}"; 600].join(","));
    let post = app.graph.notifications_with(split);
    refused(&app, post, too_large, &[("notifications batch_too_large", 1.0)]).await;
    assert!(app.quarantine().await.is_empty());
    let items: Vec<String> = (0..1000).map(|_| Recording::new(&mut app.seed).completed()).collect();
    refused(&app, app.graph.calls(&items).unwrap(), ACCEPTED, &[]).await;
    let delivered = app.first.wait_for(1000).await;
    let ids: std::collections::BTreeSet<_> = delivered.iter().map(|it| it.event.id).collect();
    assert_eq!(ids.len(), 1000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_25_no_items_are_accepted_and_what_is_no_item_costs_its_neighbours_nothing() {
    let mut app = TestApp::start().await;
    refused(&app, app.graph.calls(&[]).unwrap(), ACCEPTED, &[]).await;
    refused(&app, notifications(&app.graph, &[]), ACCEPTED, &[]).await;
    for body in ["{\"value\":{}}", "{\"value\":null}", "{\"value\":\"[]\"}", "{}", "[]", "7", "null"] {
        let post = app.graph.notifications_with(body);
        refused(&app, post, BAD_REQUEST, &[("notifications shape", 1.0)]).await;
        let authorization = format!("Bearer {}", app.graph.calls_token().unwrap());
        let post = app.graph.calls_with(&authorization, body);
        refused(&app, post, BAD_REQUEST, &[("calls shape", 1.0)]).await;
    }
    let mut items: Vec<String> = ["7", "null", "\"x\"", "[]", "true"].map(str::to_owned).to_vec();
    items.push(app.graph.change(&mut app.seed).basic());
    refused(&app, notifications(&app.graph, &items), ACCEPTED, &[("notifications shape", 5.0)]).await;
    app.first.wait_for(1).await;
    items.pop();
    items.insert(2, Recording::new(&mut app.seed).client_context("among them").completed());
    refused(&app, app.graph.calls(&items).unwrap(), ACCEPTED, &[("calls shape", 5.0)]).await;
    still_delivers(&mut app, 1, &["among them"]).await;
    app.stop().await;
}
