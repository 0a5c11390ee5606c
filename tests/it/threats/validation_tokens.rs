//! Threat 17: which items a POST's validation tokens cover; and the secrets of the subscriptions while they are changed
//! for others.

use reelhook::simulator::payload::{self, Seed};
use serde_json::json;

use super::judging::*;
use crate::test_app::{APP_ID, CLIENT_STATE, NEXT_CLIENT_STATE, Settings, TENANT, TestApp};

/// Another tenant.
const OTHER: &str = "46d9e3bd-6309-4177-a016-b256a411e30f";

/// A good token of a tenant.
fn token_of(app: &TestApp, tenant: &str) -> String {
    app.graph.identity.validation_token_v2(APP_ID, tenant).sign().unwrap()
}

/// Rich items, one of each tenant.
fn rich_of(app: &mut TestApp, tenants: &[&str]) -> Vec<String> {
    let item = |tenant: &&str| {
        app.graph.tenant = (*tenant).into();
        rich(app)
    };
    let items = tenants.iter().map(item).collect();
    app.graph.tenant = TENANT.into();
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_an_encrypted_item_without_a_token_that_is_proven_is_refused() {
    let mut app = TestApp::start().await;
    let good = json!(token_of(&app, TENANT));
    let expired = json!(validation_tokens(&app)[1].clone().shifted("exp", -100_000).sign().unwrap());
    let of_other = json!(token_of(&app, OTHER));
    for (tokens, reason) in [
        (json!(null), "jwt_missing"),
        (json!([]), "jwt_missing"),
        (json!(vec![good.clone(); 65]), "jwt_too_many"),
        (json!(vec!["x"; 10_000]), "jwt_too_many"),
        (good.clone(), "jwt_malformed"),
        (json!({ "0": good }), "jwt_malformed"),
        (json!(true), "jwt_malformed"),
        (json!([null]), "jwt_malformed"),
        (json!([[good]]), "jwt_malformed"),
        (json!([7, ""]), "jwt_malformed"),
        (of_other.clone(), "jwt_malformed"),
        (json!([of_other]), "jwt_tenant"),
        (json!([good, expired]), "jwt_exp"),
        (json!([expired, good, of_other]), "jwt_exp"),
    ] {
        refused_validation_tokens(&mut app, &tokens.to_string(), reason).await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_tokens_that_are_repeated_or_beside_the_point_cost_nothing() {
    let mut app = TestApp::start().await;
    let good = token_of(&app, TENANT);
    accepted_on_subscriptions(&mut app, &vec![good.clone(); 64]).await;
    let of_other = token_of(&app, OTHER);
    accepted_on_subscriptions(&mut app, &[of_other, good.clone()]).await;
    let bad = app.graph.identity.validation_token_v2(APP_ID, OTHER).shifted("exp", -100_000).sign().unwrap();
    accepted_on_subscriptions(&mut app, &[bad, good.clone()]).await;
    accepted_on_subscriptions(&mut app, &["no token".to_owned(), good]).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_each_item_needs_a_token_of_its_own_tenant() {
    let mut app = TestApp::start().await;
    let (ours, others) = (token_of(&app, TENANT), token_of(&app, OTHER));
    let both = rich_of(&mut app, &[TENANT, OTHER]);
    let post = app.graph.notifications_with(payload::changes(&both, std::slice::from_ref(&ours)));
    let (answer, counted) = app.send_counting(post).await;
    assert_eq!((answer.status, counted), (202, vec![("notifications".into(), "jwt_tenant".into(), 1)]));
    assert_eq!(app.first.wait_for(1).await.len(), 1);
    assert_eq!(app.quarantine().await, ["jwt_tenant"]);

    let both = rich_of(&mut app, &[TENANT, OTHER]);
    let (answer, counted) =
        app.send_counting(app.graph.notifications_with(payload::changes(&both, &[ours, others]))).await;
    assert_eq!((answer.status, counted), (202, vec![]));
    assert_eq!(app.first.wait_for(3).await.len(), 3);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_a_post_that_says_twice_what_proves_it_proves_nothing() {
    let mut app = TestApp::start().await;
    let (item, token) = (rich(&mut app), token_of(&app, TENANT));
    let body = format!("{{\"validationTokens\":[],\"value\":[{item}],\"validationTokens\":[\"{token}\"]}}");
    let (answer, counted) = app.send_counting(app.graph.notifications_with(body)).await;
    assert_eq!((answer.status, counted), (202, vec![("notifications".into(), "json_duplicate".into(), 1)]));
    assert_eq!(app.quarantine().await, ["json_duplicate"]);
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_a_token_does_not_stand_in_for_the_subscriptions_secret() {
    let mut app = TestApp::start().await;
    let token = token_of(&app, TENANT);
    for state in [None, Some(""), Some("guessed")] {
        app.graph.client_state = state.map(str::to_owned);
        let item = rich(&mut app);
        let post = app.graph.notifications_with(payload::changes(&[item], std::slice::from_ref(&token)));
        let (answer, counted) = app.send_counting(post).await;
        assert_eq!((answer.status, counted), (202, vec![("notifications".into(), "client_state".into(), 1)]));
    }
    app.graph.client_state = Some(CLIENT_STATE.into());
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_secrets_are_changed_both_are_known_and_one_alone_before_and_after() {
    let mut app = TestApp::start_with(Settings { next_client_state: true, ..Settings::default() }).await;
    for (n, state) in [CLIENT_STATE, NEXT_CLIENT_STATE].into_iter().enumerate() {
        app.graph.client_state = Some(state.into());
        let item = basic(&mut app);
        assert_eq!(app.post_changes(&[item], false).await.status, 202);
        app.first.wait_for(n + 1).await;
    }
    let mut app = app.restart_with(|settings| settings.next_client_state = false).await;
    app.seed = Seed::new(99);
    for (state, n_refused) in [(NEXT_CLIENT_STATE, 1), (CLIENT_STATE, 0), ("", 1)] {
        app.graph.client_state = Some(state.into());
        let item = basic(&mut app);
        let (answer, counted) = app.send_counting(app.graph.notifications(&[item], false).unwrap()).await;
        let n_counted: u64 = counted.iter().map(|(_, _, n)| n).sum();
        assert_eq!((answer.status, n_counted), (202, n_refused), "{state}: {counted:?}");
    }
    assert_eq!(app.first.wait_for(1).await.len(), 1);
    assert_eq!(app.quarantine().await, ["client_state", "client_state"]);
    app.stop().await;
}
