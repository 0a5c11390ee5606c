//! The `http` sink: what it sends, what answers mean, and far sides that mean harm (threat 63).

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reelhook::domain::Delivery;
use reelhook::sinks::{DeliveryError, MAX_REASON_CHARS, Note, Sink};
use standardwebhooks::Webhook;

use super::answering::{Answering, OK, Request};
use super::samples::{build, delivery, retried};
use crate::process::site::Site;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn answer(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n")
}

/// Delivers to a far side that gives this answer.
async fn delivered_to(text: &str) -> Result<(), DeliveryError> {
    let far_side = Answering::with(text);
    build("http", &far_side.table()).unwrap().deliver(&delivery(1)).await
}

/// Writes secrets to files and gives the table's `secret`.
pub fn secrets(folder: &tempfile::TempDir, secrets: &[&str]) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let mut sources = Vec::new();
    for (n, secret) in secrets.iter().enumerate() {
        let path = folder.path().join(n.to_string());
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        file.write_all(secret.as_bytes()).unwrap();
        sources.push(format!("{{ file = {path:?} }}"));
    }
    format!("secret = [{}]\n", sources.join(", "))
}

fn verified(request: &Request, secret: &str) -> bool {
    let mut headers = http_headers(request);
    headers.retain(|(name, _)| name.starts_with("webhook-"));
    let mut map = reqwest::header::HeaderMap::new();
    for (name, value) in headers {
        map.insert(name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap());
    }
    Webhook::new(secret).unwrap().verify(&request.body, &map).is_ok()
}

