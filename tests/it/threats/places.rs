//! Places for connections, and the memory of heads and bodies, are given to whoever comes (threats 26 and 28): what rests
//! or is held back gives way.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use reelhook::clock::Clock;
use reelhook::connections::{self, Serving};
use reelhook::simulator::payload::Recording;
use reelhook::sources::Proxies;
use reelhook::telemetry::{Metrics, Rejections};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::raw;
use crate::process::eventually;
use crate::test_app::{Settings, TestApp, start};

/// Connections that there are places for.
const N_PLACES: usize = 16;
/// How long a good POST may take whatever strangers do.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long a stranger's connection may rest.
const STRANGERS_REST: Duration = Duration::from_secs(5);
const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF_A_HEAD: &str = "POST /graph/calls HTTP/1.1\r\nhost:";
const HALF_A_BODY: &str = "POST /graph/notifications HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                           content-length: 100\r\n\r\n{\"value\":";

async fn app() -> TestApp {
    app_with("").await
}

async fn app_with(server: &str) -> TestApp {
    let server = format!("workers = 1\nmax_connections = {N_PLACES}\n{server}");
    TestApp::start_with(Settings { server, ..Settings::default() }).await
}

/// A good POST is answered 202, and soon.
async fn serves_at_once(app: &mut TestApp) {
    let item = Recording::new(&mut app.seed).completed();
    let answered = tokio::time::timeout(AT_ONCE, app.post_calls(&[item])).await;
    assert_eq!(answered.expect("it waits for a place").status, 202);
}

/// Reads one answer; the connection stays open.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap().into());
    }
    let n_bytes: usize = answer.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; n_bytes];
    stream.read_exact(&mut body).await.unwrap();
    answer
}

async fn closed(app: &TestApp, listener: &str, reason: &str) -> f64 {
    let labels = format!("{{listener=\"{listener}\",reason=\"{reason}\"}}");
    app.metric(&format!("reelhook_connections_closed_total{labels}")).await
}

