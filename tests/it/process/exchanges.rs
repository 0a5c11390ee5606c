//! What was sent and answered in each attempt, as operators see it: in the API, in the console and by a command.

use std::io::Write;

use serde_json::Value;

use super::site::Site;
use super::{Server, eventually};
use crate::sinks::answering::OK;

const NO: &str = "HTTP/1.1 410 Gone\r\nx-why: <b>no</b>\r\ncontent-length: 22\r\nconnection: close\r\n\r\n<script>no</script>\x1b!\n";

async fn get(site: &Site, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}{path}", site.admin)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The one delivery of the operation with this client context, alone, once it is in this state.
async fn delivery(site: &Site, context: &str, state: &str) -> Value {
    let mut found = Value::Null;
    eventually(&format!("the delivery of {context} is {state}"), async || {
        let filter = format!("/v1.0/communications/recordOperations?$filter=clientContext%20eq%20'{context}'");
        let list: Value = serde_json::from_str(&get(site, &filter).await.1).unwrap();
        let Some(id) = list["value"][0]["id"].as_str().map(str::to_owned) else { return false };
        let path = format!("/v1.0/communications/recordOperations/{id}/deliveries");
        let deliveries: Value = serde_json::from_str(&get(site, &path).await.1).unwrap();
        let Some(id) = deliveries["value"][0]["id"].as_str() else { return false };
        assert!(deliveries["value"][0]["attempts"][0]["exchange"].is_null(), "a list has no exchanges");
        found = serde_json::from_str(&get(site, &format!("/v1.0/deliveries/{id}")).await.1).unwrap();
        found["operation"] = list["value"][0]["id"].clone();
        found["state"] == state
    })
    .await;
    found
}

