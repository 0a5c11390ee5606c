//! The calling channel: threats 1 to 19 of the token, the body behind it, and the operator's replay.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::{Content, Dialect, Notification, Proof, Raw, Reason, Status, Verified};
use crate::graph::testing::identity::Identity;
use crate::graph::testing::{Graph, NOW, TENANT, body, with};
use crate::graph::{Reading, Refusal};

/// Turns an item into a dialect.
type Change = fn(&mut Value);

fn recording() -> Value {
    let path = "/communications/calls/57DAB8B1894C409AB240BD8BEAE78896/operations/0FE0623FD62842EDB4BD8AC290072CC5";
    json!({
        "@odata.type": "#microsoft.graph.commsNotification", "changeType": "deleted", "resourceUrl": path,
        "resourceData": {
            "@odata.type": "#microsoft.graph.recordOperation", "@odata.id": path, "@odata.etag": "W/\"54451\"",
            "id": "0fe0623f-d628-42ed-b4bd-8ac290072cc5", "clientContext": "support-1", "status": "completed",
            "resultInfo": { "code": 200, "subcode": 8515, "message": "done" },
            "recordingLocation": "https://file.location/1", "recordingAccessToken": "the-secret",
        },
    })
}

impl Graph {
    async fn post(&self, token: &str, body: Bytes) -> Result<Reading, Refusal> {
        let sender = self.calls.prove(&[format!("Bearer {token}").as_bytes()]).await?;
        self.calls.read(&sender, body).await
    }

    async fn post_proven(&self, body: Bytes) -> Result<Reading, Refusal> {
        self.post(&self.identity.token(&self.call_claims()), body).await
    }

    async fn judge(&self, token: &str) -> Result<(), Refusal> {
        self.post(token, body(&[])).await.map(|_| ())
    }

    async fn judge_claims(&self, changes: Value) -> Result<(), Reason> {
        let token = self.identity.token(&with(self.call_claims(), changes));
        match self.judge(&token).await {
            Ok(()) => Ok(()),
            Err(Refusal::Unauthorized(reason)) => Err(reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    async fn judge_header(&self, changes: Value) -> Result<(), Refusal> {
        let header = with(json!({ "typ": "JWT", "alg": "RS256", "kid": "key-1" }), changes);
        self.judge(&self.identity.token_with(&header, &self.call_claims().to_string())).await
    }
}

fn unauthorized(reason: Reason) -> Result<(), Refusal> {
    Err(Refusal::Unauthorized(reason))
}

#[actix_web::test]
async fn a_recording_is_read_whole() {
    let graph = Graph::start();
    let sent = body(&[recording()]);
    let reading = graph.post_proven(sent.clone()).await.unwrap();
    assert!(reading.quarantined.is_empty());
    let [verified] = reading.verified.as_slice() else { panic!("{reading:?}") };
    let notification = verified.notification();
    let operation = notification.operation().unwrap();
    assert_eq!(
        (operation.id.as_str(), &operation.status),
        ("0fe0623f-d628-42ed-b4bd-8ac290072cc5", &Status::Completed)
    );
    assert_eq!(operation.call_id.as_ref().unwrap().as_str(), "57dab8b1-894c-409a-b240-bd8beae78896");
    assert_eq!(operation.client_context.as_ref().unwrap().as_str(), "support-1");
    assert_eq!(notification.client_context, operation.client_context);
    assert_eq!(notification.tenant_id.as_deref(), Some(TENANT));
    assert_eq!(
        (notification.resource_type.as_str(), notification.change_type.as_str()),
        ("recordOperation", "deleted")
    );
    assert_eq!(notification.dialects, []);
    let data = crate::domain::Event::data_of(notification);
    assert!(data.contains("file.location") && !data.contains("the-secret"), "{data}");
    assert!(sent.windows(notification.raw.0.len()).any(|part| part.as_ptr() == notification.raw.0.as_ptr()));
}

#[actix_web::test]
async fn threats_1_and_2_another_algorithm_is_refused_before_a_key_is_looked_for() {
    let graph = Graph::start();
    for alg in ["none", "None", "nOnE", "HS256", "RS384", "PS256", "ES256", "rs256", ""] {
        assert_eq!(
            graph.judge_header(json!({ "alg": alg, "kid": "unknown" })).await,
            unauthorized(Reason::JwtAlg),
            "{alg}"
        );
    }
    assert_eq!(graph.judge_header(json!({ "alg": null })).await, unauthorized(Reason::JwtAlg));
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": "HS256", "kid": "key-1" }).to_string());
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(graph.call_claims().to_string()));
    let confused = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &graph.identity.modulus()), message.as_bytes());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(confused));
    assert_eq!(graph.judge(&token).await, unauthorized(Reason::JwtAlg));
    let unsigned = graph.identity.token(&graph.call_claims());
    let unsigned = &unsigned[..unsigned.rfind('.').unwrap() + 1];
    assert_eq!(graph.judge(unsigned).await, unauthorized(Reason::JwtSignature));
}

