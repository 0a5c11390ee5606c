//! What comes again and again is one line a second in the log, with a count of the others.

use std::time::Instant;

use futures_util::future::join_all;
use reelhook::simulator::payload::{Recording, Seed};
use serde_json::Value;

use super::PATIENCE;
use super::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_a_full_disk_is_a_line_a_second_of_each_kind_and_every_line_is_counted() {
    const N_CLIENTS: usize = 30;
    const N_POSTS: usize = 100;
    let site = Site::new();
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), config.replace("disk_reserve = \"1MiB\"", "disk_reserve = \"1TiB\"")).unwrap();
    let mut server = site.serve();
    let (graph, began) = (site.graph(&server), Instant::now());
    let client = async |n: usize| {
        let mut seed = Seed::new(n as u64);
        for _ in 0..N_POSTS {
            let completed = Recording::new(&mut seed).client_context("flood").completed();
            assert_eq!(graph.send(graph.calls(&[completed]).unwrap()).await.unwrap().status, 503);
        }
    };
    join_all((0..N_CLIENTS).map(client)).await;
    let most_lines = began.elapsed().as_secs() as usize + 2;
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let lines: Vec<Value> = std::iter::from_fn(|| server.log.recv_timeout(PATIENCE).ok())
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect();
    for message in ["answered 503", "refused"] {
        let of_kind = lines.iter().filter(|line| line["message"] == message || line["of"] == message);
        let (written, summed): (Vec<&Value>, Vec<&Value>) = of_kind.partition(|line| line["message"] == message);
        assert!((1..=most_lines).contains(&written.len()), "{message}: {} lines", written.len());
        let left_out = written.iter().chain(&summed).filter_map(|line| line["n_suppressed"].as_u64());
        let n_all = left_out.sum::<u64>() as usize + written.len();
        assert_eq!(n_all, N_CLIENTS * N_POSTS, "{message}: {lines:#?}");
    }
}
