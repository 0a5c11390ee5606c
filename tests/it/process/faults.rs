//! A process that is killed, a store that is held, a disk that fails, a provider that is down.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

use futures_util::future::join_all;
use reelhook::simulator::payload::{Recording, Seed};
use reelhook::simulator::{Identity, Provider};

use super::site::{Said, Site};
use super::{Server, eventually, failing_sync};
use crate::test_app::start;

/// How many attempts are under way at a time where a sink's table says nothing.
const IN_FLIGHT: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_202_before_a_kill_is_delivered_after_the_start() {
    let site = Site::new();
    let gate = site.hold_hook();
    let server = site.serve();
    let (graph, acknowledged) = (site.graph(&server), Mutex::new(BTreeSet::new()));
    let client = async |client: u64| {
        let mut seed = Seed::new(100 + client);
        for number in 0.. {
            let context = format!("{client}-{number}");
            let completed = Recording::new(&mut seed).client_context(&*context).completed();
            match graph.send(graph.calls(&[completed]).unwrap()).await {
                Ok(answer) => assert_eq!(answer.status, 202),
                Err(_) => return,
            }
            acknowledged.lock().unwrap().insert(context);
        }
    };
    let killer = async {
        // Every place at the far side is taken, and far more is acknowledged than that.
        eventually("there is a backlog", async || {
            acknowledged.lock().unwrap().len() >= 100 && site.hook.requests().len() >= IN_FLIGHT
        })
        .await;
        server.kill();
    };
    tokio::join!(join_all((0..4).map(client)), killer);
    assert_eq!(site.hook.requests().len(), IN_FLIGHT, "attempts were under way, and no others made");

    gate.open();
    let server = site.serve();
    let acknowledged = acknowledged.into_inner().unwrap();
    eventually("all of it arrived", async || {
        let arrived = site.arrived();
        acknowledged.iter().all(|context| arrived.contains_key(context))
    })
    .await;
    let arrived = site.arrived();
    let repeated: Vec<_> = arrived.values().filter(|events| events.len() > 1).collect();
    assert!(repeated.len() <= IN_FLIGHT, "{repeated:?}");
    assert!(repeated.iter().all(|events| events.iter().all(|id| *id == events[0])), "{repeated:?}");
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_store_is_refused_and_costs_the_first_nothing() {
    let mut site = Site::new();
    let server = site.serve();
    // The store refuses it, not the listener.
    let mut second = site.command(&["serve"]);
    let second = Said::from(second.env("REELHOOK__ADMIN__LISTEN", "127.0.0.1:0").output().unwrap());
    assert_eq!(second.code, Some(1), "{second:?}");
    let told = format!(
        "reelhook: {}.lock is in use by another reelhook process; stop it first, or give this one a store of its own",
        site.store().display()
    );
    assert!(second.err.contains(&told), "{second:?}");
    assert_eq!(site.post(&server, "first").await.status, 202);
    site.wait_for(&["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_told_with_its_key() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [("REELHOOK__SERVER__LISTEN", "server.listen"), ("REELHOOK__ADMIN__LISTEN", "admin.listen")]
    {
        let said = Said::from(site.command(&["serve"]).env(variable, &address).output().unwrap());
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(&format!("reelhook: {key}: cannot listen on {address}: ")), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_never_answered_2xx_and_ends_the_process_with_74() {
    let mut site = Site::new();
    site.write_for_all("", "concurrency = 1");
    let (library, broken) = (failing_sync(site.folder.path()), site.folder.path().join("broken"));
    let mut server =
        Server::start_with(site.command(&["serve"]).env("LD_PRELOAD", &library).env("FAIL_SYNC_WHILE", &broken));
    assert_eq!(site.post(&server, "before").await.status, 202);
    site.wait_for(&["before"]);

    std::fs::write(&broken, "").unwrap();
    let graph = site.graph(&server);
    let completed = site.recording("unsure").completed();
    if let Ok(answer) = graph.send(graph.calls(std::slice::from_ref(&completed)).unwrap()).await {
        assert!(!answer.is_2xx(), "{answer:?}");
    }
    assert_eq!(server.ended().code(), Some(74));

    // Whether the row is there is not known. Graph comes again, and then it is there once.
    std::fs::remove_file(&broken).unwrap();
    let server = site.serve();
    let graph = site.graph(&server);
    assert_eq!(graph.send(graph.calls(&[completed]).unwrap()).await.unwrap().status, 202);
    assert_eq!(site.post(&server, "after").await.status, 202);
    site.wait_for(&["unsure", "after"]);
    let arrived = site.arrived();
    assert_eq!(arrived["unsure"].len(), 1);
    assert_eq!(arrived["before"].iter().collect::<BTreeSet<_>>().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_while_the_provider_is_down_and_takes_what_comes_once_it_is_up() {
    // An address that no other test listens on.
    let address = TcpListener::bind("127.77.0.1:0").unwrap().local_addr().unwrap();
    let mut site = Site::new();
    let url = format!("http://{address}/v1/.well-known/OpenIdConfiguration");
    let server = Server::start_with(site.command(&["serve"]).env("REELHOOK__CALLS__OPENID_CONFIGURATION", url));
    assert_eq!(reqwest::get(server.admin_url("/readyz")).await.unwrap().status(), 200);
    let answer = site.post(&server, "early").await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);

    let identity: Identity = site.provider.identity().clone();
    let (_provider, up) = Provider::start(address, identity).unwrap();
    start(up);
    let graph = site.graph(&server);
    let completed = site.recording("late").completed();
    eventually("it was accepted", async || {
        let answer = graph.send(graph.calls(std::slice::from_ref(&completed)).unwrap()).await.unwrap();
        assert!([202, 503].contains(&answer.status), "{answer:?}");
        answer.status == 202
    })
    .await;
    site.wait_for(&["late"]);
}
