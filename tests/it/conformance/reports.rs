//! What a user reads: reasons that say what was found, all that a check needs, and what to try next.

use actix_web::web;
use actix_web::{App, HttpRequest, HttpServer};
use reelhook::simulator::conformance::{Channel, Grade, Level, Observer, Outcome, Setting, grade};
use reelhook::simulator::{Client, Graph, Paths};
use tokio::task::JoinSet;

use super::innocent::{answered, graph_of};
use super::receiver::start;

async fn graded(graph: &Graph, channel: Channel, observer: Option<Observer>) -> Grade {
    let mut setting = Setting::new(channel, 1);
    setting.observer = observer;
    grade(graph, &mut setting, |_| {}).await.unwrap()
}

/// The outcome of a check, in words.
fn outcome(grade: &Grade, name: &str) -> String {
    match &grade.verdicts.iter().find(|verdict| verdict.name == name).unwrap().outcome {
        Outcome::Pass => "pass".into(),
        Outcome::Fail(found) => format!("fail: {found}"),
        Outcome::Skip(why) => format!("skip: {why}"),
        Outcome::Follows(cause) => format!("follows from {cause}"),
    }
}

/// What a receiver with this fault is told of it.
async fn told(fault: &'static str) -> String {
    let running = start(fault);
    let channel = if fault.starts_with("calls") { Channel::Calls } else { Channel::Subscriptions };
    outcome(&graded(&running.graph, channel, Some(running.observer())).await, fault)
}

#[tokio::test]
async fn a_reason_says_how_large_what_is_absent_and_what_was_not_delivered() {
    for (fault, found) in [
        ("calls-bounds-bodies", "fail: answered 202 to a body of 8 MiB"),
        ("notifications-bounds-bodies", "fail: answered 202 to a body of 8 MiB"),
        ("handshake-bounds-the-token", "fail: answered 200 to a token of 20,000 characters"),
        ("handshake-is-hardened", "fail: no X-Content-Type-Options"),
        (
            "encrypted-delivers-the-decrypted-content",
            "fail: answered 2xx, but the decrypted content of no item was delivered",
        ),
        ("encrypted-refuses-no-validation-token", "fail: its decrypted content was delivered"),
    ] {
        assert_eq!(told(fault).await, found, "{fault}");
    }
}

#[tokio::test]
async fn all_that_a_check_needs_is_named_at_once() {
    let running = start("");
    let bare = Graph { client_state: None, certificate: None, ..graph_of(&running) };
    let unseen = graded(&bare, Channel::Both, None).await;
    let state = "a clientState (see --client-state-env)";
    for (check, needs) in [
        ("calls-delivers-recordings", "--observe".into()),
        ("notifications-delivers-changes", format!("--observe and {state}")),
        ("notifications-tells-strangers-nothing", state.into()),
        ("encrypted-accepts-genuine-items", "--certificate-key".into()),
        ("encrypted-delivers-the-decrypted-content", format!("--observe, --certificate-key and {state}")),
        ("encrypted-refuses-another-publisher", format!("--observe, --certificate-key and {state}")),
    ] {
        assert_eq!(outcome(&unseen, check), format!("skip: needs {needs}"), "{check}");
    }
    let of_encrypted = unseen.not_seen.iter().find(|text| text.contains("encrypted")).unwrap();
    assert!(of_encrypted.ends_with(&format!("needs --observe, --certificate-key and {state}")), "{of_encrypted}");
    let observed = graded(&bare, Channel::Subscriptions, Some(running.observer())).await;
    let needs = format!("skip: needs --certificate-key and {state}");
    assert_eq!(outcome(&observed, "encrypted-delivers-the-decrypted-content"), needs);
    assert!(!observed.hints.iter().any(|hint| hint.contains("run again")), "nothing failed: {:?}", observed.hints);
}

