//! Rich items that came while the provider's keys could not be had (F24): answered 202, so they must not be lost.

use reelhook::simulator::payload::{Recording, changes};
use reelhook::simulator::{Mode, Token};

use super::judging::*;
use crate::recording_sink::PATIENCE;
use crate::test_app::{APP_ID, Settings, TENANT, TestApp};
use reelhook::store::Newest;

fn sign(token: Token) -> String {
    token.sign().unwrap()
}

/// A reelhook whose provider of keys is down.
async fn start_without_keys() -> TestApp {
    TestApp::start_with(Settings { provider: Mode::Status(503), ..Settings::default() }).await
}

/// The provider is well again; both channels ask it when the next token comes.
async fn bring_the_keys(app: &mut TestApp) {
    app.provider.set(Mode::Healthy);
    app.advance(300);
    let n_delivered = app.first.delivered().len();
    let item = rich(app);
    let token = sign(validation_tokens(app)[0].clone());
    assert_eq!(app.send(app.graph.notifications_with(changes(&[item], &[token]))).await.status, 202);
    app.first.wait_for(n_delivered + 1).await;
}

/// Waits until nothing is in the quarantine for want of keys.
async fn decided(app: &TestApp) -> Vec<&'static str> {
    let looking = async {
        loop {
            let reasons = app.quarantine().await;
            if !reasons.contains(&"keys_unavailable") {
                return reasons;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("the items are decided")
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_came_before_the_keys_is_delivered_once_they_are_there() {
    let mut app = start_without_keys().await;
    for token in validation_tokens(&app) {
        refused_on_subscriptions(&mut app, &[sign(token)], "keys_unavailable").await;
    }
    bring_the_keys(&mut app).await;
    assert_eq!(app.first.wait_for(5).await.len(), 5);
    assert_eq!(decided(&app).await, [""; 0]);
    assert_eq!(app.rejected_in_all().await, 2.0);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_the_keys_refuse_what_they_would_have_refused_and_the_quarantine_says_why() {
    let mut app = start_without_keys().await;
    let [v1, v2] = validation_tokens(&app);
    let forged = app.graph.identity.stranger().unwrap().validation_token_v2(APP_ID, TENANT);
    for token in [forged.header("kid", app.graph.identity.kid()), v1.without("appid"), v2.shifted("exp", -1_000_000)] {
        refused_on_subscriptions(&mut app, &[sign(token)], "keys_unavailable").await;
    }
    bring_the_keys(&mut app).await;
    assert_eq!(decided(&app).await, ["jwt_exp", "jwt_publisher", "jwt_signature"]);
    // Three neighbours and the one that brought the keys.
    assert_eq!(app.first.delivered().len(), 4);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_a_new_key_signed_while_the_provider_is_down_is_not_refused_for_good() {
    let mut app = TestApp::start().await;
    let known = sign(validation_tokens(&app)[0].clone());
    let item = rich(&mut app);
    assert_eq!(app.send(app.graph.notifications_with(changes(&[item], &[known]))).await.status, 202);
    app.first.wait_for(1).await;
    app.provider.set(Mode::Status(503));
    app.provider.identity().rotate().unwrap();
    let recording = Recording::new(&mut app.seed).completed();
    let signed_anew = app.graph.calls(&[recording]).unwrap();
    assert_eq!(app.send(signed_anew).await.status, 503, "not 401: Graph may come again");
    let signed_anew = sign(validation_tokens(&app)[0].clone());
    refused_on_subscriptions(&mut app, &[signed_anew], "keys_unavailable").await;
    bring_the_keys(&mut app).await;
    assert_eq!(decided(&app).await, [""; 0]);
    assert_eq!(app.first.wait_for(4).await.len(), 4);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_token_is_judged_by_the_time_at_which_it_came() {
    let mut app = start_without_keys().await;
    let token = sign(validation_tokens(&app)[1].clone().shifted("exp", -29_000));
    refused_on_subscriptions(&mut app, std::slice::from_ref(&token), "keys_unavailable").await;
    app.advance(23 * 3600);
    bring_the_keys(&mut app).await;
    assert_eq!(app.first.wait_for(3).await.len(), 3);
    assert_eq!(decided(&app).await, [""; 0]);
    refused_on_subscriptions(&mut app, &[token], "jwt_exp").await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_more_than_can_wait_is_answered_503_and_comes_again() {
    let mut app = start_without_keys().await;
    let token = sign(validation_tokens(&app)[1].clone());
    let items = |app: &mut TestApp, n: usize| -> Vec<String> { (0..n).map(|_| rich(app)).collect() };
    let held = items(&mut app, 300);
    let one = basic(&mut app);
    for chunk in held.chunks(100) {
        let post = app.graph.notifications_with(changes(chunk, std::slice::from_ref(&token)));
        assert_eq!(app.send(post).await.status, 202);
    }
    // Beside what waits, the rest of the places is taken by large ones.
    let mut n_large = 0;
    let refused = loop {
        let item = rich(&mut app);
        let item = format!("{},\"padding\":\"{}\"}}", &item[..item.len() - 1], "x".repeat(900_000));
        let post = app.graph.notifications_with(changes(&[one.clone(), item], std::slice::from_ref(&token)));
        let (answer, counted) = app.send_counting(post.clone()).await;
        assert_eq!(counted, [("notifications".to_owned(), "keys_unavailable".to_owned(), 1)]);
        if answer.status != 202 {
            assert_eq!((answer.status, answer.body.len()), (503, 0));
            assert_ne!(answer.header("retry-after"), "");
            break post;
        }
        n_large += 1;
        assert!(n_large < 20, "there is no bound");
    };
    assert!(n_large >= 5, "{n_large}");
    assert_eq!(app.quarantine().await.len(), 300 + n_large);
    bring_the_keys(&mut app).await;
    assert_eq!(decided(&app).await, [""; 0]);
    let (answer, counted) = app.send_counting(refused).await;
    assert_eq!((answer.status, counted), (202, vec![]));
    // The basic one came once, whatever it came beside.
    app.first.wait_for(300 + n_large + 3).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_an_operator_vouched_for_meanwhile_is_delivered_once() {
    let mut app = start_without_keys().await;
    let token = sign(validation_tokens(&app)[1].clone());
    refused_on_subscriptions(&mut app, &[token], "keys_unavailable").await;
    let id = app.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id;
    assert!(app.store.wish_replay(id, true).await.unwrap());
    app.first.wait_for(2).await;
    assert_eq!(decided(&app).await, [""; 0]);
    bring_the_keys(&mut app).await;
    let duplicates = "reelhook_dedup_total{channel=\"subscriptions\"}";
    let recognised = async {
        while app.metric(duplicates).await < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, recognised).await.expect("it is recognised");
    assert_eq!(app.first.delivered().len(), 3);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_waited_when_the_process_stopped_is_decided_after_the_start() {
    let mut app = start_without_keys().await;
    let [v1, v2] = validation_tokens(&app);
    refused_on_subscriptions(&mut app, &[sign(v1)], "keys_unavailable").await;
    refused_on_subscriptions(&mut app, &[sign(v2.clone().shifted("exp", -1_000_000))], "keys_unavailable").await;
    // Once more without keys: what waits outlasts every restart.
    let app = app.restart().await;
    assert_eq!(app.quarantine().await, ["keys_unavailable"; 2]);
    app.provider.set(Mode::Healthy);
    assert_eq!(held_tokens(&app), 2);
    let app = app.restart().await;
    app.first.wait_for(1).await;
    assert_eq!(decided(&app).await, ["jwt_exp"]);
    assert_eq!(held_tokens(&app), 0, "they are wiped once they have decided");
    let entry = app.store.quarantine(Newest::up_to(1)).await.unwrap().remove(0);
    assert_eq!((entry.reason.as_str(), entry.first_reason.as_str()), ("jwt_exp", "keys_unavailable"));
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_tokens_are_sealed_and_wiped_after_a_day_and_the_items_stay() {
    let mut app = start_without_keys().await;
    let token = sign(validation_tokens(&app)[0].clone());
    refused_on_subscriptions(&mut app, std::slice::from_ref(&token), "keys_unavailable").await;
    for file in ["reelhook.db", "reelhook.db-wal"] {
        let bytes = std::fs::read(app.folder.path().join(file)).unwrap();
        assert!(!bytes.windows(40).any(|window| window == &token.as_bytes()[..40]), "{file} has the token's text");
    }
    app.advance(24 * 3600 - 60);
    while app.store.sweep().await.unwrap() > 0 {}
    assert_eq!(held_tokens(&app), 1);
    app.advance(60);
    while app.store.sweep().await.unwrap() > 0 {}
    assert_eq!((held_tokens(&app), app.store.waiting().await.unwrap().len()), (0, 0));
    assert_eq!(app.quarantine().await, ["keys_unavailable"]);
    // What the operator vouches for is delivered all the same.
    let id = app.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id;
    let n_delivered = app.first.delivered().len();
    assert!(app.store.wish_replay(id, true).await.unwrap());
    app.first.wait_for(n_delivered + 1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_what_waits_for_keys_is_not_washed_out_of_the_quarantine() {
    let settings =
        Settings { provider: Mode::Status(503), store: "quarantine_max_entries = 2".into(), ..Settings::default() };
    let mut app = TestApp::start_with(settings).await;
    let token = sign(validation_tokens(&app)[1].clone());
    let items: Vec<String> = (0..5).map(|_| rich(&mut app)).collect();
    let post = app.graph.notifications_with(changes(&items, std::slice::from_ref(&token)));
    assert_eq!(app.send(post).await.status, 202);
    for n in 0..5 {
        assert_eq!(app.post_changes(&[format!("{{\"n\":{n}}}")], false).await.status, 202);
    }
    assert_eq!(app.quarantine().await.iter().filter(|reason| **reason == "keys_unavailable").count(), 5);
    assert_eq!(held_tokens(&app), 1, "the items of one POST share its tokens");
    app.provider.set(Mode::Healthy);
    let app = app.restart().await;
    app.first.wait_for(5).await;
    app.stop().await;
}

/// Of how many POSTs the store has tokens.
fn held_tokens(app: &TestApp) -> i64 {
    let database = rusqlite::Connection::open(app.folder.path().join("reelhook.db")).unwrap();
    database.query_row("SELECT count(*) FROM waiting_posts", [], |row| row.get(0)).unwrap()
}
