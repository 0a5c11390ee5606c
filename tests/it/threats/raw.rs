//! Bytes on a socket, where an HTTP client would refuse to send what an attacker sends.

use std::net::SocketAddr;
use std::time::Duration;

use reelhook::simulator::payload::{Recording, Seed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::test_app::TestApp;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a connection and writes.
pub async fn write(address: SocketAddr, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The far side may hang up while it is still being written to.
    let _ = stream.write_all(bytes.as_ref()).await;
    stream
}

/// Everything that comes until the far side hangs up.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, async {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..n]);
        }
    });
    assert!(ended.await.is_ok(), "the connection stays open: {:?}", String::from_utf8_lossy(&bytes));
    String::from_utf8(bytes).unwrap()
}

/// Everything that is answered until the far side hangs up, which it must by itself.
pub async fn answer(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    read_to_end(&mut write(address, bytes).await).await
}

/// The status of the one answer in a text; panics where there is none, or a second one.
pub fn only_status(answer: &str) -> u16 {
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer:?}");
    answer[9..12].parse().unwrap()
}

/// The body of an answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

/// A good notification still gets through: it is answered 202 and delivered.
pub async fn still_serves(app: &TestApp) {
    let n = app.first.delivered().len();
    let fence = format!("fence-{n}");
    let recording = Recording::new(&mut Seed::new(1_000 + n as u64)).client_context(&*fence);
    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    app.first.wait_for(n + 1).await;
    assert_eq!(app.delivered_contexts().last(), Some(&fence));
}

/// What was refused so far on a path for a reason, and in all.
pub async fn refusals(app: &TestApp, path: &str, reason: &str) -> (f64, f64) {
    (app.rejected(path, reason).await, app.rejected_in_all().await)
}

/// Since then one thing was refused, on this path for this reason, and nothing else.
pub async fn refused_once(app: &TestApp, (path, reason): (&str, &str), before: (f64, f64), what: &str) {
    let after = refusals(app, path, reason).await;
    assert_eq!(after, (before.0 + 1.0, before.1 + 1.0), "{what}: {}", app.metrics().await);
}
