//! What `--restart-command` shows, and what it does not.

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpServer};
use reelhook::simulator::conformance::{Channel, Grade, Outcome, Setting, grade};
use reelhook::simulator::{Client, Graph};
use tokio::task::JoinSet;

use super::innocent::{Front, pass};
use super::receiver::{Running, start};

async fn graded(graph: &Graph, running: &Running, command: String) -> Grade {
    let mut setting = Setting::new(Channel::Calls, 1);
    (setting.observer, setting.restart_command) = (Some(running.observer()), Some(command));
    // The command ends when the receiver is back.
    setting.patience.to_come_back = std::time::Duration::ZERO;
    grade(graph, &mut setting, |_| {}).await.unwrap()
}

fn durability(grade: &Grade) -> &Outcome {
    &grade.verdicts.iter().find(|verdict| verdict.name == "survives-a-crash").unwrap().outcome
}

fn is_unseen(grade: &Grade) -> bool {
    let is_named = |texts: &[String], what: &str| texts.iter().any(|text| text.contains(what));
    let is_hinted = is_named(&grade.hints, "did not restart the receiver") && is_named(&grade.hints, "a proxy");
    is_named(&grade.not_seen, "survives a crash") && is_hinted
}

#[tokio::test]
async fn a_command_that_restarts_nothing_shows_nothing() {
    // Also not that the receiver loses what it had in memory.
    for fault in ["", "survives-a-crash"] {
        let running = start(fault);
        let grade = graded(&running.graph, &running, "true".into()).await;
        let Outcome::Skip(why) = durability(&grade) else { panic!("{fault}: {:#}", grade.json()) };
        assert!(why.starts_with("the receiver was not restarted: the connection "), "{why}");
        assert!(is_unseen(&grade), "{:?} {:?}", grade.not_seen, grade.hints);
        assert_eq!((grade.letter(), grade.is_conformant()), ('A', true), "{}", grade.reason());
    }
}

#[tokio::test]
async fn a_command_that_restarts_the_receiver_shows_what_it_keeps() {
    let running = start("");
    let grade = graded(&running.graph, &running, running.restart_command()).await;
    assert_eq!(durability(&grade), &Outcome::Pass);
    assert!(grade.not_seen.iter().any(|text| text.contains("stopped in order")), "{:?}", grade.not_seen);
    assert!(grade.hints.is_empty(), "{:?}", grade.hints);
    let running = start("survives-a-crash");
    let grade = graded(&running.graph, &running, running.restart_command()).await;
    let lost = Outcome::Fail("1 of 20 notifications that were answered 2xx are lost".into());
    assert_eq!(durability(&grade), &lost);
}

#[tokio::test]
async fn behind_a_proxy_that_keeps_the_connection_a_restart_is_not_seen() {
    let running = start("");
    let front = Data::new(Front {
        to: running.graph.client.clone(),
        change: |_: &HttpRequest, status, body: Bytes| super::innocent::answered(status).body(body),
    });
    let app = move || App::new().app_data(front.clone()).default_service(web::to(pass));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", server.addrs()[0])).unwrap();
    let mut servers = JoinSet::new();
    servers.spawn(server.run());
    let graph = Graph { client, ..super::innocent::graph_of(&running) };
    let grade = graded(&graph, &running, running.restart_command()).await;
    assert!(matches!(durability(&grade), Outcome::Skip(_)) && is_unseen(&grade), "{:#}", grade.json());
}

#[tokio::test]
async fn a_command_that_fails_is_told() {
    let running = start("");
    let grade = graded(&running.graph, &running, "false".into()).await;
    let failed = Outcome::Skip("the restart command failed: exit status: 1".into());
    assert_eq!(durability(&grade), &failed);
    assert!(grade.not_seen.iter().any(|text| text.contains("survives a crash")), "{:?}", grade.not_seen);
    assert!(grade.hints.iter().any(|hint| hint.contains("--restart-command")), "{:?}", grade.hints);
}

#[tokio::test]
async fn a_receiver_that_does_not_come_back_is_told() {
    let running = start("");
    let grade = graded(&running.graph, &running, running.kill_command()).await;
    let Outcome::Skip(why) = durability(&grade) else { panic!("{:#}", grade.json()) };
    assert!(why.starts_with("the receiver did not come back: cannot connect to 127.79.0.1:"), "{why}");
    assert!(grade.reason().starts_with("the receiver is gone: it did not come back after "), "{}", grade.reason());
    assert_eq!((grade.letter(), grade.is_conformant()), ('F', false));
    assert!(grade.hints.iter().any(|hint| hint.contains("--restart-command")), "{:?}", grade.hints);
}
