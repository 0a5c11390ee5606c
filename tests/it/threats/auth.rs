//! Threats 1 to 7, 16, 18 and 19: what a token says of itself, before anything that it claims is looked at; on both channels.

use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reelhook::simulator::{Mode, Token};
use serde_json::{Value, json};

use super::judging::*;
use crate::test_app::{APP_ID, TENANT, TestApp};

fn sign(token: Token) -> String {
    token.sign().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_1_a_token_without_an_algorithm_is_refused_before_a_key_is_looked_for() {
    let mut app = TestApp::start().await;
    let app = &mut app;
    accepted_everywhere(app, sign).await;
    let n_fetches = app.provider.n_key_sets();
    let spoils: [Spoil; 7] = [
        |token| sign(token.unsigned("none")),
        |token| sign(token.unsigned("None")),
        |token| sign(token.unsigned("nOnE")),
        |token| sign(token.unsigned("none").header("kid", "nobody's")),
        |token| sign(token.header("alg", "none")),
        |token| sign(token.header("alg", Value::Null)),
        |token| sign(token.without_header("alg").header("kid", "nobody's")),
    ];
    for spoil in spoils {
        refused_everywhere(app, "jwt_alg", spoil).await;
    }
    refused_everywhere(app, "jwt_signature", |token| sign(token.unsigned("RS256"))).await;
    assert_eq!(app.provider.n_key_sets(), n_fetches);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_2_a_public_key_is_no_secret_to_sign_with() {
    let mut app = TestApp::start().await;
    let identity = app.graph.identity.clone();
    let set = identity.key_set();
    let modulus = set["keys"][0]["n"].as_str().unwrap();
    let (pem, der) = (identity.public_key_pem().unwrap(), identity.public_key_der().unwrap());
    for secret in [pem.into_bytes(), der, URL_SAFE_NO_PAD.decode(modulus).unwrap(), modulus.as_bytes().to_vec()] {
        refused_everywhere(&mut app, "jwt_alg", |token| sign(token.signed_with_secret(&secret))).await;
        let lying = |token: Token| sign(token.signed_with_secret(&secret).header("alg", "RS256"));
        refused_everywhere(&mut app, "jwt_signature", lying).await;
    }
    for alg in ["RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 ", "HS256"] {
        refused_everywhere(&mut app, "jwt_alg", |token| sign(token.header("alg", alg))).await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_3_a_key_that_is_published_for_something_else_proves_nothing() {
    let mut app = TestApp::start().await;
    accepted_everywhere(&mut app, sign).await;
    let stranger = app.graph.identity.stranger().unwrap();
    let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
    for changes in [
        json!({ "use": "enc" }),
        json!({ "alg": "RS512" }),
        json!({ "key_ops": ["encrypt", "wrapKey"] }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "n": null, "e": null }),
        json!({ "n": short }),
        json!({ "e": "AQ" }),
    ] {
        let mut set = app.graph.identity.key_set();
        let mut key = stranger.key_set()["keys"][0].clone();
        key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        set["keys"].as_array_mut().unwrap().push(key);
        app.provider.set(Mode::KeySet(set.to_string().into()));
        app.advance(300);
        let token = sign(stranger.calls_token(APP_ID, TENANT));
        refused_on_calls(&mut app, &token, "jwt_key_use").await;
        let token = sign(stranger.validation_token_v2(APP_ID, TENANT));
        refused_on_subscriptions(&mut app, &[token], "jwt_key_use").await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_4_nothing_in_a_token_says_where_its_key_is() {
    let mut app = TestApp::start().await;
    let attackers = TcpListener::bind("127.0.0.1:0").unwrap();
    attackers.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", attackers.local_addr().unwrap());
    let stranger = app.graph.identity.stranger().unwrap();
    let key = stranger.key_set()["keys"][0].clone();
    let (der, kid) = (URL_SAFE_NO_PAD.encode(stranger.public_key_der().unwrap()), app.graph.identity.kid());
    for (name, value) in [("jku", json!(url)), ("x5u", json!(url)), ("jwk", key), ("x5c", json!([der]))] {
        let calls = stranger.calls_token(APP_ID, TENANT).header(name, value.clone());
        let changes = stranger.validation_token_v2(APP_ID, TENANT).header(name, value.clone());
        for (header, reason) in [(stranger.kid(), "jwt_kid_unknown"), (kid.clone(), "jwt_signature")] {
            let (calls, changes) = (calls.clone().header("kid", &*header), changes.clone().header("kid", header));
            refused_on_calls(&mut app, &sign(calls), reason).await;
            refused_on_subscriptions(&mut app, &[sign(changes)], reason).await;
        }
        accepted_everywhere(&mut app, |token| sign(token.header(name, value.clone()))).await;
    }
    still_serves(app).await;
    assert!(attackers.accept().is_err(), "somebody asked the attacker");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_5_headers_that_change_what_a_token_means_are_refused() {
    let mut app = TestApp::start().await;
    let spoils: [Spoil; 7] = [
        |token| sign(token.header("crit", json!(["exp"]))),
        |token| sign(token.header("crit", json!([]))),
        |token| sign(token.header("b64", false)),
        |token| sign(token.header("enc", "A256GCM")),
        |token| sign(token.header("zip", "DEF")),
        |token| format!("{}.e30.e30", sign(token)),
        |token| sign(token.clone().header("cty", "JWT").claims_text(sign(token))),
    ];
    for spoil in spoils {
        refused_everywhere(&mut app, "jwt_header", spoil).await;
    }
    // The calling platform writes `cty` on tokens that are plain ones.
    accepted_everywhere(&mut app, |token| sign(token.header("cty", "JWT"))).await;
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_6_no_key_is_tried_for_a_token_that_names_none() {
    let mut app = TestApp::start().await;
    refused_everywhere(&mut app, "jwt_kid_missing", |token| sign(token.without_header("kid"))).await;
    for kid in [json!(""), json!(null), json!(7), json!(["x"]), json!({})] {
        refused_everywhere(&mut app, "jwt_kid_missing", |token| sign(token.header("kid", kid.clone()))).await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_7_a_kid_is_looked_up_and_nothing_else() {
    let mut app = TestApp::start().await;
    let kid = app.graph.identity.kid();
    let long = "k".repeat(8_000);
    for kid in [
        &*format!("../{kid}"),
        &format!("{kid}' OR '1'='1"),
        &format!("{kid}\0"),
        &format!(" {kid}"),
        "/dev/null",
        "schlüssel\u{202e}",
        "\r\nx-injected: 1",
        &long,
    ] {
        refused_everywhere(&mut app, "jwt_kid_unknown", |token| sign(token.header("kid", kid))).await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_16_a_token_is_good_for_its_own_channel_alone() {
    let mut app = TestApp::start().await;
    let token = sign(calls_token(&app));
    refused_on_subscriptions(&mut app, &[token], "jwt_iss").await;
    for token in validation_tokens(&app) {
        refused_on_calls(&mut app, &sign(token), "jwt_iss").await;
    }
    let [v1, v2] = validation_tokens(&app);
    let id_tokens = [v1.without("appid").without("appidacr"), v2.without("azp").without("azpacr").claim("nonce", "1")];
    for token in id_tokens {
        refused_on_calls(&mut app, &sign(token.clone()), "jwt_iss").await;
        refused_on_subscriptions(&mut app, &[sign(token)], "jwt_publisher").await;
    }
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_18_what_is_no_token_is_refused_before_it_is_decoded() {
    let mut app = TestApp::start().await;
    let spoils: [Spoil; 12] = [
        |token| format!("{}.", sign(token)),
        |token| format!(".{}", sign(token)),
        |token| format!("{}=", sign(token)),
        |token| format!("{}!", sign(token)),
        |token| sign(token).replacen('.', "..", 1),
        |token| sign(token).replace('.', ""),
        |token| sign(token).rsplit_once('.').unwrap().0.to_owned(),
        |token| format!("{}{}", sign(token), ".a".repeat(8_000)),
        |token| sign(token.claim("padding", "x".repeat(16 * 1024))),
        |token| sign(token.claims_text("{\"exp\":")),
        |token| sign(token.claims_text("{\"tid\":\"a\",\"tid\":\"b\"}")),
        |_token| "..".to_owned(),
    ];
    for spoil in spoils {
        refused_everywhere(&mut app, "jwt_malformed", spoil).await;
    }
    let megabyte = "A".repeat(900_000);
    refused_on_subscriptions(&mut app, &[megabyte], "jwt_malformed").await;
    let long = format!("Bearer {}", "A".repeat(1_000_000));
    let answer = app.graph.send(app.graph.calls_with(&long, "{\"value\":[]}")).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| (400..500).contains(&answer.status)));
    still_serves(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_19_there_is_one_authorization_and_its_scheme_is_bearer() {
    let mut app = TestApp::start().await;
    let token = sign(calls_token(&app));
    let (good, bare) = (format!("Bearer {token}"), format!("bearer{token}"));
    let other_schemes = [format!("Basic {token}"), format!("Bearer2 {token}"), format!("\"Bearer\" {token}")];
    for headers in [
        &[][..],
        &[""],
        &["Bearer"],
        &["Bearer "],
        &[&*bare],
        &[&*token],
        &[&*format!("Bearer\t{token}")],
        &[&*other_schemes[0]],
        &[&*other_schemes[1]],
        &[&*other_schemes[2]],
        &[&*good, &*good],
        &[&*good, "Basic eDp5"],
    ] {
        refused_authorization(&mut app, headers, "auth_header").await;
    }
    // Two in one header have five parts, as an encrypted token has.
    refused_authorization(&mut app, &[&*format!("{good}, {good}")], "jwt_header").await;
    let mut in_query = app.graph.calls_with("", "{\"value\":[]}");
    in_query.path = format!("{}?access_token={token}&authorization=Bearer%20{token}", in_query.path);
    let (answer, counted) = app.send_counting(in_query).await;
    assert_eq!((answer.status, counted), (401, vec![("calls".into(), "auth_header".into(), 1)]));
    for scheme in ["bearer", "BEARER", "bEaReR", "Bearer "] {
        accepted_authorization(&mut app, &format!("{scheme} {token}")).await;
    }
    still_serves(app).await;
}
