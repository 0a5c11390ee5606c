//! Threats 10 to 15: what a token claims; on both channels.

use reelhook::simulator::{Identity, Mode, Token};
use serde_json::{Value, json};

use super::judging::*;
use crate::test_app::{APP_ID, Settings, TENANT, TestApp};

/// Somebody else's application or tenant.
const OTHER: &str = "46d9e3bd-6309-4177-a016-b256a411e30f";

fn sign(token: Token) -> String {
    token.sign().unwrap()
}

/// The claim that tells when a token was, or will be, as far from now.
fn at(app: &TestApp, seconds: i64) -> i64 {
    app.clock.now().as_second() + seconds
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_10_the_leeway_is_300_seconds_and_not_one_more() {
    let mut app = TestApp::start().await;
    for leeway in [299, 300] {
        let (past, ahead) = (at(&app, -leeway), at(&app, leeway));
        accepted_everywhere(&mut app, |token| sign(token.claim("exp", past))).await;
        accepted_everywhere(&mut app, |token| sign(token.claim("nbf", ahead).claim("iat", ahead))).await;
    }
    let (past, ahead) = (at(&app, -301), at(&app, 301));
    refused_everywhere(&mut app, "jwt_exp", |token| sign(token.claim("exp", past))).await;
    refused_everywhere(&mut app, "jwt_nbf", |token| sign(token.claim("nbf", ahead))).await;
    refused_everywhere(&mut app, "jwt_nbf", |token| sign(token.claim("iat", ahead))).await;
    for exp in [0, -1, i64::MIN] {
        refused_everywhere(&mut app, "jwt_exp", |token| sign(token.claim("exp", exp))).await;
    }
    refused_everywhere(&mut app, "jwt_nbf", |token| sign(token.claim("nbf", i64::MAX))).await;
    accepted_everywhere(&mut app, |token| sign(token.without("iat"))).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_10_a_token_that_was_proven_once_expires_to_the_second() {
    let mut app = TestApp::start().await;
    let exp = at(&app, 600);
    let calls = format!("Bearer {}", sign(calls_token(&app).claim("exp", exp)));
    let changes = [sign(validation_tokens(&app)[1].clone().claim("exp", exp))];
    for seconds in [0, 899, 1] {
        app.advance(seconds);
        accepted_authorization(&mut app, &calls).await;
        accepted_on_subscriptions(&mut app, &changes).await;
    }
    app.advance(1);
    for _ in 0..2 {
        refused_authorization(&mut app, &[&*calls], "jwt_exp").await;
        refused_on_subscriptions(&mut app, &changes, "jwt_exp").await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_11_times_are_integers_and_nothing_that_resembles_them() {
    let mut app = TestApp::start().await;
    let now = at(&app, 0);
    for name in ["exp", "nbf", "iat"] {
        let float = json!(now as f64 + 0.5);
        for value in
            [json!(now.to_string()), float, json!(1e308), json!([now]), json!({}), json!(true), json!(u64::MAX)]
        {
            refused_everywhere(&mut app, "jwt_claim_type", |token| sign(token.claim(name, value.clone()))).await;
        }
    }
    for name in ["exp", "nbf"] {
        refused_everywhere(&mut app, "jwt_claim_type", |token| sign(token.without(name))).await;
        refused_everywhere(&mut app, "jwt_claim_type", |token| sign(token.claim(name, Value::Null))).await;
    }
    let written_with_an_exponent = |token: Token| sign(token.claims_text(format!("{{\"exp\":1e10,\"nbf\":{now}}}")));
    refused_everywhere(&mut app, "jwt_claim_type", written_with_an_exponent).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_12_another_audience_is_refused() {
    let mut app = TestApp::start().await;
    for aud in [
        json!(OTHER),
        json!(""),
        json!(null),
        json!([]),
        json!([APP_ID, OTHER]),
        json!([APP_ID, APP_ID]),
        json!([[APP_ID]]),
        json!({ "aud": APP_ID }),
        json!(APP_ID.to_uppercase()),
        json!(format!("api://{APP_ID}")),
        json!(format!("{APP_ID} ")),
        json!(&APP_ID[1..]),
    ] {
        refused_everywhere(&mut app, "jwt_aud", |token| sign(token.claim("aud", aud.clone()))).await;
    }
    refused_everywhere(&mut app, "jwt_aud", |token| sign(token.without("aud"))).await;
    accepted_everywhere(&mut app, |token| sign(token.claim("aud", json!([APP_ID])))).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_another_issuer_is_refused() {
    let mut app = TestApp::start().await;
    let tricks = |good: &str| {
        [
            json!(format!("{good} ")),
            json!(format!("{good}x")),
            json!(format!("https://evil.example/{good}")),
            json!(good.to_uppercase()),
            json!(good.replacen("https", "http", 1)),
            json!([good]),
            json!(""),
            json!(null),
        ]
    };
    let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let sts = format!("https://sts.windows.net/{TENANT}/");
    for iss in tricks("https://api.botframework.com").into_iter().chain([json!(entra), json!(sts)]) {
        let token = sign(calls_token(&app).claim("iss", iss));
        refused_on_calls(&mut app, &token, "jwt_iss").await;
    }
    let other_tenants = [
        json!(format!("https://sts.windows.net/{OTHER}/")),
        json!(format!("https://login.microsoftonline.com/{OTHER}/v2.0")),
        json!("https://login.microsoftonline.com/{tenantid}/v2.0"),
        json!(format!("https://evil.example/{TENANT}/")),
        json!(format!("https://sts.windows.net.evil.example/{TENANT}/")),
        json!("https://api.botframework.com"),
    ];
    for iss in tricks(&entra).into_iter().chain(tricks(&sts)).chain(other_tenants) {
        for token in validation_tokens(&app) {
            let token = sign(token.claim("iss", iss.clone()));
            refused_on_subscriptions(&mut app, &[token], "jwt_iss").await;
        }
    }
    let graph = sign(calls_token(&app).claim("iss", "https://graph.microsoft.com"));
    accepted_authorization(&mut app, &format!("Bearer {graph}")).await;
    still_serves(app).await;
}

/// A token of a tenant, whole in itself.
fn of_tenant(identity: &Identity, tenant: &str) -> (String, String) {
    (sign(identity.calls_token(APP_ID, tenant)), sign(identity.validation_token_v2(APP_ID, tenant)))
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_tenant_that_is_not_allowed_is_refused() {
    let tenants = format!("tenants = [\"{}\"]", TENANT.to_uppercase());
    let settings = Settings { calls: tenants.clone(), subscriptions: tenants, ..Settings::default() };
    let mut app = TestApp::start_with(settings).await;
    let (calls, change) = of_tenant(&app.graph.identity, OTHER);
    refused_on_calls(&mut app, &calls, "jwt_tenant").await;
    refused_on_subscriptions(&mut app, std::slice::from_ref(&change), "jwt_tenant").await;
    // An item of that tenant is refused whatever proves it, and so is one that names no tenant.
    app.graph.tenant = OTHER.into();
    for (item, tokens) in [(rich(&mut app), vec![change]), (basic(&mut app), vec![])] {
        let without = item.replace(OTHER, "");
        for item in [item, without] {
            let post = app.graph.notifications_with(reelhook::simulator::payload::changes(&[item], &tokens));
            let (answer, counted) = app.send_counting(post).await;
            assert_eq!((answer.status, counted), (202, vec![("notifications".into(), "jwt_tenant".into(), 1)]));
        }
    }
    app.graph.tenant = TENANT.into();
    accepted_everywhere(&mut app, sign).await;
    let (calls, change) = of_tenant(&app.graph.identity, &TENANT.to_uppercase());
    accepted_authorization(&mut app, &format!("Bearer {calls}")).await;
    accepted_on_subscriptions(&mut app, &[change]).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_token_without_a_tenant_is_refused_whoever_is_allowed() {
    let mut app = TestApp::start().await;
    for tid in [json!(""), json!(null), json!(7), json!([TENANT])] {
        refused_everywhere(&mut app, "jwt_tenant", |token| sign(token.claim("tid", tid.clone()))).await;
    }
    refused_everywhere(&mut app, "jwt_tenant", |token| sign(token.without("tid"))).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_key_that_is_one_tenants_signs_for_no_other() {
    let mut app = TestApp::start().await;
    let publish = |app: &TestApp, issuer: &str| {
        let mut set = app.graph.identity.key_set();
        set["keys"][0]["issuer"] = json!(issuer);
        app.provider.set(Mode::KeySet(set.to_string().into()));
        app.advance(300);
        unknown_key(app)
    };
    let token = publish(&app, &format!("https://login.microsoftonline.com/{OTHER}/v2.0"));
    refused_on_calls(&mut app, &token, "jwt_kid_unknown").await;
    refused_on_subscriptions(&mut app, &[token], "jwt_kid_unknown").await;
    refused_everywhere(&mut app, "jwt_key_use", sign).await;

    let token = publish(&app, "https://login.microsoftonline.com/{tenantid}/v2.0");
    refused_on_subscriptions(&mut app, &[token], "jwt_kid_unknown").await;
    for token in validation_tokens(&app) {
        accepted_on_subscriptions(&mut app, &[sign(token)]).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_15_a_token_that_another_application_asked_for_is_refused() {
    let mut app = TestApp::start().await;
    let [v1, v2] = validation_tokens(&app);
    let publisher = reelhook::simulator::identity::PUBLISHER;
    for token in [
        v1.clone().claim("appid", OTHER),
        v1.clone().claim("appid", publisher.to_uppercase()),
        v1.clone().claim("appid", json!([publisher])),
        v1.clone().without("appid"),
        v1.clone().without("appid").claim("azp", publisher),
        v1.clone().claim("ver", "2.0"),
        v1.clone().claim("ver", 1.0),
        v1.without("ver"),
        v2.clone().claim("azp", OTHER),
        v2.clone().claim("azp", format!("{publisher} ")),
        v2.clone().without("azp"),
        v2.clone().without("azp").claim("appid", publisher),
        v2.clone().claim("azp", OTHER).claim("appid", publisher),
        v2.clone().claim("ver", "1.0"),
        v2.claim("ver", "3.0"),
    ] {
        refused_on_subscriptions(&mut app, &[sign(token)], "jwt_publisher").await;
    }
    still_serves(app).await;
}
