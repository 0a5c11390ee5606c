//! The subscription channel: what items prove, one by one, and what becomes of those that do not.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::{Channel, Content, Dialect, Event, Proof, Raw, Reason};
use crate::graph::keys::ASK_EVERY;
use crate::graph::testing::identity::Identity;
use crate::graph::testing::{Graph, STATE, Sealing, TENANT, body, seal, seal_with, with};
use crate::graph::{Reading, Refusal};

fn basic() -> Value {
    json!({
        "id": "n-1", "subscriptionId": "76222963-cc7b-42d2-882d-8aaa69cb2ba3", "clientState": STATE,
        "subscriptionExpirationDateTime": "2020-04-12T23:20:50.52Z", "changeType": "created",
        "tenantId": TENANT.to_uppercase(), "resource": "users/u/messages/m",
        "resourceData": { "@odata.type": "#Microsoft.Graph.Message", "id": "m" },
    })
}

fn rich() -> Value {
    let message = json!({ "id": "m", "body": { "content": "hello" }, "recordingAccessToken": "the-secret" });
    with(basic(), json!({ "encryptedContent": seal(message.to_string().as_bytes()) }))
}

impl Graph {
    async fn notify(&self, body: Bytes) -> Reading {
        self.subscriptions.read(body, Channel::Subscriptions).await.unwrap()
    }

    async fn judge_item(&self, item: Value) -> Result<Box<crate::domain::Notification>, Reason> {
        sole(self.notify(body(&[item])).await)
    }

    /// Posts one rich item with these tokens.
    async fn judge_rich(&self, item: Value, tokens: Value) -> Result<Box<crate::domain::Notification>, Reason> {
        let body = json!({ "value": [item], "validationTokens": tokens });
        sole(self.notify(Bytes::from(body.to_string())).await)
    }

    fn validation_token(&self, version: &str, changes: Value) -> String {
        self.identity.token(&with(self.validation_claims(version), changes))
    }
}

fn sole(mut reading: Reading) -> Result<Box<crate::domain::Notification>, Reason> {
    match (reading.verified.pop(), reading.quarantined.pop()) {
        (Some(verified), None) => Ok(Box::new(verified.into_notification())),
        (None, Some(quarantined)) => Err(quarantined.reason),
        other => panic!("{other:?}"),
    }
}

fn reason<T>(judged: Result<T, Reason>) -> Result<(), Reason> {
    judged.map(|_| ())
}

#[actix_web::test]
async fn a_basic_item_is_proven_by_its_client_state() {
    let graph = Graph::start();
    let notification = graph.judge_item(basic()).await.unwrap();
    assert_eq!((notification.resource_type.as_str(), notification.change_type.as_str()), ("message", "created"));
    assert_eq!(notification.tenant_id.as_deref(), Some(TENANT));
    assert_eq!(notification.graph_id.as_deref(), Some("n-1"));
    assert_eq!(notification.subscription_id.as_deref(), Some("76222963-cc7b-42d2-882d-8aaa69cb2ba3"));
    assert!(!Event::data_of(&notification).contains(STATE));
    assert!(graph.judge_item(with(basic(), json!({ "clientState": "the state before" }))).await.is_ok());
}

#[actix_web::test]
async fn threat_20_any_other_client_state_proves_nothing() {
    let graph = Graph::start();
    for state in
        [json!(null), json!(""), json!(7), json!([STATE]), json!(format!("{STATE} ")), json!(STATE.to_uppercase())]
    {
        let judged = graph.judge_item(with(basic(), json!({ "clientState": state }))).await;
        assert_eq!(reason(judged), Err(Reason::ClientState), "{state}");
    }
    let other_case = with(basic(), json!({ "clientState": null, "ClientState": STATE }));
    assert_eq!(reason(graph.judge_item(other_case).await), Err(Reason::ClientState));
    let mut null = basic();
    null["clientState"] = json!(null);
    assert_eq!(reason(graph.judge_item(null).await), Err(Reason::ClientState));
}