#[actix_web::test]
async fn threats_4_and_5_headers_that_point_elsewhere_are_ignored_and_those_that_change_the_meaning_refused() {
    let graph = Graph::start();
    let url = "http://192.0.2.1/keys";
    assert_eq!(graph.judge_header(json!({ "jku": url, "x5u": url, "jwk": {}, "x5c": ["AA"] })).await, Ok(()));
    assert_eq!(graph.judge_header(json!({ "cty": "JWT", "x5t": "key-1" })).await, Ok(()));
    for changes in
        [json!({ "crit": ["exp"] }), json!({ "b64": false }), json!({ "enc": "A256GCM" }), json!({ "zip": "DEF" })]
    {
        assert_eq!(graph.judge_header(changes.clone()).await, unauthorized(Reason::JwtHeader), "{changes}");
    }
    assert_eq!(graph.judge("a.b.c.d.e").await, unauthorized(Reason::JwtHeader));
    let inner = graph.identity.token(&graph.call_claims());
    let nested = graph.identity.token_with(&json!({ "alg": "RS256", "kid": "key-1", "cty": "JWT" }), &inner);
    assert_eq!(graph.judge(&nested).await, unauthorized(Reason::JwtHeader));
}

#[actix_web::test]
async fn threats_6_and_7_the_key_is_named_by_a_bounded_kid() {
    let graph = Graph::start();
    for kid in [json!(null), json!(""), json!(7), json!([])] {
        assert_eq!(graph.judge_header(json!({ "kid": kid })).await, unauthorized(Reason::JwtKidMissing), "{kid}");
    }
    for kid in ["../../key-1", "key-1' OR 1=1", "key-1\0", "KEY-1", "schlüssel", &"k".repeat(5000)] {
        assert_eq!(graph.judge_header(json!({ "kid": kid })).await, unauthorized(Reason::JwtKidUnknown), "{kid}");
    }
}

#[actix_web::test]
async fn threat_3_a_key_published_for_something_else_verifies_nothing() {
    for changes in [json!({ "use": "enc" }), json!({ "alg": "RS512" })] {
        let graph = Graph::start();
        let other = Identity::fresh("key-2");
        graph.provider.publish(&[graph.identity.jwk(json!({})), other.jwk(changes.clone())]);
        let token = other.token(&graph.call_claims());
        assert_eq!(graph.judge(&token).await, unauthorized(Reason::JwtKeyUse), "{changes}");
    }
    let graph = Graph::start();
    let impostor = Identity::fresh("key-1").token(&graph.call_claims());
    assert_eq!(graph.judge(&impostor).await, unauthorized(Reason::JwtSignature));
}

