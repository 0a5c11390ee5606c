//! Bodies that never come to their end, at every path that there is (threat 28): strangers hold no place for long.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::AsyncReadExt;

use super::raw::{self, still_serves};
use crate::api::operations::ask;
use crate::test_app::{Settings, TestApp};

/// How long a body may take in these tests.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an answer may take beyond that: the machine may be busy.
const SLACK: Duration = Duration::from_secs(10);

/// A path of a listener.
#[derive(Debug)]
struct Door {
    address: SocketAddr,
    method: String,
    path: String,
    media_type: &'static str,
    /// Whether its handler reads a body.
    reads: bool,
    /// More lines of the head: where the sender is proven by it, a stranger's body is not read.
    more: String,
}

impl Door {
    fn new(address: SocketAddr, (method, path): (&str, &str), (media_type, reads): (&'static str, bool)) -> Self {
        Self { address, method: method.to_owned(), path: path.to_owned(), media_type, reads, more: String::new() }
    }

    /// Sends half a body, and reads until the connection is closed or a stream of events begins.
    async fn answer_to_half_a_body(&self) -> (String, Duration) {
        let began = Instant::now();
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {}\r\n{}content-length: 100\r\n\r\n",
            self.method, self.path, self.media_type, self.more
        );
        let mut stream = raw::write(self.address, head + &" ".repeat(50)).await;
        let mut answer = String::new();
        let mut chunk = [0; 4096];
        let reading = async {
            while let Ok(n @ 1..) = stream.read(&mut chunk).await {
                answer.push_str(&String::from_utf8_lossy(&chunk[..n]));
                if answer.contains("text/event-stream") {
                    return;
                }
            }
        };
        let ended = tokio::time::timeout(BODY_TIMEOUT + SLACK, reading).await;
        assert!(ended.is_ok(), "{self:?}: the connection stays open: {answer}");
        (answer, began.elapsed())
    }
}

/// The routes of the console, as its sources name them.
fn console_routes() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console");
    let mut routes = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let text = fs::read_to_string(&entry).unwrap();
        for route in text.split(".route(\"").skip(1) {
            let (path, rest) = route.split_once('"').unwrap();
            let method = rest.split_once("web::").unwrap().1.split_once('(').unwrap().0;
            let parts = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            routes.push((method.to_uppercase(), parts.collect::<Vec<_>>().join("/")));
        }
    }
    routes
}

/// Every path of both listeners.
async fn doors(app: &TestApp) -> Vec<Door> {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    let graphs = ["/graph/calls", "/graph/notifications", "/graph/lifecycle"];
    let mut doors: Vec<Door> = graphs.map(|path| Door::new(app.public, ("POST", path), (JSON, true))).into();
    doors[0].more = format!("authorization: Bearer {}\r\n", app.graph.calls_token().unwrap());
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json", "/nowhere"] {
        doors.push(Door::new(app.admin, ("GET", path), (JSON, false)));
    }
    let document = ask(app, ("GET", "/openapi.json"), &[], None).await.body;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let named = path.replace("{id}", "x").replace("{callId}", "x").replace("{name}", "x");
            let reads = described.get("requestBody").is_some();
            doors.push(Door::new(app.admin, (&method.to_uppercase(), &named), (JSON, reads)));
        }
    }
    for (method, path) in console_routes() {
        doors.push(Door::new(app.admin, (&method, &path), (FORM, method == "POST")));
    }
    doors
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_28_half_a_body_holds_a_connection_for_no_longer_than_its_time_whatever_the_path() {
    let timeout = "body_timeout = \"1s\"".to_owned();
    let app = TestApp::start_with(Settings { server: timeout.clone(), admin: timeout, ..Settings::default() }).await;
    let doors = doors(&app).await;
    let n_reading = |on: &str| doors.iter().filter(|door| door.reads && door.path.starts_with(on)).count();
    assert!(n_reading("/graph/") == 3 && n_reading("/v1.0/") >= 4 && n_reading("/sinks/") >= 5, "{doors:#?}");
    assert!(n_reading("/login") == 1 && n_reading("/logout") == 1, "{doors:#?}");
    for (door, (answer, took)) in doors.iter().zip(join_all(doors.iter().map(Door::answer_to_half_a_body)).await) {
        let status = raw::only_status(&answer);
        if door.reads {
            assert_eq!(status, 408, "{door:?}: {answer}");
            assert!(took >= BODY_TIMEOUT, "{door:?}: {took:?}");
        } else {
            assert_ne!(status, 408, "{door:?}: {answer}");
        }
    }
    still_serves(&app).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_the_login_leave_the_memory_of_the_others_alone() {
    let admin = "max_inflight = \"64KiB\"\nbody_timeout = \"60s\"".to_owned();
    let app = TestApp::start_with(Settings { admin, ..Settings::default() }).await;
    let half = "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
                content-length: 8000\r\n\r\n";
    let mut strangers = Vec::new();
    for _ in 0..9 {
        strangers.push(raw::write(app.admin, half.to_owned() + &"a".repeat(7_999)).await);
    }
    let shed = async || app.rejected("admin", "shed").await > 0.0;
    crate::process::eventually("logins are shed", shed).await;
    let announced = crate::api::operations::announce(&app, serde_json::json!({ "clientContext": "x" })).await;
    assert_eq!(announced.status, 201, "{announced:?}");
    drop(strangers);
    app.stop().await;
}