/// As many connections as there are places, each with these bytes of a request.
async fn fill(address: SocketAddr, bytes: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..N_PLACES {
        streams.push(raw::write(address, bytes).await);
    }
    streams
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_strangers_at_rest_give_way_and_the_longest_first() {
    let mut app = app().await;
    let mut strangers = fill(app.public, NOWHERE).await;
    for stranger in &mut strangers {
        read_answer(stranger).await;
    }
    serves_at_once(&mut app).await;
    assert_eq!(raw::read_to_end(&mut strangers[0]).await, "");
    assert_eq!(closed(&app, "public", "gave_way").await, 1.0, "{}", app.metrics().await);
    strangers[1].write_all(NOWHERE.as_bytes()).await.unwrap();
    read_answer(&mut strangers[1]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_heads_that_do_not_end_give_way_and_their_senders_are_told() {
    let mut app = app().await;
    let mut strangers = fill(app.public, HALF_A_HEAD).await;
    eventually("they are there", async || {
        app.metric("reelhook_connections{listener=\"public\",state=\"head\"}").await == N_PLACES as f64
    })
    .await;
    serves_at_once(&mut app).await;
    let answer = raw::read_to_end(&mut strangers[0]).await;
    assert_eq!(raw::only_status(&answer), 503, "{answer}");
    assert_eq!(app.rejected("other", "shed").await, 1.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_bodies_that_do_not_end_give_way_and_their_senders_are_told() {
    let mut app = app_with("body_timeout = \"60s\"").await;
    let mut strangers = fill(app.public, HALF_A_BODY).await;
    eventually("they are there", async || {
        app.metric("reelhook_connections{listener=\"public\",state=\"body\"}").await == N_PLACES as f64
    })
    .await;
    serves_at_once(&mut app).await;
    let answer = raw::read_to_end(&mut strangers[0]).await;
    assert_eq!(raw::only_status(&answer), 503, "{answer}");
    assert_eq!(app.rejected("notifications", "shed").await, 1.0);
    app.stop().await;
}

/// A POST on the calls channel with a good token, as bytes.
fn good_post(app: &mut TestApp) -> String {
    let post = app.graph.calls(&[Recording::new(&mut app.seed).completed()]).unwrap();
    let token = app.graph.calls_token().unwrap();
    let body = String::from_utf8(post.body.to_vec()).unwrap();
    format!(
        "POST /graph/calls HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_who_was_verified_keeps_its_place_however_many_strangers_come() {
    let mut app = app().await;
    let mut graph = raw::write(app.public, good_post(&mut app)).await;
    assert!(read_answer(&mut graph).await.starts_with("HTTP/1.1 202 "));
    let mut strangers = Vec::new();
    for bytes in [NOWHERE, HALF_A_HEAD, HALF_A_BODY, NOWHERE] {
        strangers.extend(fill(app.public, bytes).await);
    }
    let n_too_many = (strangers.len() + 1 - N_PLACES) as f64;
    eventually("they gave way", async || closed(&app, "public", "gave_way").await >= n_too_many).await;
    graph.write_all(good_post(&mut app).as_bytes()).await.unwrap();
    assert!(read_answer(&mut graph).await.starts_with("HTTP/1.1 202 "));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_a_strangers_connection_does_not_rest_for_long() {
    let mut app = app().await;
    let mut graph = raw::write(app.public, good_post(&mut app)).await;
    read_answer(&mut graph).await;
    // Behind a proxy strangers come on the same connection: it is the proxy's nevertheless.
    graph.write_all(NOWHERE.as_bytes()).await.unwrap();
    read_answer(&mut graph).await;
    for request in [NOWHERE, "GET /graph/calls HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut stranger = raw::write(app.public, request).await;
        let began = Instant::now();
        let answer = raw::read_to_end(&mut stranger).await;
        assert!([404, 405].contains(&raw::only_status(&answer)), "{answer}");
        assert!((STRANGERS_REST / 2..STRANGERS_REST * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
    }
    assert_eq!(closed(&app, "public", "rest_timeout").await, 2.0);
    graph.write_all(good_post(&mut app).as_bytes()).await.unwrap();
    assert!(read_answer(&mut graph).await.starts_with("HTTP/1.1 202 "));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxys_connection_rests_as_long_as_any_whatever_came_over_it() {
    let app = app_with("trusted_proxies = [\"127.0.0.0/8\"]").await;
    let mut proxy = raw::write(app.public, NOWHERE).await;
    read_answer(&mut proxy).await;
    tokio::time::sleep(STRANGERS_REST * 2).await;
    proxy.write_all(NOWHERE.as_bytes()).await.unwrap();
    assert!(read_answer(&mut proxy).await.starts_with("HTTP/1.1 404 "));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_heads_that_are_held_back_share_a_bounded_memory() {
    let mut app = app_with("max_inflight_heads = \"64KiB\"").await;
    let head = format!("{HALF_A_HEAD} a\r\nx-padding: {}", "a".repeat(20 << 10));
    let mut oldest = raw::write(app.public, &head).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(raw::write(app.public, &head).await);
    }
    let answer = raw::read_to_end(&mut oldest).await;
    assert_eq!(raw::only_status(&answer), 503, "{answer}");
    assert_eq!(closed(&app, "public", "head_memory").await, 1.0);
    serves_at_once(&mut app).await;
    others[2].write_all(b"\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(raw::only_status(&raw::read_to_end(&mut others[2]).await), 415, "the newest is not let go");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_50_a_head_beyond_32_kib_is_refused_while_it_still_comes() {
    let app = app().await;
    let mut stream = raw::write(app.public, format!("{HALF_A_HEAD} {}", "a".repeat(40 << 10))).await;
    let began = Instant::now();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 431");
    assert!(began.elapsed() < AT_ONCE);
    assert_eq!(app.rejected("other", "bad_request").await, 1.0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_heads_that_were_refused_take_no_memory_from_those_that_come() {
    let mut app = app_with("max_inflight_heads = \"64KiB\"").await;
    let mut refused = Vec::new();
    for n in 1..=8 {
        let head = format!("{HALF_A_HEAD} {}", "a".repeat(31 << 10));
        refused.push(raw::write(app.public, head + &"a".repeat(9 << 10)).await);
        eventually("it is refused", async || app.rejected("other", "bad_request").await == f64::from(n)).await;
        serves_at_once(&mut app).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_a_strangers_call_is_refused_before_its_body_comes() {
    let app = app_with("body_timeout = \"60s\"").await;
    for authorization in ["", "authorization: Bearer a.b.c\r\n"] {
        let head = format!(
            "POST /graph/calls HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{authorization}\
             content-length: 1000000\r\n\r\n"
        );
        let began = Instant::now();
        let answer = raw::answer(app.public, head).await;
        assert_eq!(raw::only_status(&answer), 401, "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_who_fills_the_memory_of_one_path_takes_it_from_no_other() {
    let mut app = app_with("max_body = \"4KiB\"\nmax_inflight = \"4KiB\"\nbody_timeout = \"60s\"").await;
    let head = HALF_A_BODY.replace("content-length: 100", "content-length: 4096");
    let _holder = raw::write(app.public, head + &" ".repeat(4000)).await;
    let held = "reelhook_connections{listener=\"public\",state=\"body\"}";
    eventually("it is there", async || app.metric(held).await == 1.0).await;
    serves_at_once(&mut app).await;
    assert_eq!(app.metric(held).await, 1.0, "it did not have to give way: the memory of its path is its own");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_26_bodies_that_are_held_back_give_their_memory_to_those_that_come_whole() {
    const N_SENDERS: usize = 12;
    let mut app = app_with("max_body = \"64KiB\"\nmax_inflight = \"128KiB\"\nbody_timeout = \"60s\"").await;
    let head = HALF_A_BODY.replace("content-length: 100", "content-length: 65536");
    let almost_all = head.clone() + &" ".repeat(60_000);
    let mut strangers = Vec::new();
    for _ in 0..N_SENDERS {
        strangers.push(raw::write(app.public, &almost_all).await);
    }
    for _ in 0..5 {
        let item = Recording::new(&mut app.seed).completed();
        let answered = tokio::time::timeout(AT_ONCE, app.post_changes(&[item], true)).await;
        assert_eq!(answered.expect("it waits").status, 202);
    }
    let answer = raw::read_to_end(&mut strangers[0]).await;
    assert_eq!(raw::only_status(&answer), 503, "{answer}");
    app.stop().await;
}

/// A server of four places, two of them for strangers, with `/livez` and a path where one waits.
struct Small {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    go_on: Arc<Semaphore>,
}

impl Small {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, metrics) = (listener.local_addr().unwrap(), Arc::new(Metrics::new()));
        let rejections = Arc::new(Rejections::new(Arc::clone(&metrics), Clock::system()));
        let serving = Serving {
            listener: "small",
            path: "small",
            max_head_bytes: 1024,
            proxies: Proxies::default(),
            proxy_protocol: false,
            probes: &["/livez"],
            rejections,
            metrics: Arc::clone(&metrics),
        };
        let settings = connections::Settings {
            workers: 1,
            max_connections: 4,
            max_strangers: 2,
            head_memory_bytes: 1 << 20,
            shutdown_grace: Duration::from_secs(1),
            answers_half_closed: true,
        };
        let go_on = Arc::new(Semaphore::new(0));
        let waits = web::Data::from(Arc::clone(&go_on));
        let server = connections::serve(listener, settings, serving, move || {
            App::new()
                .app_data(waits.clone())
                .route("/livez", web::get().to(async || HttpResponse::Ok().finish()))
                .route("/wait", web::get().to(wait))
                .route("/prove", web::get().to(prove))
        });
        start(server.unwrap());
        Self { address, metrics, go_on }
    }

    fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics.render(Timestamp::UNIX_EPOCH);
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    async fn get(&self, path: &str) -> TcpStream {
        raw::write(self.address, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await
    }
}

async fn wait(go_on: web::Data<Semaphore>) -> HttpResponse {
    go_on.acquire().await.unwrap().forget();
    HttpResponse::Ok().finish()
}

async fn prove(request: HttpRequest) -> HttpResponse {
    connections::prove(&request);
    HttpResponse::Ok().finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_of_verified_senders_leave_a_quarter_of_the_places_to_others() {
    let small = Small::start();
    let mut verified = Vec::new();
    for _ in 0..4 {
        verified.push(small.get("/prove").await);
        read_answer(verified.last_mut().unwrap()).await;
    }
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(small.get("/livez").await);
        read_answer(others.last_mut().unwrap()).await;
    }
    assert_eq!(raw::read_to_end(&mut verified.remove(0)).await, "");
    for mut verified in verified {
        verified.write_all(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(read_answer(&mut verified).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_whether_the_server_lives_is_answered_though_every_place_has_a_request_at_work() {
    let small = Small::start();
    let mut waiting = Vec::new();
    for n in 1..=4 {
        waiting.push(small.get("/wait").await);
        let series = "reelhook_connections{listener=\"small\",state=\"answering\"}";
        eventually("it is at work", async || small.metric(series) == Some(f64::from(n))).await;
    }
    let answer = raw::read_to_end(&mut small.get("/wait").await).await;
    assert_eq!(raw::only_status(&answer), 503, "{answer}");
    assert!(answer.contains("retry-after: 10"), "{answer}");
    let mut half_heads = Vec::new();
    for _ in 0..20 {
        half_heads.push(raw::write(small.address, HALF_A_HEAD).await);
        assert!(read_answer(&mut small.get("/livez").await).await.starts_with("HTTP/1.1 200 "));
    }
    small.go_on.add_permits(4);
    for mut waiting in waiting {
        assert!(read_answer(&mut waiting).await.starts_with("HTTP/1.1 200 "), "none of them gave way");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_have_their_own_bound_below_that_of_all() {
    let small = Small::start();
    let mut first = small.get("/livez").await;
    read_answer(&mut first).await;
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(small.get("/livez").await);
        read_answer(others.last_mut().unwrap()).await;
    }
    assert_eq!(raw::read_to_end(&mut first).await, "");
    assert_eq!(small.metric("reelhook_connections_closed_total{listener=\"small\",reason=\"gave_way\"}"), Some(1.0));
}