#[actix_web::test]
async fn threats_10_and_11_the_times_are_integers_with_300_seconds_of_leeway() {
    let graph = Graph::start();
    assert_eq!(graph.judge_claims(json!({ "exp": NOW - 300 })).await, Ok(()));
    assert_eq!(graph.judge_claims(json!({ "exp": NOW - 301 })).await, Err(Reason::JwtExp));
    assert_eq!(graph.judge_claims(json!({ "nbf": NOW + 300, "iat": NOW + 300 })).await, Ok(()));
    assert_eq!(graph.judge_claims(json!({ "nbf": NOW + 301 })).await, Err(Reason::JwtNbf));
    assert_eq!(graph.judge_claims(json!({ "iat": NOW + 301 })).await, Err(Reason::JwtNbf));
    assert_eq!(graph.judge_claims(json!({ "iat": null })).await, Ok(()));
    for claim in ["exp", "nbf"] {
        for value in [json!(null), json!("1700000900"), json!(1.7e9), json!(1e308), json!([1]), json!({}), json!(true)]
        {
            let judged = graph.judge_claims(json!({ claim: value })).await;
            assert_eq!(judged, Err(Reason::JwtClaimType), "{claim} {value}");
        }
    }
    assert_eq!(graph.judge_claims(json!({ "exp": -1 })).await, Err(Reason::JwtExp));
    assert_eq!(graph.judge_claims(json!({ "exp": i64::MIN })).await, Err(Reason::JwtExp));
    assert_eq!(graph.judge_claims(json!({ "nbf": i64::MAX })).await, Err(Reason::JwtNbf));
    assert_eq!(graph.judge_claims(json!({ "exp": u64::MAX })).await, Err(Reason::JwtClaimType));
}

#[actix_web::test]
async fn threats_12_to_14_audience_issuer_and_tenant_are_exact() {
    let graph = Graph::start();
    let app = crate::graph::testing::APP;
    assert_eq!(graph.judge_claims(json!({ "aud": [app] })).await, Ok(()));
    for aud in [
        json!(null),
        json!(""),
        json!([]),
        json!([app, "other"]),
        json!(app.to_uppercase()),
        json!(format!("{app} ")),
        json!(format!("api://{app}")),
        json!({}),
    ] {
        assert_eq!(graph.judge_claims(json!({ "aud": aud })).await, Err(Reason::JwtAud), "{aud}");
    }
    assert_eq!(graph.judge_claims(json!({ "iss": "https://graph.microsoft.com" })).await, Ok(()));
    for iss in [
        json!(null),
        json!("https://api.botframework.com "),
        json!("https://api.botframework.com/"),
        json!("https://evil.example/https://api.botframework.com"),
        json!(format!("https://sts.windows.net/{TENANT}/")),
        json!(["https://api.botframework.com"]),
    ] {
        assert_eq!(graph.judge_claims(json!({ "iss": iss })).await, Err(Reason::JwtIss), "{iss}");
    }
    for tid in [json!(null), json!(""), json!(7)] {
        assert_eq!(graph.judge_claims(json!({ "tid": tid })).await, Err(Reason::JwtTenant), "{tid}");
    }
}

#[actix_web::test]
async fn threat_18_what_is_no_token_is_malformed() {
    let graph = Graph::start();
    let good = graph.identity.token(&graph.call_claims());
    let twice = r#"{"alg":"RS256","alg":"RS256","kid":"key-1"}"#;
    let twice = format!("{}.{}", URL_SAFE_NO_PAD.encode(twice), good.split_once('.').unwrap().1);
    let long = format!("{good}{}", "A".repeat(16 * 1024));
    for token in
        ["x", "a.b", "a.b.c.d", &format!("{good}."), &format!("{good}="), &".".repeat(8000), &long, "é.é.é", &twice]
    {
        assert_eq!(graph.judge(token).await, unauthorized(Reason::JwtMalformed), "{token:.40}");
    }
    for payload in ["[]", "7", "not json", "", "\u{feff}{}"] {
        let token = graph.identity.token_with(&json!({ "alg": "RS256", "kid": "key-1" }), payload);
        assert_eq!(graph.judge(&token).await, unauthorized(Reason::JwtMalformed), "{payload}");
    }
}

