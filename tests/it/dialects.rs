//! Every spelling of Graph's that is known, from the POST to the sink: what arrives there, that each is counted once, that
//! the item is kept byte for byte, and that no token comes along uninvited.

use std::collections::BTreeMap;

use reelhook::domain::Delivery;
use reelhook::simulator::payload::calls;
use reelhook::simulator::payload::{Dialect, Recording};
use reelhook::sinks::cloud_event;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::on_disk;
use crate::test_app::{TENANT, TestApp};

/// The dialects that were met since `before`, each as often as it was.
async fn met_since(app: &TestApp, before: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    let mut counted = app.dialects().await;
    counted.retain(|name, n| {
        *n -= before.get(name).unwrap_or(&0.0);
        *n > 0.0
    });
    counted.into_iter().collect()
}

/// Posts an item on the calls channel; returns what is delivered, after the item and its dialects were checked.
async fn deliver(app: &TestApp, item: &str, expected: &[&str]) -> Delivery {
    let before = app.dialects().await;
    let n = app.first.delivered().len();
    assert_eq!(app.post_calls(&[item.to_owned()]).await.status, 202, "{item}");
    arrived(app, item, (n, &before), expected).await
}

/// The same on the subscription channel, with a validation token.
async fn deliver_change(app: &TestApp, item: &str, expected: &[&str]) -> Delivery {
    let before = app.dialects().await;
    let n = app.first.delivered().len();
    assert_eq!(app.post_changes(&[item.to_owned()], true).await.status, 202, "{item}");
    arrived(app, item, (n, &before), expected).await
}

async fn arrived(
    app: &TestApp,
    item: &str,
    (n, before): (usize, &BTreeMap<String, f64>),
    expected: &[&str],
) -> Delivery {
    let delivered = app.first.wait_for(n + 1).await;
    assert_eq!(delivered.len(), n + 1, "{item}");
    let expected: Vec<(String, f64)> = expected.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
    assert_eq!(met_since(app, before).await, expected, "{item}");
    assert_eq!(on_disk::raw_items(app.folder.path()).last().unwrap(), item.as_bytes());
    delivered[n].clone()
}

/// The CloudEvent of a delivery.
fn cloud_event(delivery: &Delivery, with_token: bool) -> Value {
    let mut line = Vec::new();
    cloud_event::write(delivery, with_token, &mut line);
    serde_json::from_slice(&line).unwrap()
}

/// The operation as it arrives in whatever dialect it was told, and the path that it was told of.
fn normalised(it: &Recording, path: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.recordOperation", "@odata.id": path, "@odata.etag": "W/\"54451\"",
        "id": it.operation, "callId": it.call, "tenantId": TENANT, "changeType": "deleted",
        "clientContext": it.client_context, "status": "completed", "completionReason": "maxRecordDurationReached",
        "resultInfo": { "code": 200, "subcode": 8515, "message": "Action completed, max record duration reached." },
        "recordingLocation": it.location,
    })
}

