//! Reloads while notifications come: every one is answered 202, and every one arrives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reelhook::simulator::payload::{Recording, Seed};
use serde_json::Value;

use super::{all_to, file_sink};
use crate::process::eventually;
use crate::test_app::{Settings, TestApp};

const N_RELOADS: usize = 20;
const N_SENDERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_under_load_cost_no_request_and_no_delivery() {
    let app = TestApp::start().await;
    let (stop, n_posted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders = (0..N_SENDERS).map(|sender| {
        let (app, stop, n_posted) = (&app, Arc::clone(&stop), Arc::clone(&n_posted));
        async move {
            let mut seed = Seed::new(1_000 + sender);
            let mut posted = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let context = format!("{sender}-{}", posted.len());
                let item = Recording::new(&mut seed).client_context(&context).completed();
                assert_eq!(app.post_calls(&[item]).await.status, 202);
                posted.insert(context);
                n_posted.fetch_add(1, Ordering::Relaxed);
            }
            posted
        }
    });
    let reloads = async {
        for n in 0..N_RELOADS {
            let before = n_posted.load(Ordering::Relaxed);
            eventually("some come between two reloads", async || n_posted.load(Ordering::Relaxed) >= before + 5).await;
            let third = file_sink(&app, "third", &format!("third-{}.jsonl", n % 3));
            let outcome = app.reload_with(|it| change(it, n, third)).await;
            assert_eq!(outcome.is_err(), n % 5 == 4, "{outcome:?}");
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (posted, ()) = futures_util::future::join(futures_util::future::join_all(senders), reloads).await;
    let posted: BTreeSet<String> = posted.into_iter().flatten().collect();
    eventually("every one arrives", async || delivered(&app).len() >= posted.len()).await;
    assert_eq!(delivered(&app), posted);
    app.stop().await;
}

/// The next config: routes, sinks, keys and limits change; each fifth one is wrong.
fn change(settings: &mut Settings, n: usize, third: String) {
    settings.routes = all_to(["\"first\"", "\"second\"", "\"third\""][n % 3]);
    settings.more = third;
    settings.next_client_state = n.is_multiple_of(2);
    settings.sinks = format!("concurrency = {}", 1 + n % 4);
    settings.server = if n % 5 == 4 { "max_items = 0".into() } else { format!("max_items = {}", 10 + n) };
}

/// The client contexts that arrived anywhere.
fn delivered(app: &TestApp) -> BTreeSet<String> {
    let recorded = app.first.delivered().into_iter().chain(app.second.delivered());
    let recorded = recorded.filter_map(|it| Some(it.event.client_context.as_ref()?.as_str().to_owned()));
    let written = (0..3).flat_map(|n| {
        let text = std::fs::read_to_string(app.folder.path().join(format!("third-{n}.jsonl"))).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or(String::new(), |(whole, _)| whole.to_owned());
        let context = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["data"]["clientContext"].as_str().unwrap().to_owned()
        };
        whole.lines().map(context).collect::<Vec<_>>()
    });
    recorded.chain(written).collect()
}
