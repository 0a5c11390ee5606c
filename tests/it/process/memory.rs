//! What a sink that hangs costs in memory.

use super::site::Site;
use super::wait_until;

/// Attempts at a time where a sink's table says nothing.
const CONCURRENCY: usize = 8;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_hangs_holds_a_bounded_number_of_bytes_however_large_the_events_are() {
    let n_events: usize = std::env::var("REELHOOK_TEST_N_LARGE").map_or(150, |n| n.parse().unwrap());
    let mut site = Site::new();
    let gate = site.hold_hook();
    let server = site.serve();
    let graph = site.graph(&server);
    // Memory that a burst of POSTs takes by itself is no sink's: it is there once there were some.
    let padding = "x".repeat(1_000_000);
    let mut held = Vec::new();
    for n in 0..n_events {
        let item = site.recording(&format!("large-{n}")).completed();
        let padded = item.replacen("\"status\":", &format!("\"padding\":\"{padding}\",\"status\":"), 1);
        assert!(padded.len() > 1_000_000, "{item}");
        assert_eq!(graph.send(graph.calls(&[padded]).unwrap()).await.unwrap().status, 202);
        held.push(server.memory_bytes() >> 20);
    }
    wait_until("as many as may be are under way", || site.hook.requests().len() >= CONCURRENCY - 1);
    let growth = held[n_events - 1].saturating_sub(held[20]);
    println!("MiB held after each event: {held:?}");
    assert!(growth < 40, "{growth} MiB more for {} events of 1 MB: {held:?}", n_events - 20);
    gate.open();
    wait_until("all arrived", || site.arrived().len() == n_events);
}
