//! Connections that are held for nothing, and what is refused before there is a request (threats 28, 29 and 50).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::raw::{self, refusals, refused_once, still_serves};
use crate::test_app::{Settings, TestApp};

/// How long a head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long who takes no answers is waited for.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A good request on the public listener, and its answer's last bytes.
const HANDSHAKE: (&str, &str) =
    ("POST /graph/lifecycle?validationToken=it HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "\r\n\r\nit");
/// The same on the admin listener.
const LIVEZ: (&str, &str) = ("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n", "\r\n\r\nok\n");

/// A request that is answered at once, as often as one likes.
const NOWHERE: &str = "GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n";

/// A connection that was asked something and got its answer.
async fn used(address: SocketAddr, exchange: (&str, &str)) -> TcpStream {
    let mut stream = raw::write(address, "").await;
    ask(&mut stream, exchange).await;
    stream
}

/// Asks, and reads the answer.
async fn ask(stream: &mut TcpStream, (request, end): (&str, &str)) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with(end) {
        answer.push(stream.read_u8().await.unwrap().into());
    }
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_half_a_head_on_a_connection_that_was_used_is_given_up_in_time_and_counted_once() {
    let app = TestApp::start().await;
    for (address, exchange, path) in [(app.public, HANDSHAKE, "other"), (app.admin, LIVEZ, "admin")] {
        let before = refusals(&app, path, "body_timeout").await;
        let mut stream = used(address, exchange).await;
        let began = Instant::now();
        stream.write_all(b"POST /graph/calls HTTP/1.1\r\nhost:").await.unwrap();
        let answer = raw::read_to_end(&mut stream).await;
        assert_eq!(raw::only_status(&answer), 408, "{path}: {answer}");
        assert!(began.elapsed() < HEAD_TIMEOUT * 2, "{path}: {:?}", began.elapsed());
        refused_once(&app, (path, "body_timeout"), before, path).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_a_head_that_comes_byte_by_byte_gets_no_more_time_for_it() {
    let app = TestApp::start().await;
    let before = refusals(&app, "other", "body_timeout").await;
    let (mut answer, mut drops) = used(app.public, HANDSHAKE).await.into_split();
    let began = Instant::now();
    let dripping = async {
        let mut often = tokio::time::interval(Duration::from_millis(200));
        while drops.write_all(b"a").await.is_ok() {
            often.tick().await;
        }
    };
    let mut status = [0; 12];
    tokio::select! {
        read = answer.read_exact(&mut status) => { read.unwrap(); }
        () = dripping => panic!("it was cut off without an answer"),
        () = tokio::time::sleep(HEAD_TIMEOUT * 4) => panic!("its place is held for good"),
    }
    assert_eq!(std::str::from_utf8(&status).unwrap(), "HTTP/1.1 408");
    assert!(began.elapsed() < HEAD_TIMEOUT * 2, "{:?}", began.elapsed());
    refused_once(&app, ("other", "body_timeout"), before, "drops").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_a_connection_that_says_nothing_is_closed_and_is_no_refusal() {
    let app = TestApp::start().await;
    let before = app.rejected_in_all().await;
    assert_eq!(raw::answer(app.public, "").await, "");
    assert_eq!(app.rejected_in_all().await, before);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_and_a_body_may_take_longer_than_a_head() {
    let settings = Settings { server: "body_timeout = \"60s\"".into(), ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    let (mut resting, mut sending) = (used(app.public, HANDSHAKE).await, used(app.public, HANDSHAKE).await);
    let head =
        "POST /graph/notifications HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n";
    sending.write_all(format!("{head}connection: close\r\n\r\n{{").as_bytes()).await.unwrap();
    tokio::time::sleep(HEAD_TIMEOUT * 2).await;
    ask(&mut resting, HANDSHAKE).await;
    sending.write_all(b"}").await.unwrap();
    let answer = raw::read_to_end(&mut sending).await;
    assert_eq!((raw::only_status(&answer), raw::body(&answer)), (400, "bad request\n"), "it was read to its end");
    assert_eq!(app.rejected("notifications", "shape").await, 1.0, "{}", app.metrics().await);
    app.stop().await;
}

/// A connection whose buffers on this side are small.
async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.set_send_buffer_size(64 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_answers_late_gets_them_all_without_delay() {
    /// More answers than the system's buffers on both sides hold, and more to read than is read at once.
    const N_REQUESTS: usize = 1_000;
    let request = NOWHERE.replace("host: a", &format!("host: a\r\nx-padding: {}", "a".repeat(400)));
    let app = TestApp::start().await;
    let (answers, mut requests) = narrow(app.public).await.into_split();
    let asking = async { requests.write_all(request.repeat(N_REQUESTS).as_bytes()).await.unwrap() };
    let taking = async {
        // Until nothing more fits between the two.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        let (mut lines, mut n_answers) = (BufReader::new(answers).lines(), 0);
        while n_answers < N_REQUESTS {
            let line = lines.next_line().await.unwrap().expect("it is cut off");
            n_answers += usize::from(line.starts_with("HTTP/1.1 404 "));
        }
        began.elapsed()
    };
    let (_, took) = tokio::join!(asking, taking);
    assert!(took < STALL_TIMEOUT * 3 / 5, "it went on when something else happened: {took:?}");
    assert_eq!(app.rejected("other", "bad_request").await, N_REQUESTS as f64);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_who_takes_no_answers_is_not_read_from_and_given_up() {
    /// More than all buffers on both sides hold.
    const FAR_TOO_MUCH: usize = 1 << 20;
    // All but the first one are answered without a body, which is where the web server knows no bound of its own.
    let settings = Settings { server: "handshakes_per_minute = 1".into(), ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    for (what, request) in [("with bodies", NOWHERE), ("without bodies", HANDSHAKE.0)] {
        let mut stream = narrow(app.public).await;
        let requests = request.repeat(500);
        let mut n_bytes = 0;
        let sending = async {
            while n_bytes < FAR_TOO_MUCH && stream.write_all(requests.as_bytes()).await.is_ok() {
                n_bytes += requests.len();
            }
        };
        assert!(tokio::time::timeout(STALL_TIMEOUT * 4, sending).await.is_ok(), "{what}: it holds its place for good");
        assert!(n_bytes < FAR_TOO_MUCH, "{what}: it is read and answered on and on");
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_29_what_is_no_request_is_counted_once_wherever_it_comes() {
    let app = TestApp::start().await;
    let broken = "POST /graph/calls HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\n";
    for (what, address, request, path, statuses) in [
        ("alone", app.public, broken.to_owned(), "other", vec!["400"]),
        ("after a request", app.public, HANDSHAKE.0.to_owned() + broken, "other", vec!["200", "400"]),
        ("on the admin listener", app.admin, LIVEZ.0.to_owned() + broken, "admin", vec!["200", "400"]),
        ("too large", app.admin, format!("GET /{}", "a".repeat(131_072 - 5)), "admin", vec!["431"]),
    ] {
        let before = refusals(&app, path, "bad_request").await;
        let answer = raw::answer(address, request).await;
        let answered: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect();
        assert_eq!(answered, statuses, "{what}: {answer}");
        refused_once(&app, (path, "bad_request"), before, what).await;
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_closes_connections_at_rest_and_those_amid_a_head_at_once() {
    let settings = Settings { server: "shutdown_grace = \"25s\"".into(), ..Settings::default() };
    let app = TestApp::start_with(settings).await;
    let (mut resting, mut amid) = (used(app.public, HANDSHAKE).await, used(app.public, HANDSHAKE).await);
    amid.write_all(b"POST /graph").await.unwrap();
    let began = Instant::now();
    app.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(raw::read_to_end(&mut resting).await, "");
    assert_eq!(raw::read_to_end(&mut amid).await, "");
}
