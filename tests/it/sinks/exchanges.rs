//! The exchanges that the `http` sink notes, over real connections: what was sent, what was answered, and no secret.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reelhook::domain::{Answered, Body, Delivery, Exchange, Headers};
use reelhook::sinks::{DeliveryError, Note, Sink};

use super::answering::{Answering, OK};
use super::http::secrets;
use super::samples::{TOKEN, build, delivery};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Attempts a delivery; returns its result and its exchange.
async fn attempt(sink: &Arc<dyn Sink>, delivery: &Delivery) -> (Result<(), DeliveryError>, Option<Exchange>) {
    let notes = [Note::default()];
    let result = sink.deliver_noting(&[delivery], &notes).await.remove(0);
    (result, notes[0].exchange())
}

/// The exchange with a far side that gives this answer, of a sink with further keys.
async fn with_answer(answer: &str, more: &str) -> Exchange {
    let far_side = Answering::with(answer);
    let sink = build("http", &format!("{}{more}", far_side.table())).unwrap();
    attempt(&sink, &delivery(1)).await.1.unwrap()
}

fn answered(exchange: &Exchange) -> &Answered {
    exchange.answer.as_ref().expect("an answer")
}

fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.list.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn text(exchange: &Exchange) -> &str {
    match &answered(exchange).body {
        Body::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// A far side that repeats what was sent, as `shape` makes it of head and body.
fn echoing(shape: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Answering {
    let far_side = Answering::with(OK);
    far_side.echo(shape);
    far_side
}

#[tokio::test]
async fn a_success_is_noted_with_what_arrived_and_what_was_answered() {
    let far_side = Answering::with("HTTP/1.1 200 Fine\r\nx-request: 7\r\ncontent-length: 5\r\n\r\nthere");
    let sink = build("http", &format!("{}headers = {{ X-Team = 'recordings' }}", far_side.table())).unwrap();
    let (result, exchange) = attempt(&sink, &delivery(1)).await;
    let (exchange, request) = (exchange.unwrap(), far_side.requests().remove(0));
    assert_eq!(result, Ok(()));
    assert_eq!(exchange.request.line, "POST /hook HTTP/1.1");
    // Nothing is secret here: the headers are those that arrived, all of them.
    let mut noted = exchange.request.headers.list.clone();
    let mut arrived: Vec<(String, String)> =
        request.headers().map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    noted.sort();
    arrived.sort();
    assert_eq!(noted, arrived);
    let answer = answered(&exchange);
    assert_eq!((answer.line.as_str(), text(&exchange), answer.is_body_cut), ("HTTP/1.1 200", "there", false));
    assert_eq!(value(&answer.headers, "x-request"), Some("7"));
}

#[tokio::test]
async fn of_a_long_answer_the_first_4_kib_are_noted() {
    let body = "0123456789abcdef".repeat(640);
    let answer = format!("HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let exchange = with_answer(&answer, "").await;
    assert_eq!(text(&exchange), &body[..4096]);
    assert!(answered(&exchange).is_body_cut && answered(&exchange).line == "HTTP/1.1 500");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_what_was_seen_so_far() {
    let half = with_answer("HTTP/1.1 200 OK\r\nx: 1\r\ncontent-length: 100\r\n\r\nhalf", "").await;
    assert_eq!((text(&half), answered(&half).is_body_cut), ("half", true));
    let none = with_answer("", "").await;
    assert_eq!((none.request.line.as_str(), &none.answer), ("POST /hook HTTP/1.1", &None));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sink = build("http", &format!("url = 'http://{free}/'\nallow_private = ['127.0.0.1']")).unwrap();
    let (result, exchange) = attempt(&sink, &delivery(1)).await;
    assert!(result.is_err() && exchange.unwrap().answer.is_none());
}

#[tokio::test]
async fn a_timeout_leaves_the_request_and_the_head_of_the_answer() {
    for (sent, expected) in [("", None), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal", Some("HTTP/1.1 200"))] {
        let far_side = Answering::with(OK);
        let (arrived, arrival) = std::sync::mpsc::channel();
        let (give_up, until) = std::sync::mpsc::channel::<()>();
        let (arrived, until) = (Mutex::new(arrived), Mutex::new(until));
        far_side.behave(move |stream| {
            drop(stream.write_all(sent.as_bytes()));
            let _ = arrived.lock().unwrap().send(());
            assert!(until.lock().unwrap().recv().is_err());
        });
        let sink = build("http", &far_side.table()).unwrap();
        let (delivery, notes) = (delivery(1), [Note::default()]);
        {
            // Cancelled, as the dispatcher does at its timeout, once the far side has said what it says.
            let is_seen = || notes[0].exchange().and_then(|it| it.answer).map(|it| it.line).as_deref() == expected;
            let deliveries = [&delivery];
            let mut attempt = std::pin::pin!(sink.deliver_noting(&deliveries, &notes));
            let mut has_arrived = false;
            while !(has_arrived && is_seen()) {
                drop(tokio::time::timeout(Duration::from_millis(5), attempt.as_mut()).await);
                has_arrived |= arrival.try_recv().is_ok();
            }
        }
        drop(give_up);
        let exchange = notes[0].exchange().unwrap();
        assert_eq!(exchange.request.line, "POST /hook HTTP/1.1");
        assert_eq!(exchange.answer.map(|answer| answer.line).as_deref(), expected);
    }
}

#[tokio::test]
async fn threat_53_secrets_are_hidden_in_what_was_sent_and_wherever_the_answer_repeats_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let more = format!(
        "headers = {{ Authorization = {{ env = 'PATH' }}, X-Api-Key = 'canary-key-in-the-config' }}\n\
         include_access_token = true\n{}",
        secrets(&folder, &[WHSEC])
    );
    let shapes: [fn(&str, &str) -> String; 3] = [
        |head, body| format!("{head}\n{body}"),
        |head, body| serde_json::json!({ "head": head, "body": body }).to_string(),
        // The 4 KiB end inside of each secret at some place.
        |head, body| format!("{}{}", "x".repeat(3900), format!("{head}{body}").replace("\r\n", "|")),
    ];
    for shape in shapes {
        let far_side = echoing(shape);
        let sink = build("http", &format!("{}{more}", far_side.table())).unwrap();
        let (result, exchange) = attempt(&sink, &delivery(1)).await;
        let (exchange, request) = (exchange.unwrap(), far_side.requests().remove(0));
        for name in ["authorization", "x-api-key", "webhook-signature"] {
            assert_eq!(value(&exchange.request.headers, name), Some("***"), "{name}");
        }
        let told = format!("{exchange:?}");
        let signature = request.header("webhook-signature").unwrap().strip_prefix("v1,").unwrap();
        for secret in [&path, "canary-key-in-the-config", signature, TOKEN] {
            assert!(!told.contains(secret) && !told.contains(&secret.replace('/', "\\/")), "{secret}: {told}");
            assert!(!told.contains(&secret[..secret.len() - 3]), "{secret} without its end: {told}");
        }
        assert!(text(&exchange).contains("***") && text(&exchange).len() <= 4096, "{told}");
        assert!(!format!("{result:?}").contains("***"), "the reason quotes nothing, as before");
    }
}

#[tokio::test]
async fn threat_53_of_an_address_what_looks_like_a_secret_is_hidden_and_a_secret_address_as_a_whole() {
    let far_side = echoing(|head, _| head.to_owned());
    let hook = "canary0123456789abcdef";
    let table = |url: &str| format!("{url}\nallow_private = ['127.0.0.0/8']");
    let url = format!("url = 'http://{}/hooks/{hook}?code=canary-code&v=1'", far_side.address);
    let exchange = attempt(&build("http", &table(&url)).unwrap(), &delivery(1)).await.1.unwrap();
    assert_eq!(exchange.request.line, "POST /hooks/***?code=***&v=*** HTTP/1.1");
    assert!(text(&exchange).starts_with("POST /hooks/***?code=***"), "{}", text(&exchange));
    assert!(!format!("{exchange:?}").contains("canary"), "{exchange:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    secrets(&folder, &[&format!("http://{}/hooks/{hook}?code=canary-code", far_side.address)]);
    std::fs::rename(folder.path().join("0"), &file).unwrap();
    let exchange =
        attempt(&build("http", &table(&format!("url = {{ file = {file:?} }}"))).unwrap(), &delivery(1)).await.1;
    let exchange = exchange.unwrap();
    assert_eq!(exchange.request.line, "POST *** HTTP/1.1");
    let told = format!("{exchange:?}");
    assert!(!told.contains("canary") && !told.contains(&far_side.address.to_string()), "{told}");
}

#[tokio::test]
async fn threat_53_a_secret_in_another_spelling_or_in_part_is_hidden_in_answer_headers_and_reason() {
    const SECRET: &str = r#"canary/Sec+ret="q"&<tok>%7Z-CANARY0123"#;
    let more = format!("headers = {{ X-Api-Key = '{SECRET}' }}");
    let each = |spell: fn(u8) -> String| SECRET.bytes().map(spell).collect::<String>();
    let json = |text: &str| serde_json::to_string(text).unwrap().replace('/', "\\/");
    for spelling in [
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("&#{byte};")),
        each(|byte| format!("&#x{byte:x};")),
        each(|byte| format!("%{byte:02x}")),
        json(SECRET).trim_matches('"').to_owned(),
        json(&json(SECRET)).trim_matches(['"', '\\']).to_owned(),
        r#"canary\/Sec\u002bret=\"q\"\u0026\u003ctok\u003E%7Z-CANARY0123"#.to_owned(),
        "canary/Sec+ret=&quot;q&quot;&<tok>%7Z-CANARY0123".to_owned(),
        "canary%2fsec%2bret%3d%22q%22%26%3ctok%3e%257z-canary0123".to_owned(),
        SECRET[..SECRET.len() - 1].to_owned(),
    ] {
        let body = format!("found {spelling}, no");
        let length = body.len();
        let answer = format!("HTTP/1.1 500 No\r\nx-echo: {spelling};\r\ncontent-length: {length}\r\n\r\n{body}");
        let far_side = Answering::with(&answer);
        let sink = build("http", &format!("{}{more}", far_side.table())).unwrap();
        let (result, exchange) = attempt(&sink, &delivery(1)).await;
        let exchange = exchange.unwrap();
        assert_eq!(text(&exchange), "found ***, no", "{spelling}");
        assert_eq!(value(&answered(&exchange).headers, "x-echo"), Some("***;"), "{spelling}");
        assert_eq!(result.unwrap_err().to_string(), "answered 500: found ***, no", "{spelling}");
    }
    // Over a line break, and over two headers.
    let (first, last) = SECRET.split_at(SECRET.len() / 2);
    let body = format!("{first}\r\n  {last}; {first} | {last}.");
    let length = body.len();
    let answer = format!("HTTP/1.1 500 No\r\nx-a: {first}\r\nx-b: {last}\r\ncontent-length: {length}\r\n\r\n{body}");
    let exchange = with_answer(&answer, &more).await;
    assert_eq!(text(&exchange), "***; *** | ***.");
    let headers = &answered(&exchange).headers;
    assert_eq!((value(headers, "x-a"), value(headers, "x-b")), (Some("***"), Some("***")));
}

#[tokio::test]
async fn a_compressed_answer_is_left_out_where_it_could_repeat_a_secret() {
    let answer = "HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    let exchange = with_answer(answer, "include_access_token = true").await;
    let Body::LeftOut(why) = &answered(&exchange).body else { panic!("{exchange:?}") };
    assert!(why.contains("compressed"), "{why}");
    assert_eq!(text(&with_answer(answer, "").await), "abcd");
}

#[tokio::test]
async fn threat_53_an_answer_that_cannot_be_searched_is_left_out_where_it_could_repeat_a_secret() {
    // Compressed without saying so, UTF-16, and Latin-1.
    for body in [&b"\x1f\x8b\x08\x00"[..], b"c\0a\0n\0", b"caf\xe9 au lait"] {
        let far_side = Answering::with(OK);
        far_side.behave(move |stream| {
            drop(write!(stream, "HTTP/1.1 500 No\r\ncontent-length: {}\r\n\r\n", body.len()));
            drop(stream.write_all(body));
        });
        let sink = build("http", &format!("{}include_access_token = true", far_side.table())).unwrap();
        let exchange = attempt(&sink, &delivery(1)).await.1.unwrap();
        let Body::LeftOut(why) = &answered(&exchange).body else { panic!("{exchange:?}") };
        assert!(why.contains("no text in UTF-8"), "{why}");
    }
}

#[tokio::test]
async fn threat_53_the_key_of_the_signature_and_what_an_address_spells_are_hidden_in_answer_and_reason() {
    const KEY: &str = "Y2FuYXJ5LWtleS1jYW5hcnkta2V5LTI0";
    let folder = tempfile::tempdir().unwrap();
    let key = format!("whsec_{KEY}");
    let far_side =
        echoing(move |head, _| format!("{KEY} canary-key-canary-key-24 CANARY/query canary path/of a hook {head}"));
    let url = format!("http://{}/CANARY%20path%2Fof%20a%20hook?x=canary%2Fquery", far_side.address);
    let table = format!("url = '{url}'\nallow_private = ['127.0.0.0/8']\n{}", secrets(&folder, &[&key]));
    let (result, exchange) = attempt(&build("http", &table).unwrap(), &delivery(1)).await;
    let told = format!("{result:?} {exchange:?}").to_lowercase();
    assert!(!told.contains("canary") && !told.contains(&KEY.to_lowercase()), "{told}");
    let reason = result.unwrap_err().to_string();
    assert!(reason.starts_with("answered 400: ***"), "the rest is quoted: {reason}");
}

#[tokio::test]
async fn an_answer_is_left_out_where_a_secret_is_too_short_to_be_found() {
    let answer = "HTTP/1.1 500 No\r\nx-echo: abc\r\ncontent-length: 3\r\n\r\nabc";
    let exchange = with_answer(answer, "headers = { X-Token = 'abc' }").await;
    assert!(matches!(&answered(&exchange).body, Body::LeftOut(why) if why.contains("fewer than 4")), "{exchange:?}");
    assert!(answered(&exchange).headers.list.is_empty(), "{exchange:?}");
    let why = answered(&exchange).headers.left_out.as_deref();
    assert!(why.is_some_and(|why| why.contains("fewer than 4")), "{exchange:?}");
    assert!(!answered(&exchange).is_body_cut, "it arrived whole: {exchange:?}");
}

#[tokio::test]
async fn the_answers_own_secrets_are_hidden_too() {
    let answer = "HTTP/1.1 200 OK\r\nset-cookie: sid=canary\r\nx-auth-token: canary\r\ncontent-length: 0\r\n\r\n";
    let exchange = with_answer(answer, "").await;
    assert!(!format!("{exchange:?}").contains("canary"), "{exchange:?}");
    assert_eq!(value(&answered(&exchange).headers, "set-cookie"), Some("***"));
}

#[tokio::test]
async fn an_answer_that_is_no_text_is_noted_as_bytes() {
    let far_side = Answering::with(OK);
    far_side.behave(|stream| {
        drop(stream.write_all(b"HTTP/1.1 500 No\r\nx-latin: caf\xe9\tau\r\ncontent-length: 4\r\n\r\n\xff\xfe\x00\x01"));
    });
    let sink = build("http", &far_side.table()).unwrap();
    let exchange = attempt(&sink, &delivery(1)).await.1.unwrap();
    assert_eq!(answered(&exchange).body, Body::Bytes(vec![0xff, 0xfe, 0, 1]));
    assert_eq!(value(&answered(&exchange).headers, "x-latin"), Some("caf\u{fffd}\tau"));
}

#[tokio::test]
async fn many_and_long_headers_are_cut_and_it_is_said() {
    let many: String = (0..90).map(|n| format!("x-{n}: {}\r\n", "v".repeat(300))).collect();
    let exchange = with_answer(&format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"), "").await;
    let Headers { list, is_cut, .. } = &answered(&exchange).headers;
    assert!(*is_cut && (40..90).contains(&list.len()), "{}", list.len());
}

#[tokio::test]
async fn sinks_that_speak_no_protocol_note_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sink = build("file", &format!("path = {:?}", folder.path().join("events.jsonl"))).unwrap();
    let (result, exchange) = attempt(&sink, &delivery(1)).await;
    assert_eq!((result, exchange), (Ok(()), None));
}
