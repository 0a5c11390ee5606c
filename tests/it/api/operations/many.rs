//! Ten thousand clients that wait cost memory only, and little of it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::ALL;
use super::waiting::{answer, waiting};
use crate::process::site::Site;

/// As many as there are to be, where the system allows so many open files.
const MOST: u64 = 10_000;
/// What one costs at most: its connection's buffers and its future, in a build without optimisation.
const MAX_BYTES_EACH: u64 = 48 << 10;

/// How many clients the system has room for, here and in the server, beside what else they have open.
fn n_clients() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let limit = if raised.is_ok() { limit.maximum } else { limit.current }.unwrap_or(u64::MAX);
    MOST.min(limit.saturating_sub(5_000).max(limit / 2 - limit / 10))
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_clients_wait_and_are_all_answered() {
    let n = n_clients();
    let mut site = Site::new();
    let server = site.serve();
    let announced = reqwest::Client::new().post(server.admin_url(ALL)).header("content-type", "application/json");
    let announced = announced.body(r#"{"clientContext":"awaited by many"}"#).send().await.unwrap();
    let announced: serde_json::Value = serde_json::from_str(&announced.text().await.unwrap()).unwrap();
    let path = format!("{ALL}/{}", announced["id"].as_str().unwrap());

    let before = server.most_memory_bytes();
    let clients: Vec<_> = (0..n).map(|_| waiting(server.admin, &path)).collect();
    let alive = reqwest::get(server.admin_url("/livez")).await.unwrap();
    assert_eq!(alive.status().as_u16(), 200, "others are served meanwhile");
    for client in clients.iter().step_by(100) {
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.peek(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody is answered yet");
        client.set_nonblocking(false).unwrap();
    }
    assert_eq!(site.post(&server, "awaited by many").await.status, 202);
    for client in clients {
        let answer = answer(client);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""status":"completed""#), "{answer}");
    }
    let each = (server.most_memory_bytes() - before) / n;
    println!("{n} clients cost {each} bytes each");
    assert!(each <= MAX_BYTES_EACH, "{n} clients cost {each} bytes each");
}