fn http_headers(request: &Request) -> Vec<(String, String)> {
    request.headers().map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_request_is_signed_and_an_independent_library_agrees() {
    let (far_side, folder) = (Answering::with(OK), tempfile::tempdir().unwrap());
    let new = format!("whsec_{}", STANDARD.encode([9; 32]));
    let other = format!("whsec_{}", STANDARD.encode([8; 32]));
    let table = far_side.table() + &secrets(&folder, &[OLD, &new]);
    build("http", &table).unwrap().deliver(&delivery(1)).await.unwrap();
    let mut request = far_side.requests().remove(0);
    assert!(verified(&request, OLD) && verified(&request, &new), "{}", request.head);
    assert!(!verified(&request, &other));
    assert_eq!(request.header("webhook-id"), Some(delivery(1).id.to_string().as_str()));
    request.body.push(b' ');
    assert!(!verified(&request, OLD));
}

#[tokio::test]
async fn a_private_key_signs_what_its_printed_public_key_verifies() {
    let (far_side, folder) = (Answering::with(OK), tempfile::tempdir().unwrap());
    let private = format!("whsk_{}", STANDARD.encode([7; 32]));
    let table = far_side.table() + &secrets(&folder, &[OLD, &private]);
    build("http", &table).unwrap().deliver(&delivery(1)).await.unwrap();
    let request = far_side.requests().remove(0);
    assert!(verified(&request, OLD), "the shared secret signs beside it");
    let site = Site::new();
    let mut child =
        site.command(&["token", "public-key"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{private}").unwrap();
    let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let public = STANDARD.decode(printed.trim().strip_prefix("whpk_").unwrap()).unwrap();
    let header = |name| request.header(name).unwrap();
    let signature = header("webhook-signature").split(' ').find_map(|it| it.strip_prefix("v1a,")).unwrap();
    let begun = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
    let key = UnparsedPublicKey::new(&ED25519, public);
    let signature = STANDARD.decode(signature).unwrap();
    key.verify(&[begun.as_bytes(), &request.body].concat(), &signature).unwrap();
    assert!(key.verify(b"other", &signature).is_err());
}

/// Delivers these together.
async fn together(sink: &dyn Sink, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
    let notes: Vec<Note> = deliveries.iter().map(|_| Note::default()).collect();
    sink.deliver_noting(deliveries, &notes).await
}

fn events(request: &Request) -> Vec<serde_json::Value> {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn with_batch_one_post_has_several_events_and_one_answer_is_for_all() {
    let (far_side, folder) = (Answering::with(OK), tempfile::tempdir().unwrap());
    let sink = build("http", &(far_side.table() + "batch = true\n" + &secrets(&folder, &[OLD]))).unwrap();
    let (one, two, three) = (delivery(1), delivery(2), delivery(3));
    assert_eq!(together(&*sink, &[&one, &two, &three]).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(together(&*sink, &[&one, &two, &three]).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(together(&*sink, &[&one, &two]).await, [Ok(()), Ok(())]);
    let requests = far_side.requests();
    let ids: Vec<String> = [&one, &two, &three].iter().map(|it| it.event.id.0.to_string()).collect();
    assert_eq!(events(&requests[0]).iter().map(|event| event["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(requests[0].header("content-type"), Some("application/cloudevents-batch+json; charset=utf-8"));
    assert!(verified(&requests[0], OLD));
    let id = |n: usize| requests[n].header("webhook-id").unwrap();
    assert!(id(0) == id(1) && id(0) != id(2), "the id is that of what is in it");
    assert!(sink.batch_size() > 1);
    far_side.answer("HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let failed = together(&*sink, &[&one, &two]).await;
    assert!(failed.iter().all(|it| matches!(it, Err(DeliveryError::Retry { .. }))), "{failed:?}");
}

#[tokio::test]
async fn one_event_of_a_batch_that_is_refused_for_good_does_not_cost_the_others() {
    let far_side = Answering::with(OK);
    let sink = build("http", &(far_side.table() + "batch = true\n")).unwrap();
    let (one, two) = (delivery(1), delivery(2));
    let bad = two.event.id.0.to_string();
    far_side.judge(move |body| if body.contains(&bad) { "410 Gone" } else { "204 No Content" });
    let results = together(&*sink, &[&one, &two]).await;
    assert!(matches!(results[..], [Ok(()), Err(DeliveryError::Reject { .. })]), "{results:?}");
    assert_eq!(far_side.requests().iter().map(|it| events(it).len()).collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn batch_needs_whole_events_and_no_access_token() {
    let far_side = Answering::with(OK);
    for beside in ["format = \"data\"", "payload = \"{}\"", "include_access_token = true"] {
        let mistakes = build("http", &format!("{}batch = true\n{beside}\n", far_side.table())).err().unwrap();
        assert!(format!("{mistakes:?}").contains("batch"), "{mistakes:?}");
    }
}

#[tokio::test]
async fn a_request_has_these_headers_and_no_others() {
    let far_side = Answering::with(OK);
    let table = far_side.table() + "headers = { X-Team = 'recordings', x-key = { env = 'PATH' } }";
    build("http", &table).unwrap().deliver(&delivery(1)).await.unwrap();
    let request = far_side.requests().remove(0);
    assert!(request.head.starts_with("POST /hook HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
    assert_eq!(request.header("x-team"), Some("recordings"));
    assert_eq!(request.header("x-key"), std::env::var("PATH").ok().as_deref());
    assert!(request.header("user-agent").unwrap().starts_with("reelhook/"));
    let mut names: Vec<String> = http_headers(&request).into_iter().map(|(name, _)| name).collect();
    names.sort();
    let expected = "accept content-length content-type host user-agent webhook-id webhook-timestamp x-key x-team";
    assert_eq!(names.join(" "), expected);
}

#[tokio::test]
async fn a_repeat_has_the_same_id() {
    let far_side = Answering::with(OK);
    let sink = build("http", &far_side.table()).unwrap();
    for _ in 0..2 {
        sink.deliver(&delivery(1)).await.unwrap();
    }
    let requests = far_side.requests();
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
}

#[tokio::test]
async fn any_2xx_has_arrived() {
    for status in ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Odd"] {
        assert_eq!(delivered_to(&answer(status, "retry-after: 5\r\n")).await, Ok(()), "{status}");
    }
}

#[tokio::test]
async fn gone_is_given_up_at_once() {
    let result = delivered_to(&answer("410 Gone", "")).await;
    assert_eq!(result, Err(DeliveryError::Reject { reason: "answered 410".into() }));
}

#[tokio::test]
async fn other_refusals_are_tried_again() {
    for status in [300, 304, 400, 401, 403, 404, 405, 408, 409, 413, 422, 425, 499, 500, 501, 502, 504, 599] {
        let (reason, pause, after) = retried(delivered_to(&answer(&format!("{status} No"), "")).await);
        assert!(reason.starts_with(&format!("answered {status}")), "{reason}");
        assert_eq!((pause, after), (false, None), "{status}");
    }
}

#[tokio::test]
async fn a_far_side_that_asks_to_be_left_alone_pauses_the_sink() {
    for status in ["429 Slow", "503 Busy"] {
        let (_, pause, after) = retried(delivered_to(&answer(status, "retry-after: 120\r\n")).await);
        assert_eq!((pause, after), (true, Some(Duration::from_secs(120))));
        let (_, pause, after) = retried(delivered_to(&answer(status, "")).await);
        assert_eq!((pause, after), (true, None));
    }
}

#[tokio::test]
async fn threat_63_a_retry_after_that_says_nothing_is_ignored() {
    for value in ["inf", "1e300", "-5", "Thu, 32 Foo", "", "1.5", "\u{ff}"] {
        let (_, pause, after) = retried(delivered_to(&answer("503 Busy", &format!("retry-after: {value}\r\n"))).await);
        assert_eq!((pause, after), (true, None), "{value}");
    }
    let (_, _, after) = retried(delivered_to(&answer("503 Busy", "retry-after: 9999999999\r\n")).await);
    assert_eq!(after, Some(Duration::from_secs(9_999_999_999)));
}

#[tokio::test]
async fn threat_63_redirects_are_not_followed() {
    let inside = Answering::with(OK);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://{}/\r\n", inside.address);
        let (reason, ..) = retried(delivered_to(&answer(&format!("{status} Moved"), &location)).await);
        assert!(reason.contains("redirects are not followed"), "{reason}");
    }
    assert_eq!(inside.n_connections(), 0);
}

#[tokio::test]
async fn threat_63_an_endless_body_is_read_in_part() {
    for status in ["200 OK", "500 No"] {
        let far_side = Answering::with(OK);
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 99999999999\r\n\r\n");
        far_side.behave(move |stream| {
            drop(stream.write_all(head.as_bytes()));
            while stream.write_all(&[b'x'; 65536]).is_ok() {}
        });
        let result = build("http", &far_side.table()).unwrap().deliver(&delivery(1)).await;
        match status {
            "200 OK" => assert_eq!(result, Ok(())),
            _ => assert!(retried(result).0.chars().count() <= MAX_REASON_CHARS),
        }
    }
}

#[tokio::test]
async fn threat_63_a_body_that_drips_is_given_up_and_a_2xx_has_arrived() {
    let far_side = Answering::with(OK);
    let (give_up, until) = std::sync::mpsc::channel::<()>();
    let until = std::sync::Mutex::new(until);
    far_side.behave(move |stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx"));
        // Says no more until the test has its result.
        assert!(until.lock().unwrap().recv().is_err());
    });
    assert_eq!(build("http", &far_side.table()).unwrap().deliver(&delivery(1)).await, Ok(()));
    drop(give_up);
}

#[tokio::test]
async fn threat_63_a_connection_that_breaks_after_a_2xx_has_arrived() {
    assert_eq!(delivered_to("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await, Ok(()));
}

#[tokio::test]
async fn threat_63_what_is_no_answer_is_a_retry() {
    let endless_header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(8 << 20));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: a\r\n".repeat(100_000));
    let cases =
        ["", "\0\0\0\0", "HTTP/1.1 200", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 999999 X\r\n\r\n", "HTTP/1.1 -1 X\r\n\r\n"];
    for text in cases.into_iter().chain([&*endless_header, &*many_headers]) {
        let (reason, pause, after) = retried(delivered_to(text).await);
        assert!(reason.starts_with("no answer") && reason.chars().count() <= MAX_REASON_CHARS, "{reason}");
        assert!(!reason.contains("hook") && !pause && after.is_none(), "{reason}");
    }
}

#[tokio::test]
async fn threat_63_interim_answers_are_not_the_answer() {
    let flood = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000);
    assert_eq!(delivered_to(&format!("{flood}{OK}")).await, Ok(()));
    retried(delivered_to(&flood).await);
}

#[tokio::test]
async fn nobody_listening_pauses_the_sink() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sink = build("http", &format!("url = 'http://{free}/canary'\nallow_private = ['127.0.0.1']")).unwrap();
    let (reason, pause, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(reason.starts_with("could not connect: ") && pause, "{reason}");
    assert!(!reason.contains("canary"));
    assert!(retried(sink.probe().await).0.contains("could not connect"));
}

#[tokio::test]
async fn what_the_far_side_says_is_shown_short_and_escaped() {
    let body = format!("\u{1b}[31mno\r\nticket{}", "x".repeat(10_000));
    let text = format!("HTTP/1.1 422 No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (reason, ..) = retried(delivered_to(&text).await);
    assert!(reason.starts_with("answered 422: \\u{1b}[31mno\\u{d}\\u{a}ticketxxx"), "{reason}");
    assert!(reason.chars().count() <= MAX_REASON_CHARS, "{reason}");
}

#[tokio::test]
async fn threat_53_a_far_side_that_repeats_a_secret_is_not_quoted() {
    for more in ["include_access_token = true", "headers = { Authorization = { env = 'PATH' } }"] {
        let far_side = Answering::with("HTTP/1.1 400 No\r\ncontent-length: 6\r\n\r\ncanary");
        let sink = build("http", &format!("{}{more}", far_side.table())).unwrap();
        assert_eq!(retried(sink.deliver(&delivery(1)).await).0, "answered 400");
    }
}

#[tokio::test]
async fn a_close_gives_the_connections_back_and_nothing_is_sent_after_it() {
    let far_side = Answering::with(OK);
    let (tell, ended) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    far_side.behave(move |stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
        // The connection stays open for the next request, until the sink is closed.
        tell.lock().unwrap().send(stream.read(&mut [0]).unwrap_or_default()).unwrap();
    });
    let sink = build("http", &far_side.table()).unwrap();
    sink.deliver(&delivery(1)).await.unwrap();
    assert!(ended.try_recv().is_err());
    sink.close().await.unwrap();
    let ended = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(20)));
    assert_eq!(ended.await.unwrap(), Ok(0));
    assert_eq!(retried(sink.deliver(&delivery(2)).await).0, "the sink is closed");
    assert_eq!(far_side.requests().len(), 1);
}

#[tokio::test]
async fn a_compressed_answer_is_not_unpacked() {
    let text = "HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    assert_eq!(retried(delivered_to(text).await).0, "answered 500: abcd");
}

#[tokio::test]
async fn a_name_is_resolved_to_a_named_network() {
    let far_side = Answering::with(OK);
    let table =
        format!("url = 'http://localhost:{}/'\nallow_private = ['127.0.0.0/8', '::1']", far_side.address.port());
    build("http", &table).unwrap().deliver(&delivery(1)).await.unwrap();
    assert_eq!(far_side.requests().len(), 1);
}

#[tokio::test]
async fn a_probe_tells_a_far_side_that_speaks_no_tls() {
    let far_side = Answering::with("HTTP/1.1 400 No\r\n\r\n");
    let table = format!("url = 'https://{}/'\nallow_private = ['127.0.0.0/8']", far_side.address);
    let sink = build("http", &table).unwrap();
    far_side.behave(|_| {});
    let probed = tokio::time::timeout(Duration::from_secs(20), sink.probe()).await.unwrap();
    assert!(!retried(probed).0.is_empty());
}