#[actix_web::test]
async fn threat_32_a_repeated_key_that_decides_is_quarantined_in_any_spelling() {
    let graph = Graph::start();
    for key in
        ["clientState", "client\\u0053tate", "tenantId", "subscriptionId", "encryptedContent", "EncryptedContent"]
    {
        let item = rich().to_string();
        let item = format!("{},\"{key}\":\"{STATE}\"}}", &item[..item.len() - 1]);
        let reading = graph.notify(Bytes::from(format!("{{\"value\":[{item},{}]}}", basic()))).await;
        assert_eq!((reading.verified.len(), reading.quarantined[0].reason), (1, Reason::JsonDuplicate), "{key}");
    }
    let tokens = format!("{{\"validationTokens\":[],\"value\":[{}],\"validationTokens\":[]}}", basic());
    assert_eq!(reason(sole(graph.notify(Bytes::from(tokens)).await)), Err(Reason::JsonDuplicate));
    let payload = basic().to_string().replace("\"id\":\"m\"", "\"id\":\"x\",\"id\":\"m\"");
    let notification = sole(graph.notify(Bytes::from(format!("{{\"value\":[{payload}]}}"))).await).unwrap();
    assert!(notification.dialects.contains(&Dialect::RepeatedKey));
}

#[actix_web::test]
async fn a_rich_item_needs_a_token_and_is_decrypted_then() {
    let graph = Graph::start();
    for version in ["1.0", "2.0"] {
        let token = graph.validation_token(version, json!({}));
        let notification = graph.judge_rich(rich(), json!([token, token])).await.unwrap();
        assert_eq!(notification.resource_type, "message");
        assert_eq!(Event::data_of(&notification), r#"{"body":{"content":"hello"},"id":"m"}"#);
    }
    for none in [json!(null), json!([])] {
        assert_eq!(reason(graph.judge_rich(rich(), none).await), Err(Reason::JwtMissing));
    }
    let stateless = with(rich(), json!({ "clientState": null }));
    let token = graph.validation_token("2.0", json!({}));
    assert_eq!(reason(graph.judge_rich(stateless, json!([token])).await), Err(Reason::ClientState));
}

#[actix_web::test]
async fn a_rich_item_in_the_other_spelling_is_rich_all_the_same() {
    let graph = Graph::start();
    let mut item = rich();
    item["EncryptedContent"] = item.as_object_mut().unwrap().remove("encryptedContent").unwrap();
    assert_eq!(reason(graph.judge_rich(item.clone(), json!([])).await), Err(Reason::JwtMissing));
    let token = graph.validation_token("2.0", json!({}));
    let notification = graph.judge_rich(item, json!([token])).await.unwrap();
    assert!(notification.dialects.contains(&Dialect::EncryptedContentCase));
}

#[actix_web::test]
async fn threats_12_to_16_a_token_that_is_not_graphs_for_us_covers_nothing() {
    let graph = Graph::start();
    let other = "46d9e3bd-6309-4177-a016-b256a411e30f";
    for (version, changes, expected) in [
        ("1.0", json!({ "appid": null }), Reason::JwtPublisher),
        ("1.0", json!({ "appid": null, "azp": crate::graph::testing::PUBLISHER }), Reason::JwtPublisher),
        ("2.0", json!({ "azp": other }), Reason::JwtPublisher),
        ("2.0", json!({ "ver": null }), Reason::JwtPublisher),
        ("2.0", json!({ "ver": "3.0" }), Reason::JwtPublisher),
        ("2.0", json!({ "aud": other }), Reason::JwtAud),
        ("2.0", json!({ "iss": format!("https://login.microsoftonline.com/{other}/v2.0") }), Reason::JwtIss),
        ("2.0", json!({ "iss": format!("https://evil.example/{TENANT}/v2.0") }), Reason::JwtIss),
        ("1.0", json!({ "iss": format!("https://sts.windows.net/{TENANT}/ ") }), Reason::JwtIss),
        ("1.0", json!({ "exp": 1 }), Reason::JwtExp),
    ] {
        let token = graph.validation_token(version, changes.clone());
        assert_eq!(reason(graph.judge_rich(rich(), json!([token])).await), Err(expected), "{changes}");
    }
    let calling = graph.identity.token(&graph.call_claims());
    assert_eq!(reason(graph.judge_rich(rich(), json!([calling])).await), Err(Reason::JwtIss));
    let validation = graph.validation_token("2.0", json!({}));
    let crossed = graph.calls.prove(&[format!("Bearer {validation}").as_bytes()]).await.map(|_| ());
    assert_eq!(crossed, Err(Refusal::Unauthorized(Reason::JwtIss)));
}

#[actix_web::test]
async fn threat_14_a_key_of_one_tenant_signs_for_no_other() {
    let graph = Graph::start();
    let own = Identity::fresh("own");
    graph.provider.publish(&[own.jwk(json!({ "issuer": "https://login.microsoftonline.com/one-tenant/v2.0" }))]);
    let token = own.token(&graph.validation_claims("2.0"));
    assert_eq!(reason(graph.judge_rich(rich(), json!([token])).await), Err(Reason::JwtKeyUse));

    let graph = Graph::start();
    let common = Identity::fresh("common");
    graph.provider.publish(&[common.jwk(json!({ "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0" }))]);
    for version in ["1.0", "2.0"] {
        let token = common.token(&graph.validation_claims(version));
        assert!(graph.judge_rich(rich(), json!([token])).await.is_ok(), "{version}");
    }
}

#[actix_web::test]
async fn threat_17_tokens_are_paired_with_items_by_tenant() {
    let graph = Graph::start();
    let other = "46d9e3bd-6309-4177-a016-b256a411e30f";
    let theirs = with(rich(), json!({ "tenantId": other }));
    let ours = graph.validation_token("2.0", json!({}));
    assert_eq!(reason(graph.judge_rich(theirs.clone(), json!([ours])).await), Err(Reason::JwtTenant));
    let expired = graph.validation_token("1.0", json!({ "tid": other, "exp": 1 }));
    let value = json!([rich(), theirs, basic(), with(rich(), json!({ "tenantId": null }))]);
    let posted = json!({ "value": value, "validationTokens": [ours, expired] });
    let reading = graph.notify(Bytes::from(posted.to_string())).await;
    assert_eq!(reading.verified.len(), 2);
    let reasons: Vec<Reason> = reading.quarantined.iter().map(|item| item.reason).collect();
    assert_eq!(reasons, [Reason::JwtExp, Reason::JwtTenant]);
    for (tokens, expected) in [
        (json!("text"), Reason::JwtMalformed),
        (json!({}), Reason::JwtMalformed),
        (json!([7]), Reason::JwtMalformed),
        (json!(["x"]), Reason::JwtMalformed),
        (json!((0..65).map(|n| n.to_string()).collect::<Vec<_>>()), Reason::JwtTooMany),
    ] {
        assert_eq!(reason(graph.judge_rich(rich(), tokens.clone()).await), Err(expected), "{tokens}");
        let posted = json!({ "value": [basic()], "validationTokens": tokens });
        assert!(sole(graph.notify(Bytes::from(posted.to_string())).await).is_ok(), "{tokens}");
    }
    assert!(graph.judge_rich(rich(), json!([ours, "unreadable"])).await.is_ok());
}

#[actix_web::test]
async fn threats_37_to_42_content_that_does_not_fit_is_quarantined() {
    let graph = Graph::start();
    let token = graph.validation_token("2.0", json!({}));
    let judge = async |content: Value| {
        let item = with(basic(), json!({ "encryptedContent": content }));
        reason(graph.judge_rich(item, json!([token])).await)
    };
    assert_eq!(
        judge(seal_with(b"{}", Sealing { flip_data: true, ..Sealing::default() })).await,
        Err(Reason::EncInvalid)
    );
    assert_eq!(judge(seal(b"not json")).await, Err(Reason::EncInvalid));
    assert_eq!(judge(seal("[".repeat(200).as_bytes())).await, Err(Reason::EncInvalid));
    assert_eq!(judge(seal(br#"{"id":"another"}"#)).await, Err(Reason::EncInvalid));
    assert_eq!(judge(seal(br#"{"id":"m"}"#)).await, Ok(()));
    assert_eq!(judge(json!("text")).await, Err(Reason::Shape));
    let mut unknown = seal(b"{}");
    unknown["encryptionCertificateId"] = json!("cert-2");
    assert_eq!(judge(unknown).await, Err(Reason::CertUnknown));
    let forged =
        graph.judge_rich(rich(), json!([Identity::fresh("key-1").token(&graph.validation_claims("2.0"))])).await;
    assert_eq!(reason(forged), Err(Reason::JwtSignature));
}

#[actix_web::test]
async fn a_post_with_more_than_the_pool_holds_is_served_alone_and_shed_beside_others() {
    let graph = Graph::start();
    let token = graph.validation_token("2.0", json!({}));
    let posted = Bytes::from(json!({ "value": vec![rich(); 9], "validationTokens": [token] }).to_string());
    let one = graph.subscriptions.read(posted.clone(), Channel::Subscriptions);
    let other = graph.subscriptions.read(posted, Channel::Subscriptions);
    let (one, other) = futures_util::future::join(one, other).await;
    assert_eq!(one.unwrap().verified.len(), 9);
    assert_eq!(other.map(|_| ()), Err(Refusal::Overloaded));
}

#[actix_web::test]
async fn without_keys_rich_items_wait_for_them_and_basic_ones_pass() {
    let provider = crate::graph::testing::identity::Provider::start(&[]);
    provider.answer_with(500);
    let graph = Graph::at(Identity::shared("key-1"), provider);
    let token = graph.validation_token("2.0", json!({}));
    let posted = json!({ "value": [rich(), basic()], "validationTokens": [token] });
    let reading = graph.notify(Bytes::from(posted.to_string())).await;
    assert_eq!((reading.verified.len(), reading.quarantined.len(), reading.undecided.len()), (1, 0, 1));
    let waiting = &reading.undecided[0];
    assert_eq!(waiting.quarantined().reason, Reason::KeysUnavailable);
    assert_eq!(waiting.quarantined().raw.0, posted["value"][0].to_string());
    assert!(!format!("{waiting:?}").contains(&token) && !graph.subscriptions.can_decide());
    assert_eq!(reason(graph.subscriptions.decide(waiting).await), Err(Reason::KeysUnavailable));
    graph.provider.answer_with(200);
    graph.provider.publish(&[graph.identity.jwk(json!({}))]);
    graph.clock.advance(ASK_EVERY);
    assert!(graph.subscriptions.decide(waiting).await.is_ok() && graph.subscriptions.can_decide());
}

#[actix_web::test]
async fn lifecycle_events_are_read_on_either_path() {
    let graph = Graph::start();
    let item = json!({
        "lifecycleEvent": "ReauthorizationRequired", "subscriptionId": "s", "clientState": STATE, "organizationId": TENANT,
    });
    for channel in [Channel::Subscriptions, Channel::Lifecycle] {
        let reading = graph.subscriptions.read(body(std::slice::from_ref(&item)), channel).await.unwrap();
        let notification = sole(reading).unwrap();
        assert_eq!(notification.channel, channel);
        assert_eq!(
            (notification.resource_type.as_str(), notification.change_type.as_str()),
            ("subscription", "reauthorizationRequired")
        );
        assert_eq!(notification.tenant_id.as_deref(), Some(TENANT));
        assert_eq!(notification.dialects, [Dialect::OrganizationId, Dialect::EnumCase]);
        let Content::Lifecycle(text) = &notification.content else { panic!("{notification:?}") };
        assert!(!text.contains(STATE) && text.contains("organizationId"), "{text}");
    }
}

#[actix_web::test]
async fn a_post_is_refused_whole_only_where_it_is_none() {
    let graph = Graph::start();
    let refused = async |text: &str| {
        let posted = Bytes::from(text.to_owned());
        graph.subscriptions.read(posted, Channel::Lifecycle).await.map(|_| ()).unwrap_err()
    };
    assert_eq!(refused("{").await, Refusal::Malformed(Reason::JsonInvalid));
    assert_eq!(refused("{\"callState\":1}").await, Refusal::Malformed(Reason::Shape));
    assert_eq!(
        refused(&format!("{{\"value\":[{}]}}", vec!["1"; 101].join(","))).await,
        Refusal::TooLarge(Reason::BatchTooLarge)
    );
    let reading = graph.notify(Bytes::from_static(br#"{"value":[null, 7, "x", [], {}]}"#)).await;
    let reasons: Vec<Reason> = reading.quarantined.iter().map(|item| item.reason).collect();
    assert_eq!(reasons, [Reason::Shape, Reason::Shape, Reason::Shape, Reason::Shape, Reason::ClientState]);
}

#[actix_web::test]
async fn an_operator_may_vouch_for_the_token_that_is_gone_and_for_nothing_else() {
    let graph = Graph::start();
    let judge = async |item: Value, vouched| {
        let raw = Raw(Bytes::from(item.to_string()));
        reason(graph.subscriptions.judge_again(raw, Channel::Subscriptions, vouched).await)
    };
    assert_eq!(judge(basic(), false).await, Ok(()));
    assert_eq!(judge(rich(), false).await, Err(Reason::JwtMissing));
    assert_eq!(judge(rich(), true).await, Ok(()));
    assert_eq!(judge(with(rich(), json!({ "clientState": "x" })), true).await, Err(Reason::ClientState));
    let broken = seal_with(b"{}", Sealing { flip_key: true, ..Sealing::default() });
    assert_eq!(judge(with(rich(), json!({ "encryptedContent": broken })), true).await, Err(Reason::EncInvalid));
    assert_eq!(judge(with(basic(), json!({ "subscriptionId": null })), false).await, Err(Reason::Shape));
    let raw = Raw(Bytes::from(with(basic(), json!({ "subscriptionId": null })).to_string()));
    let told = graph.subscriptions.judge_again(raw, Channel::Subscriptions, true).await.unwrap();
    let (notification, proof) = (told[0].notification(), told[0].proof());
    assert_eq!((notification.resource_type.as_str(), proof), ("unknown", Proof::ClientState));
    let data = Event::data_of(notification);
    assert!(data.contains("users/u/messages/m") && !data.contains(STATE), "{data}");
}

#[actix_web::test]
async fn a_subscription_that_sent_encrypted_content_needs_tokens_for_its_plain_items_too() {
    let graph = Graph::start();
    let token = graph.validation_token("2.0", json!({}));
    assert_eq!(reason(graph.judge_rich(basic(), json!([])).await), Ok(()), "nothing is known of it yet");
    let posted = json!({ "value": [rich()], "validationTokens": [token] });
    let reading = graph.notify(Bytes::from(posted.to_string())).await;
    assert_eq!((reading.verified[0].proof(), reading.learned.len()), (Proof::ValidationToken, 1));
    graph.subscriptions.remember_rich(&reading.learned);
    let spelt = "76222963CC7B42D2882D8AAA69CB2BA3";
    for item in [basic(), with(basic(), json!({ "subscriptionId": spelt }))] {
        assert_eq!(reason(graph.judge_rich(item.clone(), json!([])).await), Err(Reason::JwtMissing));
        let posted = json!({ "value": [item], "validationTokens": [token] });
        let reading = graph.notify(Bytes::from(posted.to_string())).await;
        assert_eq!((reading.verified[0].proof(), reading.learned.len()), (Proof::ValidationToken, 0));
    }
    let other = with(basic(), json!({ "subscriptionId": "another" }));
    assert_eq!(reason(graph.judge_rich(other, json!([])).await), Ok(()));
    let lifecycle = with(basic(), json!({ "lifecycleEvent": "missed", "changeType": null }));
    assert_eq!(reason(graph.judge_rich(lifecycle, json!([])).await), Ok(()), "Graph sends no tokens with those");
    let raw = || Raw(Bytes::from(basic().to_string()));
    let judge = async |vouched| reason(graph.subscriptions.judge_again(raw(), Channel::Subscriptions, vouched).await);
    assert_eq!((judge(false).await, judge(true).await), (Err(Reason::JwtMissing), Ok(())));
}

#[actix_web::test]
async fn what_proves_nothing_teaches_nothing() {
    let graph = Graph::start();
    let forged = Identity::fresh("key-1").token(&graph.validation_claims("2.0"));
    let broken = with(
        basic(),
        json!({ "encryptedContent": seal_with(b"{}", Sealing { flip_data: true, ..Sealing::default() }) }),
    );
    for (item, token) in [(rich(), forged), (broken, graph.validation_token("2.0", json!({})))] {
        let posted = json!({ "value": [item], "validationTokens": [token] });
        let reading = graph.notify(Bytes::from(posted.to_string())).await;
        assert_eq!((reading.quarantined.len(), reading.learned.len()), (1, 0));
    }
}

#[actix_web::test]
async fn no_bytes_and_no_mutation_make_it_panic() {
    let graph = Graph::start();
    let good = with(rich(), json!({ "sequence": null })).to_string().into_bytes();
    let mutations = prop::collection::vec((0..good.len(), any::<u8>()), 1..6);
    let judge = |bytes: Vec<u8>| {
        let judged = graph.subscriptions.judge_again(Raw(Bytes::from(bytes)), Channel::Subscriptions, true);
        for verified in futures_util::FutureExt::now_or_never(judged).and_then(Result::ok).unwrap_or_default() {
            serde_json::from_str::<Value>(&Event::data_of(verified.notification())).unwrap();
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