fn undashed_path(root: &str, it: &Recording) -> String {
    let id = |id: uuid::Uuid| id.simple().to_string().to_uppercase();
    format!("/{root}/calls/{}/operations/{}", id(it.call), id(it.operation))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_arrives_as_one_and_the_same_in_every_dialect() {
    let mut app = TestApp::start().await;
    let mut dialects: Vec<Option<Dialect>> = Dialect::CALLS.iter().copied().map(Some).collect();
    dialects.push(None);
    for dialect in dialects {
        let it = Recording::new(&mut app.seed);
        let it = dialect.map_or(it.clone(), |dialect| it.dialect(dialect));
        let path = undashed_path("communications", &it);
        let (mut data, mut subject) = (normalised(&it, &path), path);
        let expected: &[&str] = match dialect {
            None | Some(Dialect::BothResources | Dialect::EmptyForAbsent | Dialect::NullForAbsent) => &[],
            Some(Dialect::DashedPath) => {
                subject = format!("/communications/calls/{}/operations/{}", it.call, it.operation);
                data["@odata.id"] = json!(subject);
                &[]
            }
            Some(Dialect::ResourceForResourceUrl) => {
                subject = undashed_path("app", &it);
                &["resource_for_resource_url"]
            }
            Some(Dialect::UndashedId) => &["undashed_id"],
            Some(Dialect::IdFromPath) => &["id_from_path"],
            Some(Dialect::RecordResourceNames) => &["record_resource_names"],
            Some(Dialect::SubCode) => &["sub_code"],
            Some(Dialect::CodeAsText) => &["code_as_text"],
            Some(Dialect::RepeatedKey) => &["repeated_key"],
            Some(Dialect::TypeWithoutHash | Dialect::TypeInOtherCase) => &["odata_type_spelling"],
            Some(Dialect::TypeAbsent) => &["odata_type_absent"],
            Some(Dialect::EnumCase) => {
                data["completionReason"] = json!("MaxRecordDurationReached");
                &["enum_case"]
            }
            Some(Dialect::UnknownMember) => {
                data["status"] = json!("unknownFutureValue");
                &["unknown_member"]
            }
            Some(Dialect::NoResultInfo) => {
                data["resultInfo"] = Value::Null;
                &[]
            }
            Some(Dialect::ExtraProperties) => {
                data["createdDateTime"] = json!("2018-09-06T15:58:41Z");
                data["length"] = json!(900);
                data["newInEveryWay"] = json!({ "nested": [1, null, { "deep": true }] });
                &[]
            }
            Some(Dialect::OrganizationId | Dialect::EncryptedContentCase | Dialect::NoDataSignature) => {
                panic!("no dialect of this channel")
            }
        };
        let delivery = deliver(&app, &it.completed(), expected).await;
        is_told_whole(&delivery, (&it, &subject), data);
    }
    app.stop().await;
}

/// Event and CloudEvent say all of it, and the token only where it is asked for.
fn is_told_whole(delivery: &Delivery, (it, subject): (&Recording, &str), data: Value) {
    let event = &delivery.event;
    assert_eq!(serde_json::from_str::<Value>(&event.data).unwrap(), data);
    assert_eq!(event.recording_access_token.as_ref().unwrap().expose_secret(), it.access_token);
    // A status that is not documented is told in the data alone.
    let status = data["status"].as_str().filter(|status| *status != "unknownFutureValue");
    let kind = format!("recordOperation.{}", status.unwrap_or("unknown"));
    assert_eq!((&event.kind, event.subject.as_deref()), (&kind, Some(subject)));
    let mut told = data;
    let sequence = format!("{:016}", event.number);
    let request = &event.envelope.carried.request;
    let chain = request.chain_id.as_ref().unwrap();
    told["reelhook"] = json!({
        "route": "all", "captures": {}, "order": "first", "previousState": null, "channel": "calls",
        "partitionKey": it.call, "sequence": sequence,
        "messageId": request.message_id.as_ref().unwrap(), "scenarioId": request.scenario_id.as_ref().unwrap(),
        "chainId": chain, "correlationId": chain,
    });
    let mut expected = json!({
        "specversion": "1.0", "id": event.id, "source": "https://graph.microsoft.com", "type": kind,
        "time": event.time.to_string(), "datacontenttype": "application/json", "subject": subject, "route": "all",
        "clientcontext": it.client_context, "channel": "calls", "resourcetype": "recordOperation",
        "changetype": "deleted", "tenantid": TENANT, "callid": it.call, "partitionkey": it.call,
        "sequence": sequence, "correlationid": chain, "data": told,
    });
    assert_eq!(cloud_event(delivery, false), expected);
    assert!(!cloud_event(delivery, false).to_string().contains(&it.access_token));
    assert!(!format!("{delivery:?}").contains(&it.access_token));
    expected["data"]["recordingAccessToken"] = json!(it.access_token);
    assert_eq!(cloud_event(delivery, true), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dialects_at_once_are_still_the_same_recording() {
    let mut app = TestApp::start().await;
    let mut it = Recording::new(&mut app.seed);
    for dialect in [
        Dialect::ResourceForResourceUrl,
        Dialect::IdFromPath,
        Dialect::RecordResourceNames,
        Dialect::SubCode,
        Dialect::CodeAsText,
        Dialect::RepeatedKey,
        Dialect::TypeAbsent,
        Dialect::EnumCase,
    ] {
        it = it.dialect(dialect);
    }
    let expected = [
        "code_as_text",
        "enum_case",
        "id_from_path",
        "odata_type_absent",
        "record_resource_names",
        "repeated_key",
        "resource_for_resource_url",
        "sub_code",
    ];
    let delivery = deliver(&app, &it.completed(), &expected).await;
    let mut data = normalised(&it, &undashed_path("communications", &it));
    data["completionReason"] = json!("MaxRecordDurationReached");
    is_told_whole(&delivery, (&it, &undashed_path("app", &it)), data);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_absent_arrives_as_absent_however_graph_says_so() {
    let mut app = TestApp::start().await;
    for (dialect, expected) in
        [(None, &[][..]), (Some(Dialect::EmptyForAbsent), &["empty_for_absent"]), (Some(Dialect::NullForAbsent), &[])]
    {
        let it = Recording::new(&mut app.seed);
        let it = dialect.map_or(it.clone(), |dialect| it.dialect(dialect));
        let delivery = deliver(&app, &it.running(), expected).await;
        let data: Value = serde_json::from_str(&delivery.event.data).unwrap();
        for key in ["resultInfo", "recordingLocation", "completionReason"] {
            assert_eq!(data[key], Value::Null, "{dialect:?} {key}");
        }
        assert_eq!((&data["status"], &data["changeType"]), (&json!("running"), &json!("updated")));
        assert!(delivery.event.recording_access_token.is_none());
    }
    let failed = Recording::new(&mut app.seed);
    let delivery = deliver(&app, &failed.failed(), &["empty_for_absent"]).await;
    let data: Value = serde_json::from_str(&delivery.event.data).unwrap();
    assert_eq!(data["recordingLocation"], Value::Null);
    assert_eq!(
        (&data["completionReason"], &data["resultInfo"]["subcode"]),
        (&json!("operationCanceled"), &json!(8508))
    );
    assert!(delivery.event.recording_access_token.is_none());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_read_in_any_case_and_unknown_ones_are_kept() {
    let mut app = TestApp::start().await;
    for (from, to, expected, status) in [
        ("\"completed\"", "\"Completed\"", &["enum_case"][..], "completed"),
        ("\"completed\"", "\"COMPLETED\"", &["enum_case"], "completed"),
        ("\"deleted\"", "\"Deleted\"", &["enum_case"], "completed"),
        ("\"completed\"", "\"NotStarted\"", &["enum_case"], "notStarted"),
        ("\"completed\"", "null", &[], "notStarted"),
        ("\"completed\"", "\"\"", &["empty_for_absent"], "notStarted"),
        ("\"completed\"", "\"Paused\"", &["unknown_member"], "Paused"),
        ("\"maxRecordDurationReached\"", "\"callTerminated\"", &[], "completed"),
        ("\"maxRecordDurationReached\"", "\"none\"", &[], "completed"),
        ("\"maxRecordDurationReached\"", "\"unknownFutureValue\"", &[], "completed"),
        ("\"maxRecordDurationReached\"", "null", &[], "completed"),
    ] {
        let item = Recording::new(&mut app.seed).completed();
        assert!(item.contains(from), "{from}");
        let item = item.replacen(from, to, 1);
        let delivery = deliver(&app, &item, expected).await;
        let told = if status == "Paused" { "unknown" } else { status };
        assert_eq!(delivery.event.kind, format!("recordOperation.{told}"), "{to}");
        let data: Value = serde_json::from_str(&delivery.event.data).unwrap();
        assert_eq!((&data["status"], &data["changeType"]), (&json!(status), &json!("deleted")));
        if from.contains("max") {
            assert_eq!(data["completionReason"], serde_json::from_str::<Value>(to).unwrap());
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_as_it_was_sent_in_2018_is_read() {
    let app = TestApp::start().await;
    let item = r#"{"changeType":"deleted","resource":"/app/calls/57DAB8B1894C409AB240BD8BEAE78896/operations/0FE0623FD62842EDB4BD8AC290072CC5",
        "resourceData":{"@odata.etag":"W/\"5445\"","clientContext":"c-2018","status":"completed",
        "resultInfo":{"code":"200","subcode":"8528","message":"Call terminated"},"completionReason":"callTerminated",
        "recordResourceLocation":"https://file.location/1","recordResourceAccessToken":"the-secret",
        "length":900,"createdDateTime":"2018-09-06T15:58:41Z","lastActionDateTime":"2018-09-06T15:58:41Z"}}"#;
    let expected =
        ["code_as_text", "id_from_path", "odata_type_absent", "record_resource_names", "resource_for_resource_url"];
    let delivery = deliver(&app, item, &expected).await;
    assert_eq!(delivery.event.kind, "recordOperation.completed");
    let data: Value = serde_json::from_str(&delivery.event.data).unwrap();
    assert_eq!(data["id"], "0fe0623f-d628-42ed-b4bd-8ac290072cc5");
    assert_eq!(data["callId"], "57dab8b1-894c-409a-b240-bd8beae78896");
    assert_eq!((&data["recordingLocation"], &data["length"]), (&json!("https://file.location/1"), &json!(900)));
    assert_eq!(delivery.event.recording_access_token.as_ref().unwrap().expose_secret(), "the-secret");
    assert!(!delivery.event.data.contains("the-secret"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_is_read_without_its_type_and_with_what_else_it_holds() {
    let mut app = TestApp::start().await;
    for (start, end) in [
        ("{\"value\":[", "]}"),
        ("{\"@odata.type\":\"microsoft.graph.commsNotifications\",\"value\":[", "],\"new\":{\"a\":[]}}"),
        (" {\r\n \"@odata.type\":7, \"x\":\"\\ud800\", \"v\\u0061lue\" : [ ", " ] } "),
    ] {
        let it = Recording::new(&mut app.seed);
        let n = app.first.delivered().len();
        assert_eq!(app.post_calls_body(format!("{start}{}{end}", it.completed())).await.status, 202);
        assert_eq!(app.first.wait_for(n + 1).await.len(), n + 1);
        assert_eq!(on_disk::raw_items(app.folder.path()).last().unwrap(), it.completed().as_bytes());
    }
    let mislabelled = Recording::new(&mut app.seed).completed();
    let mislabelled = mislabelled.replacen("commsNotification", "commsOperation", 1);
    assert_eq!(deliver(&app, &mislabelled, &[]).await.event.kind, "recordOperation.completed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_a_call_tells_arrives_as_graph_sent_it() {
    let mut app = TestApp::start().await;
    let seed = &mut app.seed;
    let invited = r##"{"changeType":"deleted","resourceUrl":"/communications/calls/c/operations/participants","resourceData":{"@odata.type":"#microsoft.graph.InviteParticipantsOperation","participants":[{"recordingAccessToken":"the-secret"}],"status":"completed","clientContext":"ctx","id":null}}"##;
    let items = [
        (calls::call(seed, "incoming"), "call.created", &[][..]),
        (calls::call(seed, "terminated"), "call.deleted", &[]),
        (calls::participants(seed), "participant.updated", &[]),
        (calls::prompt(seed), "playPromptOperation.deleted", &[]),
        (invited.to_owned(), "inviteParticipantsOperation.deleted", &["odata_type_spelling"]),
    ];
    for (item, kind, expected) in items {
        let delivery = deliver(&app, &item, expected).await;
        assert_eq!(delivery.event.kind, kind);
        assert!(!delivery.event.data.contains("the-secret"));
        let sent: Value = serde_json::from_str(&item).unwrap();
        if !item.contains("the-secret") {
            assert!(item.contains(&delivery.event.data), "{}", delivery.event.data);
            assert_eq!(cloud_event(&delivery, true)["data"], sent["resourceData"]);
        }
        let context = sent["resourceData"]["clientContext"].as_str();
        assert_eq!(delivery.event.client_context.as_ref().map(|it| it.as_str()), context);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_read_in_every_dialect_basic_and_rich() {
    let mut app = TestApp::start().await;
    let mut dialects: Vec<Option<Dialect>> = Dialect::SUBSCRIPTIONS.iter().copied().map(Some).collect();
    dialects.push(None);
    for dialect in dialects {
        let mut change = app.graph.change(&mut app.seed);
        change = dialect.map_or(change.clone(), |dialect| change.dialect(dialect));
        let (expected, kind): (&[&str], _) = match dialect {
            Some(Dialect::EnumCase) => (&["enum_case"], "chatMessage.created"),
            Some(Dialect::TypeWithoutHash) => (&["odata_type_spelling"], "chatMessage.created"),
            Some(Dialect::TypeAbsent) => (&["odata_type_absent"], "chatMessage.created"),
            Some(Dialect::OrganizationId) => (&["organization_id"], "chatMessage.created"),
            _ => (&[], "chatMessage.created"),
        };
        let basic = deliver_change(&app, &change.basic(), expected).await;
        let data: Value = serde_json::from_str(&basic.event.data).unwrap();
        assert_eq!((basic.event.kind.as_str(), &data["id"]), (kind, &json!(change.resource_id)));
        change.id = app.seed.uuid();
        let rich = change.rich(app.graph.certificate.as_ref().unwrap()).unwrap();
        let rich = deliver_change(&app, &rich, expected).await;
        assert_eq!((rich.event.kind.as_str(), &rich.event.data), (kind, &change.message()), "{dialect:?}");
        assert_eq!(cloud_event(&rich, true)["data"]["body"]["content"], "Hello World");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_read_with_whatever_microsofts_samples_hold() {
    let mut app = TestApp::start().await;
    let good = app.graph.change(&mut app.seed).basic();
    let expires = "2099-03-20T11:00:00.0000000Z";
    for (from, to, expected) in [
        (expires, "2020-11-20T18:23:45.9356913Z", &[][..]),
        (expires, "2016-03-20T11:00:00.00-08:00", &[]),
        (expires, "NA", &[]),
        ("\"created\"", "\"Updated\"", &["enum_case"]),
        ("\"created\"", "\"moved\"", &["unknown_member"]),
        ("\"created\"", "null", &["unknown_member"]),
        ("\"resource\":\"", "\"resource\":\"Users/", &[]),
        ("\"#microsoft.graph.chatMessage\"", "\"#Microsoft.Graph.ChatMessage\"", &["odata_type_spelling"]),
        ("\"#microsoft.graph.chatMessage\"", "\"\"", &["empty_for_absent", "odata_type_absent"]),
        ("\"subscriptionId\"", "\"sequence\":null,\"sequence\":1,\"subscriptionId\"", &["repeated_key"]),
    ] {
        assert!(good.contains(from), "{from}");
        let item = good.replacen(from, to, 1);
        deliver_change(&app, &item, expected).await;
    }
    let rich = app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap();
    let other_case = rich.replacen("\"encryptedContent\"", "\"EncryptedContent\"", 1);
    let delivery = deliver_change(&app, &other_case, &["encrypted_content_case"]).await;
    assert!(delivery.event.data.contains("Hello World"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lifecycle_events_arrive_as_events_of_their_own_without_the_secret() {
    let mut app = TestApp::start().await;
    for (told, event, dialect, expected) in [
        ("missed", "missed", None, &[][..]),
        ("subscriptionRemoved", "subscriptionRemoved", Some(Dialect::OrganizationId), &["organization_id"]),
        ("ReauthorizationRequired", "reauthorizationRequired", None, &["enum_case"]),
        ("newInTheFuture", "newInTheFuture", None, &["unknown_member"]),
    ] {
        let change = app.graph.change(&mut app.seed);
        let change = dialect.map_or(change.clone(), |dialect| change.dialect(dialect));
        let (before, n) = (app.dialects().await, app.first.delivered().len());
        let item = change.lifecycle(told);
        assert_eq!(app.send(app.graph.lifecycle(std::slice::from_ref(&item))).await.status, 202);
        let delivery = arrived(&app, &item, (n, &before), expected).await;
        assert_eq!(delivery.event.kind, format!("subscription.{event}"));
        let mut sent: Value = serde_json::from_str(&item).unwrap();
        sent.as_object_mut().unwrap().remove("clientState");
        assert_eq!(cloud_event(&delivery, true)["data"], sent);
        assert_eq!(delivery.event.subject, None);
    }
    app.stop().await;
}
