//! Receivers that lose some of what they accepted: each is accused of that, and of nothing else.

use reelhook::simulator::conformance::{Channel, Grade, Outcome, Setting, Verdict, grade};
use reelhook::simulator::{Client, Graph};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::innocent::graph_of;
use super::receiver::{Running, start};

async fn graded(running: &Running, channel: Channel) -> Grade {
    let mut setting = Setting::new(channel, 1);
    setting.observer = Some(running.observer());
    grade(&running.graph, &mut setting, |_| {}).await.unwrap()
}

fn outcome<'a>(grade: &'a Grade, name: &str) -> &'a Outcome {
    &grade.verdicts.iter().find(|verdict| verdict.name == name).unwrap().outcome
}

fn failed(grade: &Grade) -> Vec<&'static str> {
    grade.verdicts.iter().filter(|verdict| verdict.has_failed()).map(|verdict| verdict.name).collect()
}

/// That nothing is delivered, and what follows from that, is not said.
fn assert_no_talk_of_nothing(grade: &Grade) {
    let said = format!("{} {:?} {:#}", grade.reason(), grade.hints, grade.json()["checks"]);
    for untrue in ["delivers nothing", "nothing was delivered", "names?", "clientState?", "another clientState?"] {
        assert!(!said.contains(untrue), "{untrue}: {said}");
    }
}

#[tokio::test]
async fn the_loss_of_one_notification_is_seen_whichever_it_is() {
    for (fault, channel) in [
        ("loses item 1", Channel::Calls),
        ("loses item 2", Channel::Calls),
        ("loses item 3", Channel::Calls),
        ("loses item 5", Channel::Calls),
        ("loses item 1", Channel::Subscriptions),
        ("loses item 2", Channel::Subscriptions),
        ("loses item 3", Channel::Subscriptions),
        ("loses item 6", Channel::Subscriptions),
    ] {
        let grade = graded(&start(fault), channel).await;
        let found = failed(&grade);
        assert_eq!(found.len(), 1, "{fault}: {found:?}");
        assert_eq!((grade.letter(), &*grade.reason()), ('C', "one must failed"), "{fault}: {found:?}");
        assert_no_talk_of_nothing(&grade);
    }
}

#[tokio::test]
async fn a_loss_names_how_many_of_how_many_and_which() {
    let grade = graded(&start("loses item 1"), Channel::Calls).await;
    let Outcome::Fail(found) = outcome(&grade, "calls-delivers-all-that-was-accepted") else {
        panic!("{:?}", failed(&grade))
    };
    assert!(found.starts_with("1 of ") && found.contains(" answered 2xx were not delivered within "), "{found}");
    assert!(found.contains("calls-accepts-a-genuine-token ("), "{found}");
    let of_loss = |hint: &&String| hint.ends_with(": the receiver loses some");
    let hint = grade.hints.iter().find(of_loss).unwrap();
    assert!(hint.starts_with("1 of ") && hint.contains(" genuine notifications that were answered 2xx were"), "{hint}");
}

#[tokio::test]
async fn who_loses_some_is_not_said_to_deliver_nothing_nor_praised_for_what_is_missing() {
    for fault in ["loses each item of 2", "loses each item of 3"] {
        let grade = graded(&start(fault), Channel::Both).await;
        assert_no_talk_of_nothing(&grade);
        assert!(('C'..='F').contains(&grade.letter()), "{fault}: {}", grade.reason());
        assert!(grade.hints.iter().any(|hint| hint.ends_with(": the receiver loses some")), "{:?}", grade.hints);
        // Each of these has several items in a row: one of them at least is lost.
        for name in
            ["calls-accepts-every-dialect", "calls-accepts-several-items", "notifications-accepts-every-dialect"]
        {
            assert!(matches!(outcome(&grade, name), Outcome::Fail(_)), "{fault}: {name}: {:?}", outcome(&grade, name));
        }
        let unmade = |verdict: &&Verdict| verdict.follows() && verdict.name.starts_with("encrypted-refuses");
        assert_eq!(grade.verdicts.iter().filter(unmade).count(), 0, "{fault}: forged content is judged");
    }
}

#[tokio::test]
async fn where_nothing_is_delivered_no_check_is_praised_for_deliveries() {
    let grade = graded(&start("calls-delivers-recordings"), Channel::Calls).await;
    let cause = "calls-delivers-recordings";
    for name in ["calls-accepts-every-dialect", "calls-accepts-repeats", "calls-delivers-all-that-was-accepted"] {
        assert_eq!(outcome(&grade, name), &Outcome::Follows(cause), "{name}");
    }
    assert_eq!(&*grade.reason(), "calls-delivers-recordings failed: the calls channel delivers nothing");
}

#[tokio::test]
async fn a_missing_item_is_named_beside_its_dialect() {
    let grade = graded(&start("loses item 5"), Channel::Calls).await;
    let Outcome::Fail(found) = outcome(&grade, "calls-accepts-every-dialect") else { panic!("{:?}", failed(&grade)) };
    assert!(found.contains("answered 2xx, but the failed recording was not delivered"), "{found}");
}

/// Passes so many connections on to a receiver, and then takes none any more.
async fn passes(listener: TcpListener, to: std::net::SocketAddr, n: usize) -> std::io::Result<()> {
    let mut listener = Some(listener);
    for nth in 1..=n {
        let Some(open) = &listener else { break };
        let (mut from, _) = open.accept().await?;
        if nth == n {
            listener = None;
        }
        let mut to = TcpStream::connect(to).await?;
        // One that ends badly is no matter of the test.
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    }
    Ok(())
}

/// The grade by a receiver that is gone after so many connections.
async fn dies_after(n: usize) -> Grade {
    let running = start("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut servers = JoinSet::new();
    servers.spawn(passes(listener, running.address, n));
    let mut setting = Setting::new(Channel::Calls, 1);
    setting.observer = Some(running.observer());
    grade(&Graph { client, ..graph_of(&running) }, &mut setting, |_| {}).await.unwrap()
}

#[tokio::test]
async fn no_check_is_accused_for_the_death_of_the_receiver() {
    for n in [1, 2, 5, 12, 29] {
        let grade = dies_after(n).await;
        assert_eq!(failed(&grade), [""; 0], "{n}: {:#}", grade.json());
        assert!(grade.reason().starts_with("the receiver is gone since calls-"), "{n}: {}", grade.reason());
        assert_eq!((grade.letter(), grade.is_conformant()), ('F', false));
        let since = grade.reason().split([' ', ':']).nth(5).map(str::to_owned).unwrap();
        assert_eq!(outcome(&grade, &since), &Outcome::Skip(grade.reason()), "{n}");
    }
}
