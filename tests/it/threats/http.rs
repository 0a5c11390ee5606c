//! Requests that are too large, too slow, packed, or ambiguous (threats 26-30 and 50), and the memory that they may take.

use reelhook::simulator::client::Post;
use reelhook::simulator::payload::Recording;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::raw::{self, refusals, refused_once, still_serves};
use crate::process::eventually;
use crate::test_app::{Settings, TestApp};

/// With more lines for `[server]`.
async fn app(server: &str) -> TestApp {
    TestApp::start_with(Settings { server: server.into(), ..Settings::default() }).await
}

/// The head of a POST on the subscription channel, with these lines.
fn head(lines: &str) -> String {
    format!("POST /graph/notifications HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{lines}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_a_body_beyond_the_limit_is_refused_as_soon_as_that_shows_and_the_connection_closed() {
    let app = app("max_body = \"2KiB\"").await;
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    for (what, request) in [
        ("announced, nothing sent", head("content-length: 2049")),
        ("announced beyond any number's range but one", head("content-length: 18446744073709551615")),
        ("announced and sent", head("content-length: 4096") + &" ".repeat(4096)),
        ("in chunks that never end", head("transfer-encoding: chunked") + &chunk.repeat(3)),
        ("in one chunk", head("transfer-encoding: chunked") + "fffffff\r\n" + &" ".repeat(4096)),
    ] {
        let before = refusals(&app, "notifications", "body_too_large").await;
        let answer = raw::answer(app.public, request).await;
        assert_eq!(raw::only_status(&answer), 413, "{what}: {answer}");
        assert_eq!(raw::body(&answer), "payload too large\n", "{what}");
        refused_once(&app, ("notifications", "body_too_large"), before, what).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_a_body_of_exactly_the_limit_is_read() {
    let mut app = app("max_body = \"4KiB\"").await;
    let post = app.graph.calls(&[Recording::new(&mut app.seed).completed()]).unwrap();
    let mut body = post.body.to_vec();
    body.resize(4096, b' ');
    assert_eq!(app.post_calls_body(body.clone()).await.status, 202);
    body.push(b' ');
    assert_eq!(app.post_calls_body(body).await.status, 413);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_a_body_that_ends_early_is_counted_once_however_the_connection_breaks() {
    let app = app("").await;
    for (what, request) in [
        ("by length", head("content-length: 100") + "{\"value\""),
        ("in chunks", head("transfer-encoding: chunked") + "8\r\n{\"value\"\r\n"),
        ("within a chunk", head("transfer-encoding: chunked") + "80\r\n{\"value\""),
    ] {
        for reset in [false, true] {
            let what = format!("{what}, reset: {reset}");
            let before = refusals(&app, "notifications", "bad_request").await;
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let mut stream = raw::write(app.public, format!("{head}\r\nexpect: 100-continue\r\n\r\n")).await;
            // Then its body is being read: before that there is no request to count.
            let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
            stream.read_exact(&mut go_on).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            }
            drop(stream);
            eventually(&what, async || refusals(&app, "notifications", "bad_request").await.0 > before.0).await;
            refused_once(&app, ("notifications", "bad_request"), before, &what).await;
        }
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_a_body_longer_than_it_was_announced_is_no_second_request() {
    let app = app("").await;
    let request = head("content-length: 4") + "nullPOST is not what this says\r\n\r\n";
    let answer = raw::answer(app.public, request).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(!answer.contains("HTTP/1.1 2"), "{answer}");
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_27_packed_bodies_and_other_media_types_are_refused_unread() {
    let app = app("").await;
    let json = "content-type: application/json\r\n";
    let every =
        [("/graph/calls", "calls"), ("/graph/notifications", "notifications"), ("/graph/lifecycle", "lifecycle")];
    let mut paths = every.into_iter().cycle();
    for (reason, headers) in [
        ("content_encoding", format!("{json}content-encoding: gzip")),
        ("content_encoding", format!("{json}content-encoding: br")),
        ("content_encoding", format!("{json}content-encoding: zstd")),
        ("content_encoding", format!("{json}content-encoding: deflate")),
        ("content_encoding", format!("{json}content-encoding: identity, gzip")),
        ("content_encoding", format!("{json}content-encoding: identity\r\ncontent-encoding: gzip")),
        ("content_type", "content-type: text/plain".into()),
        ("content_type", "content-type: multipart/form-data".into()),
        ("content_type", "x-nothing: at all".into()),
        ("content_type", format!("{json}content-type: text/html")),
    ] {
        let (path, label) = paths.next().unwrap();
        let before = refusals(&app, label, reason).await;
        // The body never comes: who waited for it would not answer.
        let request = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\ncontent-length: 100\r\n\r\n");
        let answer = raw::answer(app.public, request).await;
        assert_eq!(raw::only_status(&answer), 415, "{headers}: {answer}");
        assert_eq!(raw::body(&answer), "unsupported media type\n");
        refused_once(&app, (label, reason), before, &headers).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_a_slow_body_is_given_up_and_holds_nobody_else() {
    let app = app("body_timeout = \"1s\"").await;
    let before = refusals(&app, "notifications", "body_timeout").await;
    let mut slow = Vec::new();
    for _ in 0..25 {
        slow.push(raw::write(app.public, head("content-length: 1000") + "{").await);
        slow.push(raw::write(app.public, head("transfer-encoding: chunked") + "1\r\n{\r\n").await);
    }
    still_serves(&app).await;
    for stream in &mut slow {
        let answer = raw::read_to_end(stream).await;
        assert_eq!(raw::only_status(&answer), 408, "{answer}");
        assert_eq!(raw::body(&answer), "request timeout\n");
    }
    let after = refusals(&app, "notifications", "body_timeout").await;
    assert_eq!(after, (before.0 + 50.0, before.1 + 50.0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_a_body_that_nobody_reads_holds_no_connection() {
    let app = app("").await;
    for (target, status) in [("/nowhere", 404), ("/graph/lifecycle?validationToken=it", 200), ("/graph/calls", 415)] {
        let request =
            format!("POST {target} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n400\r\nit goes on");
        assert_eq!(raw::only_status(&raw::answer(app.public, request).await), status, "{target}");
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_a_head_that_does_not_come_to_its_end_is_given_up() {
    let app = app("").await;
    let before = refusals(&app, "other", "body_timeout").await;
    let (mut begun, mut silent) =
        (raw::write(app.public, "POST /graph/calls HTTP/1.1\r\nhost:").await, raw::write(app.public, "").await);
    still_serves(&app).await;
    let answer = raw::read_to_end(&mut begun).await;
    assert_eq!(raw::only_status(&answer), 408, "{answer}");
    assert_eq!(raw::read_to_end(&mut silent).await, "", "it asked nothing");
    refused_once(&app, ("other", "body_timeout"), before, "the one that began").await;
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_29_a_request_that_two_servers_could_read_differently_is_refused_and_the_connection_closed() {
    let app = app("").await;
    let smuggled = "POST /graph/notifications?validationToken=smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for lines in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "content-length: 4\r\ncontent-length: 5",
        "content-length: 4\r\ncontent-length: 4",
        "content-length: 4, 5",
        "content-length: +4",
        "content-length: -1",
        "content-length: 0x4",
        "content-length: 18446744073709551616",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "content-length : 4",
        "content-length: 4\r\n folded: yes",
        "host: b\r\ncontent-length: 4",
    ] {
        let before = refusals(&app, "other", "bad_request").await;
        let answer = raw::answer(app.public, head(lines) + "0\r\n\r\n" + smuggled).await;
        assert_eq!(raw::only_status(&answer), 400, "{lines:?}: {answer}");
        assert!(!answer.contains("smuggled"), "{lines:?}: {answer}");
        refused_once(&app, ("other", "bad_request"), before, lines).await;
    }
    for chunks in [
        "zz\r\n",
        "5;\n",
        "-1\r\n",
        "4\r\nnullX",
        "10000000000000000\r\n",
        "4 \r\nnull\r\n0\r\n\r\n",
        "4\t\r\nnull\r\n0\r\n\r\n",
        "4 ;a=b\r\nnull\r\n0\r\n\r\n",
        "4\r\nnull\r\n0 \r\n\r\n",
        "4\r\nnull\r\n0\r\nx: y\n\r\n",
    ] {
        let before = refusals(&app, "notifications", "bad_request").await;
        let answer = raw::answer(app.public, head("transfer-encoding: chunked") + chunks + smuggled).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && !answer.contains("smuggled"), "{chunks:?}: {answer}");
        refused_once(&app, ("notifications", "bad_request"), before, chunks).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_29_a_line_that_ends_with_a_line_feed_alone_is_refused_and_the_connection_closed() {
    let app = app("").await;
    let good = "POST /graph/lifecycle?validationToken=it HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    for (address, path) in [(app.public, "other"), (app.admin, "admin")] {
        for n in 0..good.matches('\r').count() {
            let (at, _) = good.match_indices('\r').nth(n).unwrap();
            let request = format!("{}{}{good}", &good[..at], &good[at + 1..]);
            let before = refusals(&app, path, "bad_request").await;
            let answer = raw::answer(address, &request).await;
            assert_eq!(raw::only_status(&answer), 400, "{request:?}: {answer}");
            refused_once(&app, (path, "bad_request"), before, &request).await;
        }
    }
    let before = refusals(&app, "other", "bad_request").await;
    let answer = raw::answer(app.public, format!("{good}\n{good}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "before a head: {answer}");
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    refused_once(&app, ("other", "bad_request"), before, "before a head").await;
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_30_http_2_is_not_spoken() {
    let app = app("").await;
    let before = refusals(&app, "other", "bad_request").await;
    let answer = raw::answer(app.public, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.is_empty() || raw::only_status(&answer) == 400, "{answer}");
    refused_once(&app, ("other", "bad_request"), before, "the preface").await;
    let upgrade = "POST /nowhere HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
                   http2-settings: AAMAAABkAAQAAP__\r\ncontent-length: 0\r\n\r\n";
    let mut stream = raw::write(app.public, upgrade).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 404");
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    assert!(!lock.contains("name = \"h2\""), "an implementation of HTTP/2 came in with a crate");
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_50_paths_are_taken_literally() {
    let app = app("").await;
    for target in [
        "//graph/calls",
        "/graph//calls",
        "/graph/calls/",
        "/graph/calls/..;/admin",
        "/graph/./calls",
        "/graph/x/../calls",
        "/graph/%2e%2e/graph/calls",
        "/graph%2fcalls",
        "/GRAPH/CALLS",
        "/graph/calls%00",
        "/graph/calls;a=b",
        "/metrics",
        "/readyz",
        "/livez",
    ] {
        let before = refusals(&app, "other", "bad_request").await;
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: 2\r\n\r\n{{}}"
        );
        let answer = raw::answer(app.public, request).await;
        assert_eq!(raw::only_status(&answer), 404, "{target}: {answer}");
        assert_eq!(raw::body(&answer), "not found\n", "{target}");
        refused_once(&app, ("other", "bad_request"), before, target).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_50_a_head_beyond_every_measure_is_refused() {
    let app = app("").await;
    let many: String = (0..200).map(|n| format!("x-{n}: a\r\n")).collect();
    for (what, request) in [
        ("long path", format!("POST /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(65_600))),
        ("many headers", format!("POST /graph/calls HTTP/1.1\r\nhost: a\r\n{many}\r\n")),
        ("long cookie", format!("POST /graph/calls HTTP/1.1\r\nhost: a\r\ncookie: {}\r\n\r\n", "a".repeat(200_000))),
        ("no HTTP", "\u{16}\u{3}\u{1} hello\r\n\r\n".into()),
        ("no host", "POST /graph/calls HTTP/1.1\r\ncontent-length: 0\r\n\r\n".into()),
    ] {
        let before = refusals(&app, "other", "bad_request").await;
        let answer = raw::answer(app.public, request).await;
        assert!(answer.is_empty() || [400, 414, 431].contains(&raw::only_status(&answer)), "{what}: {answer}");
        refused_once(&app, ("other", "bad_request"), before, what).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_bodies_that_are_held_back_take_no_more_memory_than_there_is_and_give_it_back() {
    const N_SENDERS: usize = 200;
    let mut app = app("max_inflight = \"2MiB\"\nbody_timeout = \"60s\"").await;
    let almost_all = head("content-length: 1048576") + &" ".repeat((1 << 20) - 1);
    let mut senders = Vec::new();
    for _ in 0..N_SENDERS {
        senders.push(raw::write(app.public, &almost_all).await);
    }
    let shed = async || app.rejected("notifications", "shed").await;
    eventually("those beyond the bound are shed", async || shed().await >= (N_SENDERS - 2) as f64).await;
    assert!(shed().await < N_SENDERS as f64, "some fit in");
    drop(senders);
    let mut body = app.graph.calls(&[Recording::new(&mut app.seed).completed()]).unwrap().body.to_vec();
    body.resize(1 << 20, b' ');
    eventually("the memory is free again", async || app.post_calls_body(body.clone()).await.status == 202).await;
    let authorization = format!("Bearer {}", app.graph.calls_token().unwrap());
    let (one, two) = tokio::join!(
        app.send(app.graph.calls_with(&authorization, body.clone())),
        app.send(app.graph.calls_with(&authorization, body.clone()))
    );
    assert_eq!((one.status, two.status), (202, 202), "all of it");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_gives_its_memory_to_another_is_answered_503_and_may_come_again() {
    let app = app("max_body = \"4KiB\"\nmax_inflight = \"4KiB\"\nbody_timeout = \"60s\"").await;
    let before = refusals(&app, "notifications", "shed").await;
    let mut holder = raw::write(app.public, head("content-length: 4096") + &" ".repeat(4095)).await;
    let series = "reelhook_connections{listener=\"public\",state=\"body\"}";
    eventually("it is coming", async || app.metric(series).await == 1.0).await;
    let post = || Post::new("/graph/notifications", " ".repeat(4096)).header("content-type", "application/json");
    assert_eq!(app.send(post()).await.status, 400, "it is read to its end");
    let answer = raw::read_to_end(&mut holder).await;
    assert_eq!(raw::only_status(&answer), 503, "{answer}");
    assert!(answer.contains("retry-after: 10") && raw::body(&answer).is_empty(), "{answer}");
    let after = refusals(&app, "notifications", "shed").await;
    assert_eq!(after, (before.0 + 1.0, before.1 + 2.0), "the other one has no shape: {}", app.metrics().await);
    assert_eq!(app.send(post()).await.status, 400, "the memory is free again");
    app.stop().await;
}