#[tokio::test]
async fn another_client_state_is_not_blamed_on_the_observer_that_saw_recordings() {
    let running = start("");
    let other = Graph { client_state: Some("another".into()), ..graph_of(&running) };
    let both = graded(&other, Channel::Both, Some(running.observer())).await;
    let failed: Vec<_> = both.verdicts.iter().filter(|verdict| verdict.has_failed()).map(|it| it.name).collect();
    assert_eq!(failed, ["notifications-delivers-changes"]);
    let of_delivery = both.hints.iter().find(|hint| hint.contains("delivered")).unwrap();
    assert!(of_delivery.contains("another clientState") && !of_delivery.contains("--observe"), "{of_delivery}");
    // Where no recording shows that the observer is right, it can be either.
    let alone = graded(&other, Channel::Subscriptions, Some(running.observer())).await;
    let of_delivery = alone.hints.iter().find(|hint| hint.contains("delivered")).unwrap();
    assert!(of_delivery.contains("clientState") && of_delivery.contains("--observe"), "{of_delivery}");
}

#[tokio::test]
async fn an_observer_that_sees_nothing_is_named_beside_what_fails_for_it() {
    let running = start("calls-refuses-no-token");
    let folder = tempfile::tempdir().unwrap();
    let place = reelhook::simulator::conformance::Place::File(folder.path().join("nothing"));
    let (mut observer, _) = Observer::start(place).unwrap();
    (observer.patience, observer.grace) = Default::default();
    let grade = graded(&running.graph, Channel::Both, Some(observer)).await;
    assert_eq!(
        outcome(&grade, "calls-refuses-no-token"),
        "fail: answered 202; nothing was delivered, so nothing shows that it was dropped"
    );
    assert!(grade.hints.iter().any(|hint| hint.contains("the place that --observe names")), "{:?}", grade.hints);
}

/// A receiver that answers this to everything.
fn always(status: u16, servers: &mut JoinSet<std::io::Result<()>>) -> Client {
    let app =
        move || App::new().default_service(web::to(move |_: HttpRequest| async move { answered(status).finish() }));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let client = Client::new(&format!("http://{}", server.addrs()[0])).unwrap();
    servers.spawn(server.run());
    client
}

#[tokio::test]
async fn a_receiver_without_keys_is_told_so_and_refusals_in_time_are_no_praise() {
    let (running, mut servers) = (start(""), JoinSet::new());
    let graph = Graph { client: always(503, &mut servers), ..graph_of(&running) };
    let grade = graded(&graph, Channel::Both, None).await;
    assert!(grade.hints[0].contains("can it reach the keys at --identity-listen"), "{:?}", grade.hints);
    assert_eq!(outcome(&grade, "answers-in-time"), "skip: no genuine POST was answered 2xx");
    assert_eq!((grade.letter(), grade.counts(Level::Must).n_passed), ('F', 0));
}

#[tokio::test]
async fn who_takes_changes_without_the_client_state_takes_them_from_everybody() {
    let running = start("notifications-refuses-another-client-state");
    let alone = graded(&running.graph, Channel::Subscriptions, Some(running.observer())).await;
    let why = "no channel is of use: the subscriptions channel takes forged notifications from everybody";
    assert_eq!((alone.letter(), &*alone.reason()), ('F', why));
}

#[tokio::test]
async fn a_path_that_the_receiver_has_not_is_told_from_a_token_that_it_refuses() {
    let running = start("calls-accepts-a-genuine-token");
    let refused = graded(&running.graph, Channel::Calls, None).await;
    assert!(refused.hints[0].contains("does it trust this identity"), "{:?}", refused.hints);
    let mut servers = JoinSet::new();
    let client = always(404, &mut servers);
    let paths = Paths { notifications: "/listen?code=secret".into(), ..Paths::default() };
    let grade = graded(&Graph { client, paths, ..graph_of(&running) }, Channel::Both, None).await;
    let hints = grade.hints.join("\n");
    for part in [
        "answered 404 at /graph/calls. ",
        "--calls-path. If it has no calls channel, use --channel subscriptions",
        "answered 404 at /listen. ",
        "--notifications-path. If it has no subscriptions channel, use --channel calls",
    ] {
        assert!(hints.contains(part), "{part}: {hints}");
    }
    assert!(!hints.contains("identity") && !hints.contains("secret"), "{hints}");
}
