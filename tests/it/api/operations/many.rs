//! Ten thousand clients that wait cost memory only, and little of it.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::process::site::Site;

/// As many as the issue asks for, where the system allows so many open files.
const MOST: u64 = 10_000;
/// What one costs at most: its connection's buffers and its future, in a build without optimisation.
const MAX_BYTES_EACH: u64 = 48 << 10;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_clients_wait_and_are_all_answered() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX);
    // Others of these tests run in the same process.
    let n = MOST.min(limit / 2 - limit / 10);
    let mut site = Site::new();
    let server = site.serve();
    let client = reqwest::Client::new();
    let announced = client
        .post(server.admin_url("/v1.0/communications/recordOperations"))
        .header("content-type", "application/json")
        .body(r#"{"clientContext":"awaited by many"}"#);
    let announced = announced.send().await.unwrap().text().await.unwrap();
    let announced: serde_json::Value = serde_json::from_str(&announced).unwrap();
    let id = announced["id"].as_str().unwrap().to_owned();
    let before = server.most_memory_bytes();
    let request = format!(
        "GET /v1.0/communications/recordOperations/{id}?waitFor=terminal&timeout=PT10M HTTP/1.1\r\nhost: localhost\r\n\
         connection: close\r\n\r\n"
    );
    let mut waiting: Vec<TcpStream> = (0..n)
        .map(|_| {
            let mut stream = TcpStream::connect(server.admin).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    let alive = reqwest::get(server.admin_url("/livez")).await.unwrap();
    assert_eq!(alive.status().as_u16(), 200, "others are served meanwhile");
    for stream in waiting.iter().step_by(100) {
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody is answered yet");
        stream.set_nonblocking(false).unwrap();
    }
    assert_eq!(site.post(&server, "awaited by many").await.status, 202);
    for stream in &mut waiting {
        stream.set_read_timeout(Some(crate::process::PATIENCE)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""status":"completed""#), "{answer}");
    }
    let each = (server.most_memory_bytes() - before) / n;
    assert!(each <= MAX_BYTES_EACH, "{n} clients cost {each} bytes each");
}
