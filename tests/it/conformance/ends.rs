//! Receivers that hang, are slow, or were told apart wrongly: each is said to be what it is.

use std::time::Duration;

use reelhook::simulator::conformance::{Channel, Grade, Outcome, Patience, Setting, grade};
use reelhook::simulator::{Certificate, Client, Graph};

use super::innocent::graph_of;
use super::receiver::start;

async fn graded(graph: &Graph, patience: Patience) -> Grade {
    let mut setting = Setting::new(Channel::Both, 1);
    setting.patience = patience;
    grade(graph, &mut setting, |_| {}).await.unwrap()
}

#[tokio::test]
async fn who_answers_everything_late_is_slow_and_does_not_hang() {
    let patience = Patience { in_time: Duration::ZERO, in_all: Duration::from_nanos(1), ..Patience::default() };
    let grade = graded(&start("").graph, patience).await;
    let why = "the receiver is too slow: 1 POSTs were answered after more than 0ns; nothing more was sent";
    assert_eq!((grade.letter(), &*grade.reason()), ('F', why));
    assert!(!format!("{:#}", grade.json()).contains("hangs"), "{:#}", grade.json());
}

#[tokio::test]
async fn who_answers_nothing_hangs_and_the_times_are_those_that_were_waited() {
    let running = start("");
    // It takes connections, and reads nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let patience =
        Patience { first: Duration::from_millis(30), after_a_hang: Duration::from_millis(10), ..Patience::default() };
    let grade = graded(&Graph { client, ..graph_of(&running) }, patience).await;
    let why = "the receiver hangs: 2 POSTs were not answered; nothing more was sent";
    assert_eq!((grade.letter(), &*grade.reason()), ('F', why));
    let failed: Vec<_> = grade.verdicts.iter().filter(|verdict| verdict.has_failed()).map(|it| &it.outcome).collect();
    let expected = ["no answer within 30ms", "no answer within 10ms"].map(|found| Outcome::Fail(found.into()));
    assert_eq!(failed, expected.iter().collect::<Vec<_>>());
    assert!(grade.hints.iter().any(|hint| hint.contains("does not answer")), "{:?}", grade.hints);
}

#[tokio::test]
async fn what_only_answers_show_is_not_said_to_be_taken() {
    let running = start("calls-refuses-no-token");
    let mut setting = Setting::new(Channel::Calls, 1);
    let unseen = grade(&running.graph, &mut setting, |_| {}).await.unwrap();
    let why = "no channel is of use: the calls channel answers 2xx to forged notifications from everybody";
    assert_eq!((unseen.letter(), &*unseen.reason()), ('F', why));
    assert!(unseen.hints.iter().any(|hint| hint.contains("run with --observe")), "{:?}", unseen.hints);
    setting.observer = Some(running.observer());
    let seen = grade(&running.graph, &mut setting, |_| {}).await.unwrap();
    let why = "no channel is of use: the calls channel takes forged notifications from everybody";
    assert_eq!((seen.letter(), &*seen.reason()), ('F', why));
    assert!(!seen.hints.iter().any(|hint| hint.contains("run with --observe")), "{:?}", seen.hints);
}

#[tokio::test]
async fn another_certificate_or_key_is_asked_for_before_the_receiver_is_blamed() {
    let running = start("");
    let folder = tempfile::tempdir().unwrap();
    let other = Certificate::in_file("cert-1", &folder.path().join("other.pem")).unwrap();
    let graph = Graph { certificate: Some(other), ..graph_of(&running) };
    let mut setting = Setting::new(Channel::Subscriptions, 1);
    setting.observer = Some(running.observer());
    let grade_of_other = grade(&graph, &mut setting, |_| {}).await.unwrap();
    let hint = grade_of_other.hints.iter().find(|hint| hint.contains("is it the receiver's certificate?"));
    assert!(hint.is_some_and(|hint| hint.contains("--certificate-key") && hint.contains("--certificate-id")));
    assert!(!grade_of_other.hints.iter().any(|hint| hint.contains("loses some")), "{:?}", grade_of_other.hints);
    let running = start("calls-accepts-a-genuine-token");
    let refused = graded(&running.graph, Patience::default()).await;
    assert!(refused.hints[0].contains("without --identity-dir FOLDER makes a new key"), "{:?}", refused.hints);
}
