//! What Graph must prove: client states, certificates, app ids, tenants.

use reelhook::simulator::Certificate;
use reelhook::simulator::payload::Seed;

use super::{changed, post};
use crate::test_app::{APP_ID, CERTIFICATE_ID, NEXT_CLIENT_STATE, Settings, TestApp};

/// Posts a plain change with the client state that the simulator has; tells what became of it.
async fn post_change(app: &mut TestApp) -> &'static str {
    let before = app.quarantine().await.len();
    let item = app.graph.change(&mut app.seed).basic();
    assert_eq!(app.post_changes(&[item], false).await.status, 202);
    if app.quarantine().await.len() > before { "quarantined" } else { "accepted" }
}

#[tokio::test(flavor = "multi_thread")]
async fn client_states_come_and_go() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some(NEXT_CLIENT_STATE.into());
    assert_eq!(post_change(&mut app).await, "quarantined");
    let names = changed(app.reload_with(|it| it.next_client_state = true).await);
    assert_eq!(names, ["subscriptions.client_states"]);
    assert_eq!(post_change(&mut app).await, "accepted");
    changed(app.reload_with(|it| it.next_client_state = false).await);
    assert_eq!(post_change(&mut app).await, "quarantined");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_good_is_judged_by_the_tenants_of_now() {
    let mut app = TestApp::start().await;
    post(&mut app, "before").await;
    let authorization = format!("Bearer {}", app.graph.calls_token().unwrap());
    let body = |seed| {
        let item = reelhook::simulator::payload::Recording::new(&mut Seed::new(seed)).completed();
        reelhook::simulator::payload::comms(&[item])
    };
    assert_eq!(app.send(app.graph.calls_with(&authorization, body(1))).await.status, 202);
    let other = "tenants = [\"00000000-1111-2222-3333-444444444444\"]";
    assert_eq!(changed(app.reload_with(|it| it.calls = other.into()).await), ["calls.tenants"]);
    assert_eq!(app.send(app.graph.calls_with(&authorization, body(2))).await.status, 401);
    assert_eq!(app.rejected("calls", "jwt_tenant").await, 1.0);
    changed(app.reload_with(|it| it.calls.clear()).await);
    assert_eq!(app.send(app.graph.calls_with(&authorization, body(3))).await.status, 202);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_certificates_key_is_read_again() {
    let mut app = TestApp::start_with(Settings::default()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let next = Certificate::in_file(CERTIFICATE_ID, &elsewhere.path().join("next.pem")).unwrap();
    std::fs::rename(elsewhere.path().join("next.pem"), app.folder.path().join("key.pem")).unwrap();
    let rich =
        |app: &mut TestApp, certificate: &Certificate| app.graph.change(&mut app.seed).rich(certificate).unwrap();
    let item = rich(&mut app, &next);
    assert_eq!(app.post_changes(&[item], true).await.status, 202);
    assert_eq!(app.quarantine().await.len(), 1, "by the key of the start it cannot be read");
    assert_eq!(changed(app.reload_with(|_same| {}).await), ["subscriptions.certificates"]);
    let item = rich(&mut app, &next);
    assert_eq!(app.post_changes(&[item], true).await.status, 202);
    assert_eq!(app.quarantine().await.len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learned_of_a_subscription_outlasts_a_reload() {
    let mut app = TestApp::start().await;
    let certificate = app.graph.certificate.take().unwrap();
    let change = app.graph.change(&mut app.seed);
    let (rich, plain) = (change.rich(&certificate).unwrap(), change.basic());
    assert_eq!(app.post_changes(&[rich], true).await.status, 202);
    assert_eq!(app.quarantine().await.len(), 0);
    let names = changed(app.reload_with(|it| it.subscriptions = "max_pending_decryptions = 7".into()).await);
    assert_eq!(names, ["subscriptions.max_pending_decryptions"]);
    assert_eq!(app.post_changes(&[plain], false).await.status, 202);
    assert_eq!(
        app.quarantine().await,
        ["jwt_missing"],
        "it needs a validation token, since the other one was encrypted"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn app_ids_change() {
    let mut app = TestApp::start().await;
    let other = "00000000-1111-2222-3333-444444444444";
    let token = |app: &TestApp, audience: &str| {
        let token = app.graph.identity.calls_token(audience, &app.graph.tenant).sign().unwrap();
        format!("Bearer {token}")
    };
    let (ours, others) = (token(&app, APP_ID), token(&app, other));
    let body = |app: &mut TestApp| {
        let item = reelhook::simulator::payload::Recording::new(&mut app.seed).completed();
        reelhook::simulator::payload::comms(&[item])
    };
    let one = body(&mut app);
    assert_eq!(app.send(app.graph.calls_with(&others, one)).await.status, 401);
    assert_eq!(
        changed(app.reload_with(|it| it.app_ids = format!(", \"{other}\"")).await),
        ["calls.app_ids", "subscriptions.app_ids"]
    );
    for authorization in [&ours, &others] {
        let one = body(&mut app);
        assert_eq!(app.send(app.graph.calls_with(authorization, one)).await.status, 202);
    }
    app.stop().await;
}
