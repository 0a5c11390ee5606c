//! A load balancer that speaks no HTTP: what it says by the PROXY protocol, and what is said by others (threat 48).

use std::net::Ipv4Addr;

use super::raw;
use crate::process::eventually;
use crate::test_app::{Settings, TestApp};

const HANDSHAKE: &str = "POST /graph/lifecycle?validationToken=it HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\
                         connection: close\r\n\r\n";

/// What a proxy sends first for a sender at `source`.
fn header(source: Ipv4Addr) -> Vec<u8> {
    let addresses = [source.octets(), [10, 0, 0, 1]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", addresses.as_slice(), &[0x12, 0x67, 0x1f, 0x90]].concat()
}

async fn app(trusted: &str) -> TestApp {
    let server = format!("trusted_proxies = [\"{trusted}\"]\nproxy_protocol = true\nhandshakes_per_minute = 3");
    TestApp::start_with(Settings { server, ..Settings::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_48_the_source_is_whom_the_load_balancer_names() {
    let app = app("127.0.0.0/8").await;
    let shake = async |source: [u8; 4]| {
        let request = [header(source.into()).as_slice(), HANDSHAKE.as_bytes()].concat();
        raw::only_status(&raw::answer(app.public, request).await)
    };
    for expected in [200, 200, 200, 429] {
        assert_eq!(shake([192, 0, 2, 1]).await, expected);
    }
    assert_eq!(shake([192, 0, 2, 2]).await, 200, "another source was not counted");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_the_protocol_and_one_of_a_stranger_are_closed_unanswered_and_counted() {
    let good = [header(Ipv4Addr::new(192, 0, 2, 1)).as_slice(), HANDSHAKE.as_bytes()].concat();
    for (trusted, bytes) in [("127.0.0.0/8", HANDSHAKE.as_bytes()), ("10.0.0.0/8", &good)] {
        let app = app(trusted).await;
        assert_eq!(raw::answer(app.public, bytes).await, "", "{trusted}");
        eventually("it is counted", async || app.rejected("other", "bad_request").await == 1.0).await;
        app.stop().await;
    }
}