#[actix_web::test]
async fn threat_19_there_is_exactly_one_bearer_header() {
    let graph = Graph::start();
    let token = graph.identity.token(&graph.call_claims());
    let header = |text: &str| text.replace("{}", &token);
    for good in ["Bearer {}", "bearer {}", "BEARER   {} "] {
        assert!(graph.calls.prove(&[header(good).as_bytes()]).await.is_ok(), "{good}");
    }
    for bad in ["", "Bearer", "Bearer ", "Basic {}", "Bearer\t{}", "{}", "BearerX {}"] {
        let refused = graph.calls.prove(&[header(bad).as_bytes()]).await.map(|_| ());
        assert_eq!(refused, unauthorized(Reason::AuthHeader), "{bad}");
    }
    let good = header("Bearer {}");
    for headers in [vec![], vec![good.as_bytes(), good.as_bytes()]] {
        let refused = graph.calls.prove(&headers).await.map(|_| ());
        assert_eq!(refused, unauthorized(Reason::AuthHeader));
    }
}

#[actix_web::test]
async fn a_token_seen_before_stops_with_its_time_and_with_its_key() {
    let graph = Graph::start();
    let token = graph.identity.token(&graph.call_claims());
    assert_eq!(graph.judge(&token).await, Ok(()));
    assert_eq!(graph.judge(&token).await, Ok(()));
    graph.clock.advance(SignedDuration::from_secs(3900 + 300));
    assert_eq!(graph.judge(&token).await, Ok(()));
    graph.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(graph.judge(&token).await, unauthorized(Reason::JwtExp));

    let token = graph.identity.token(&graph.call_claims());
    assert_eq!(graph.judge(&token).await, Ok(()));
    graph.provider.publish(&[Identity::fresh("key-2").jwk(json!({}))]);
    assert_eq!(graph.keys.find("key-2").await.map(|_| ()), Ok(()));
    assert_eq!(graph.judge(&token).await, unauthorized(Reason::JwtKidUnknown));
}

#[actix_web::test]
async fn without_keys_a_post_is_not_decided() {
    let graph = Graph::start();
    graph.provider.answer_with(500);
    let provider = crate::graph::testing::identity::Provider::start(&[]);
    provider.answer_with(500);
    let graph = Graph::at(Identity::shared("key-1"), provider);
    let refused = graph.post_proven(body(&[recording()])).await.map(|_| ());
    assert_eq!(refused, Err(Refusal::Undecided(Reason::KeysUnavailable)));
}