async fn posted(site: &mut Site, server: &Server, context: &str, state: &str) -> Value {
    assert_eq!(site.post(server, context).await.status, 202);
    delivery(site, context, state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_tells_what_was_sent_and_answered_in_api_console_and_command() {
    let mut site = Site::new();
    site.write_for_all("", "headers = { Authorization = { env = 'TEST_CLIENT_STATE' } }");
    site.hook.answer(NO);
    let server = site.serve();
    let found = posted(&mut site, &server, "refused", "dead").await;
    let exchange = &found["attempts"][0]["exchange"];
    assert_eq!(exchange["request"]["line"], "POST /hook HTTP/1.1");
    let headers = exchange["request"]["headers"].as_array().unwrap();
    assert!(headers.iter().any(|it| it["name"] == "authorization" && it["value"] == "***"), "{exchange}");
    assert!(headers.iter().any(|it| it["name"] == "webhook-id" && it["value"] == found["id"]), "{exchange}");
    let answer = &exchange["answer"];
    assert_eq!((&answer["line"], &answer["isBodyCut"]), (&"HTTP/1.1 410".into(), &false.into()));
    assert_eq!(answer["body"], "<script>no</script>\u{1b}!\n");

    let id = found["id"].as_str().unwrap();
    let (status, page) = get(&site, &format!("/deliveries/{id}")).await;
    assert_eq!(status, 200);
    for part in [
        "POST /hook HTTP/1.1",
        "authorization: ***",
        "HTTP/1.1 410",
        "x-why: &#60;b&#62;no",
        "&#60;script&#62;no",
        "\\u{1b}!",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("no-http") && !page.contains("<script>no") && !page.contains('\u{1b}'), "{page}");
    let operation = get(&site, &format!("/operations/{}", found["operation"].as_str().unwrap())).await.1;
    assert!(operation.contains(&format!("href=\"/deliveries/{id}\"")), "{operation}");

    for command in ["deliveries", "deadletters"] {
        let said = site.run(&[command, "show", id]);
        assert_eq!(said.code, Some(0), "{said:?}");
        for part in [
            "attempt 1\n  > POST /hook HTTP/1.1\n",
            "  > authorization: ***\n",
            "  < HTTP/1.1 410\n",
            "  < <script>no</script>\\u{1b}!\n",
        ] {
            assert!(said.out.contains(part), "{part}: {said:?}");
        }
    }
    let missing = site.run(&["deliveries", "show", "0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert_eq!(get(&site, "/deliveries/0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn successes_and_replays_tell_theirs_and_a_timeout_its_request() {
    let mut site = Site::new();
    site.write_for_all("", "timeout = '300ms'\nretry = ['0s']");
    let gate = site.hold_hook();
    let server = site.serve();
    let found = posted(&mut site, &server, "slow", "dead").await;
    let attempt = &found["attempts"][0];
    assert!(attempt["reason"].as_str().unwrap().starts_with("no answer within 300ms"), "{attempt}");
    assert_eq!(
        (&attempt["exchange"]["request"]["line"], &attempt["exchange"]["answer"]),
        (&"POST /hook HTTP/1.1".into(), &Value::Null)
    );
    gate.open();
    site.hook.answer(OK);
    let id = found["id"].as_str().unwrap();
    let page = get(&site, &format!("/deliveries/{id}")).await.1;
    assert!(page.contains("reelhook made this request") && !page.contains("Nothing of it was sent"), "{page}");
    assert_eq!(site.run(&["deadletters", "replay", id]).code, Some(0));
    let found = delivery(&site, "slow", "delivered").await;
    let second = &found["attempts"][1];
    assert_eq!((&second["number"], &second["isAfterReplay"]), (&2.into(), &true.into()));
    assert_eq!(second["exchange"]["answer"]["body"], "ok");
    assert!(found["attempts"][0]["exchange"]["answer"].is_null(), "the first keeps its own");
    let page = get(&site, &format!("/deliveries/{id}")).await.1;
    assert!(page.contains("data-test=\"no-answer\"") && page.contains("Replayed"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_without_a_connection_says_that_nothing_of_its_request_was_sent() {
    let mut site = Site::new();
    site.write_for_all("", "retry = ['0s']");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let nowhere = format!("url = \"http://{closed}/hook\"\nallow_private");
    let to_nowhere = text.replace(&site.hook.table().replace(" = [\"127.0.0.0/8\"]\n", ""), &nowhere);
    assert!(to_nowhere.contains(&nowhere), "{to_nowhere}");
    std::fs::write(site.config(), to_nowhere).unwrap();
    let server = site.serve();
    let found = posted(&mut site, &server, "unsent", "dead").await;
    let page = get(&site, &format!("/deliveries/{}", found["id"].as_str().unwrap())).await.1;
    assert!(page.contains("the request that reelhook prepared. Nothing of it was sent"), "{page}");
    assert!(!page.contains("reelhook made this request"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_is_said_and_a_removed_operation_takes_all_along() {
    let mut site = Site::new();
    site.write_for_all("", "");
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), text.replace("[store]\n", "[store]\nexchanges_max_entries = 0\n")).unwrap();
    let server = site.serve();
    let found = posted(&mut site, &server, "unkept", "delivered").await;
    let why = "reelhook kept no exchange of this attempt: the config keeps none (store.exchanges_max_entries = 0)";
    assert_eq!(
        (&found["attempts"][0]["exchange"], &found["attempts"][0]["exchangeMissing"]),
        (&Value::Null, &why.into())
    );
    let id = found["id"].as_str().unwrap();
    assert!(get(&site, &format!("/deliveries/{id}")).await.1.contains(why));
    assert!(site.run(&["deliveries", "show", id]).out.contains(why));

    let path =
        format!("http://{}/v1.0/communications/recordOperations/{}", site.admin, found["operation"].as_str().unwrap());
    assert_eq!(reqwest::Client::new().delete(path).send().await.unwrap().status().as_u16(), 204);
    assert_eq!(get(&site, &format!("/deliveries/{id}")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_too_short_to_be_found_is_the_reason_why_headers_and_body_are_left_out() {
    let mut site = Site::new();
    site.write_for_all("", "headers = { X-Token = 'abc' }");
    site.hook.answer(NO);
    let server = site.serve();
    let found = posted(&mut site, &server, "short", "dead").await;
    let answer = &found["attempts"][0]["exchange"]["answer"];
    let why = "the answer may repeat a secret of this sink that reelhook cannot find in it, because fewer than 4 \
               characters of the secret count (white space, control characters and + do not)";
    assert_eq!((&answer["headersLeftOut"], &answer["bodyLeftOut"]), (&why.into(), &why.into()));
    assert_eq!((&answer["headers"], &answer["isBodyCut"]), (&serde_json::json!([]), &false.into()));
    let id = found["id"].as_str().unwrap();
    let page = get(&site, &format!("/deliveries/{id}")).await.1;
    let said = site.run(&["deliveries", "show", id]).out;
    for told in [&page, &said] {
        for what in ["headers of the answer are", "body of the answer is"] {
            assert!(told.contains(&format!("he {what} not shown: {why}")), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_of_successes_some_are_kept_and_the_others_say_so() {
    let mut site = Site::new();
    site.hook.behave(|stream| {
        let _ = stream.write_all(OK.as_bytes());
    });
    let server = site.serve();
    let graph = site.graph(&server);
    let items: Vec<_> = (0..200).map(|n| site.recording(&format!("flood-{n}")).completed()).collect();
    for item in items {
        assert_eq!(graph.send(graph.calls(&[item]).unwrap()).await.unwrap().status, 202);
    }
    let told =
        |found: &Value| (found["attempts"][0]["exchange"].is_object(), found["attempts"][0]["exchangeMissing"].clone());
    let (mut n_kept, mut n_not) = (0, 0);
    for n in 0..200 {
        match told(&delivery(&site, &format!("flood-{n}"), "delivered").await) {
            (true, Value::Null) => n_kept += 1,
            (false, why) if why == "reelhook kept no exchange of this attempt: more than 20 a second succeeded" => {
                n_not += 1
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(n_kept >= 20 && n_kept + n_not == 200, "{n_kept} kept, {n_not} not");
}