#[actix_web::test]
async fn the_token_is_judged_before_the_body() {
    let graph = Graph::start();
    let garbage = Bytes::from_static(b"{");
    assert_eq!(graph.post("x", garbage.clone()).await.map(|_| ()), unauthorized(Reason::JwtMalformed));
    assert_eq!(graph.post_proven(garbage).await.map(|_| ()), Err(Refusal::Malformed(Reason::JsonInvalid)));
    let legacy = Bytes::from_static(br#"{"id":"1","callState":"incoming"}"#);
    assert_eq!(graph.post_proven(legacy).await.map(|_| ()), Err(Refusal::Legacy));
    let many = vec![json!({}); 101];
    assert_eq!(graph.post_proven(body(&many)).await.map(|_| ()), Err(Refusal::TooLarge(Reason::BatchTooLarge)));
    assert!(graph.post_proven(body(&[])).await.unwrap().verified.is_empty());
}

#[actix_web::test]
async fn one_bad_item_never_costs_its_neighbours() {
    let graph = Graph::start();
    let mut long = recording();
    long["resourceData"]["clientContext"] = json!("x".repeat(257));
    let mut lone = recording().to_string().replace("\"done\"", "\"\\ud800\"");
    let twice = r#"{"resourceUrl":"/communications/calls/1","tenantId":"a","ten\u0061ntId":"b"}"#;
    lone = format!("{lone},{twice},null,[],7,{{}}");
    let text = format!("{{\"value\":[{},{},{lone},{}]}}", recording(), long, recording());
    let reading = graph.post_proven(Bytes::from(text)).await.unwrap();
    assert_eq!(reading.verified.len(), 4);
    let reasons: Vec<Reason> = reading.quarantined.iter().map(|item| item.reason).collect();
    assert_eq!(reasons, [Reason::JsonDuplicate, Reason::Shape, Reason::Shape, Reason::Shape, Reason::Shape]);
    assert_eq!(reading.verified[1].notification().raw.0, Bytes::from(long.to_string()));
    assert_eq!(reading.quarantined[0].raw.0, Bytes::from_static(twice.as_bytes()));
}

#[actix_web::test]
async fn an_array_of_record_operations_is_that_many_operations() {
    let graph = Graph::start();
    let element = |id: &str| {
        let mut it =
            with(recording()["resourceData"].clone(), json!({ "id": id, "clientContext": format!("ctx-{id}") }));
        it["recordingAccessToken"] = json!(format!("token-{id}"));
        it
    };
    let prompt = json!({ "@odata.type": "#microsoft.graph.playPromptOperation", "id": "p" });
    let item = json!({
        "changeType": "deleted", "resourceUrl": "/communications/calls/C1/operations",
        "resourceData": [element("a"), prompt, element("b")],
    });
    let sent = body(&[item]);
    let reading = graph.post_proven(sent.clone()).await.unwrap();
    assert!(reading.quarantined.is_empty());
    let told: Vec<&Notification> = reading.verified.iter().map(Verified::notification).collect();
    assert_eq!(told.len(), 3);
    for (notification, id) in told.iter().zip(["a", "b"]) {
        let operation = notification.operation().unwrap();
        assert_eq!((operation.id.as_str(), operation.call_id.as_ref().unwrap().as_str()), (id, "C1"));
        assert_eq!(notification.client_context.as_ref().unwrap().as_str(), format!("ctx-{id}"));
        let token = operation.recording_access_token.as_ref().unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(token), format!("token-{id}"));
        assert_eq!(notification.raw.0, element(id).to_string());
        assert!(sent.as_ptr_range().contains(&notification.raw.0.as_ptr()), "a slice of the body");
    }
    assert_eq!(
        (told[2].resource_type.as_str(), &told[2].raw.0),
        ("playPromptOperation", &Bytes::from(json!([prompt]).to_string()))
    );
    let many: Vec<Value> = (0..101).map(|n| element(&n.to_string())).collect();
    let item = json!({ "resourceUrl": "/communications/calls/C1/operations", "resourceData": many });
    let reading = graph.post_proven(body(&[item])).await.unwrap();
    let [whole] = reading.verified.as_slice() else { panic!("{}", reading.verified.len()) };
    assert!(!crate::domain::Event::data_of(whole.notification()).contains("token-"), "no more than the limit of items");
}

#[actix_web::test]
async fn every_dialect_is_read_and_noted() {
    let graph = Graph::start();
    let cases: [(Change, Dialect); 10] = [
        (
            |it| *it = with(it.clone(), json!({ "resource": it["resourceUrl"], "resourceUrl": null })),
            Dialect::ResourceForResourceUrl,
        ),
        (|it| it["resourceData"]["id"] = json!(null), Dialect::IdFromPath),
        (|it| it["resourceData"]["recordResourceLocation"] = json!("x"), Dialect::RecordResourceNames),
        (|it| it["resourceData"]["resultInfo"] = json!({ "code": 200, "subCode": 1 }), Dialect::SubCode),
        (|it| it["resourceData"]["resultInfo"]["code"] = json!("200"), Dialect::CodeAsText),
        (|it| it["resourceData"]["@odata.type"] = json!("microsoft.graph.RecordOperation"), Dialect::OdataTypeSpelling),
        (|it| it["resourceData"]["status"] = json!("Completed"), Dialect::EnumCase),
        (|it| it["changeType"] = json!("moved"), Dialect::UnknownMember),
        (|it| it["resourceData"]["completionReason"] = json!(""), Dialect::EmptyForAbsent),
        (|it| it["resourceData"]["@odata.type"] = json!(null), Dialect::OdataTypeAbsent),
    ];
    for (change, dialect) in cases {
        let mut item = recording();
        change(&mut item);
        let reading = graph.post_proven(body(&[item])).await.unwrap();
        let [verified] = reading.verified.as_slice() else { panic!("{dialect:?}: {reading:?}") };
        let notification = verified.notification();
        assert!(notification.dialects.contains(&dialect), "{dialect:?}: {:?}", notification.dialects);
        assert!(notification.operation().is_some(), "{dialect:?}");
    }
    let repeated = recording().to_string().replace("\"status\":", "\"status\":\"running\",\"status\":");
    let reading = graph.post_proven(Bytes::from(format!("{{\"value\":[{repeated}]}}"))).await.unwrap();
    let notification = reading.verified[0].notification();
    assert!(notification.dialects.contains(&Dialect::RepeatedKey));
    assert_eq!(notification.operation().unwrap().status, Status::Completed);
}

#[actix_web::test]
async fn an_operator_may_vouch_for_an_item_but_not_for_what_is_wrong_with_it() {
    let graph = Graph::start();
    let judge = |text: String, vouched| graph.calls.judge_again(Raw(Bytes::from(text)), None, vouched);
    let is_operation = |verified: Result<Vec<Verified>, Reason>| {
        matches!(verified.unwrap()[0].notification().content, Content::Operation(_))
    };
    assert!(is_operation(judge(recording().to_string(), true)));
    assert!(is_operation(judge(json!({ "value": [recording()] }).to_string(), true)));
    assert_eq!(judge(recording().to_string(), false).map(|_| ()), Err(Reason::AuthHeader));
    assert_eq!(judge("{".into(), true).map(|_| ()), Err(Reason::JsonInvalid));
    let is_untyped = |text: &str, data: &str| {
        let told = judge(text.to_owned(), true).unwrap();
        let notification = told[0].notification();
        assert_eq!((notification.resource_type.as_str(), told[0].proof()), ("unknown", Proof::OperatorsWord), "{text}");
        assert_eq!(crate::domain::Event::data_of(notification), data);
    };
    is_untyped(r#"{"value":[{},{}]}"#, r#"{"value":[{},{}]}"#);
    is_untyped(r#"{"resourceUrl":7,"x":{"recordingAccessToken":"t"}}"#, r#"{"resourceUrl":7,"x":{}}"#);
    is_untyped("\u{feff}[1e999]", r#"["1e999"]"#);
    assert_eq!(judge(r#"{"resourceUrl":7}"#.into(), false).map(|_| ()), Err(Reason::Shape));
    let of_tenant = graph.calls.judge_again(Raw(Bytes::from(recording().to_string())), Some("t".into()), true);
    assert_eq!(of_tenant.unwrap()[0].proof(), Proof::BearerToken, "its sender had proven itself");
}

#[actix_web::test]
async fn no_bytes_and_no_mutation_make_it_panic() {
    let graph = Graph::start();
    let good = json!({ "value": [recording()] }).to_string().into_bytes();
    let mutations = prop::collection::vec((0..good.len(), any::<u8>()), 1..6);
    let judge = |bytes: Vec<u8>| {
        for verified in graph.calls.judge_again(Raw(Bytes::from(bytes)), None, true).unwrap_or_default() {
            serde_json::from_str::<Value>(&crate::domain::Event::data_of(verified.notification())).unwrap();
        }
    };
    proptest!(|(mutations in mutations, cut in 0..good.len(), noise in prop::collection::vec(any::<u8>(), 0..200))| {
        let mut bytes = good.clone();
        for (at, byte) in mutations {
            bytes[at] = byte;
        }
        judge(bytes.clone());
        bytes.truncate(cut);
        judge(bytes);
        judge(noise);
    });
}
