//! What every kind promises that delivers to a server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reelhook::domain::Delivery;
use reelhook::sinks::{DeliveryError, MAX_REASON_CHARS, Sink};
use serde_json::json;
use tokio::net::TcpListener;

use super::{Arrived, Broker, LOGIN};
use crate::sinks::samples::{TOKEN, build, delivery, retried, with_client_context};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a test of each promise for a kind.
macro_rules! promises {
    ($broker:ty: $($promise:ident),+ $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            $crate::sinks::brokers::suite::$promise::<$broker>().await;
        })+
    };
}

/// Makes a test of each promise that also holds where nothing has an order, nothing is too large, and nobody knows users and
/// passwords.
macro_rules! of_any_kind {
    ($broker:ty) => {
        $crate::sinks::brokers::suite::promises!($broker:
            an_event_arrives_once_and_as_it_is,
            a_repeat_is_known_by_the_id_of_its_delivery,
            a_batch_has_a_result_for_each_event,
            a_server_that_stops_and_starts_again_loses_nothing_and_keeps_the_order,
            a_server_that_says_nothing_costs_one_attempt,
            a_place_that_is_not_there_is_a_retry_or_is_made,
            an_attempt_that_is_given_up_damages_no_other,
            a_hostile_client_context_arrives_as_it_was_or_is_refused,
            the_recording_s_token_is_sent_only_where_the_config_says_so,
            a_probe_sends_nothing_and_tells_when_the_server_is_away,
            a_closed_sink_sends_nothing_more,
        );
    };
}

/// Makes a test of every promise for a kind, but for the one about users and passwords.
macro_rules! without_passwords {
    ($broker:ty) => {
        $crate::sinks::brokers::suite::of_any_kind!($broker);
        $crate::sinks::brokers::suite::promises!($broker:
            two_thousand_events_of_one_operation_arrive_in_order,
            an_event_that_is_too_large_is_refused_with_the_limit_and_its_neighbours_arrive,
        );
    };
}

/// Makes a test of every promise for a kind.
macro_rules! suite {
    ($broker:ty) => {
        $crate::sinks::brokers::suite::without_passwords!($broker);
        $crate::sinks::brokers::suite::promises!($broker:
            a_wrong_password_is_told_without_it_and_the_right_one_needs_no_restart,
        );
    };
}

pub(super) use {of_any_kind, promises, suite, without_passwords};

fn sink<B: Broker>(server: &B, place: &str) -> Arc<dyn Sink> {
    build(B::KIND, &B::keys(server.address(), place)).unwrap()
}

async fn started<B: Broker>(place: &str) -> (B, Arc<dyn Sink>) {
    let server = B::start(None).await;
    server.make(place).await;
    let sink = sink(&server, place);
    (server, sink)
}

/// Another delivery of the same operation.
fn of_one_operation(n: u128) -> Delivery {
    let mut delivery = delivery(n);
    Arc::make_mut(&mut delivery.event).envelope.carried.operation_id = Some("one".into());
    delivery
}

fn ids(arrived: &[Arrived]) -> Vec<&str> {
    let mut ids: Vec<&str> = arrived.iter().map(|it| it.id.as_str()).collect();
    ids.dedup();
    ids
}

fn ids_of(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|it| it.id.to_string()).collect()
}

pub async fn an_event_arrives_once_and_as_it_is<B: Broker>() {
    let (server, sink) = started::<B>("once").await;
    sink.deliver(&delivery(7)).await.unwrap();
    let arrived = server.arrived("once").await;
    assert_eq!(ids(&arrived), [delivery(7).id.to_string()]);
    let event = &arrived[0].event;
    assert_eq!((arrived.len(), &event["id"]), (1, &json!(delivery(7).event.id.to_string())));
    assert_eq!((&event["route"], &event["clientcontext"]), (&json!("support"), &json!("support-7")));
    assert_eq!(event["data"]["recordingLocation"], "https://file.location/7");
}

pub async fn a_repeat_is_known_by_the_id_of_its_delivery<B: Broker>() {
    let (server, sink) = started::<B>("repeat").await;
    for attempt in 1..=2 {
        sink.deliver(&Delivery { attempt, ..delivery(1) }).await.unwrap();
    }
    let arrived = server.arrived("repeat").await;
    assert_eq!(ids(&arrived), [delivery(1).id.to_string()], "as often as it arrived");
    assert!(arrived.iter().all(|it| it == &arrived[0]));
}

pub async fn a_batch_has_a_result_for_each_event<B: Broker>() {
    let (server, sink) = started::<B>("batch").await;
    let deliveries: Vec<_> = (0..100).map(delivery).collect();
    assert_eq!(sink.deliver_batch(&[]).await, []);
    assert_eq!(sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await, vec![Ok(()); 100]);
    let arrived = server.arrived("batch").await;
    let mut found = ids(&arrived);
    found.sort_unstable();
    let mut expected = ids_of(&deliveries);
    expected.sort();
    assert_eq!(found, expected);
}

pub async fn two_thousand_events_of_one_operation_arrive_in_order<B: Broker>() {
    let (server, sink) = started::<B>("order").await;
    let deliveries: Vec<_> = (0..2000).map(of_one_operation).collect();
    // As the dispatcher does: several events of one operation are in one batch only where it arrives whole or not at all.
    let size = if sink.is_all_or_nothing() { sink.batch_size() } else { 1 };
    for batch in deliveries.chunks(size) {
        assert!(sink.deliver_batch(&batch.iter().collect::<Vec<_>>()).await.iter().all(Result::is_ok));
    }
    assert_eq!(ids(&server.arrived("order").await), ids_of(&deliveries));
}

pub async fn a_server_that_stops_and_starts_again_loses_nothing_and_keeps_the_order<B: Broker>() {
    let (mut server, sink) = started::<B>("restart").await;
    let deliveries: Vec<_> = (0..200).map(of_one_operation).collect();
    let (mut n_failed, mut is_away) = (0, false);
    for (n, delivery) in deliveries.iter().enumerate() {
        if n == 100 {
            server.stop().await;
            is_away = true;
        }
        let began = Instant::now();
        while let Err(error) = attempt(&*sink, delivery).await {
            assert!(matches!(error, DeliveryError::Retry { .. }), "{error:?}");
            assert!(began.elapsed() < PATIENCE, "{error}");
            n_failed += 1;
            if n_failed == 3 {
                server.restart().await;
                is_away = false;
            }
            // The dispatcher waits between two attempts; without it a server that starts would be asked in a loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!is_away, "nothing is confirmed by a server that is away");
    }
    assert!(n_failed >= 3, "{n_failed}");
    assert_eq!(ids(&server.arrived("restart").await), ids_of(&deliveries));
}

/// An attempt as the dispatcher makes it, with a timeout of its own.
async fn attempt(sink: &dyn Sink, delivery: &Delivery) -> Result<(), DeliveryError> {
    let attempt = tokio::time::timeout(Duration::from_secs(10), sink.deliver(delivery)).await;
    attempt.unwrap_or_else(|_| Err(DeliveryError::Retry { reason: "timeout".into(), after: None, pause: false }))
}

pub async fn a_server_that_says_nothing_costs_one_attempt<B: Broker>() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = build(B::KIND, &B::keys(silent.local_addr().unwrap(), "silent")).unwrap();
    let first = delivery(1);
    let attempt = tokio::time::timeout(Duration::from_millis(500), sink.deliver(&first)).await;
    assert!(!matches!(attempt, Ok(Ok(()))), "{attempt:?}");
    // Nothing is held that the next attempt, or the end, would wait for.
    let attempt = tokio::time::timeout(Duration::from_millis(500), sink.deliver(&first)).await;
    assert!(!matches!(attempt, Ok(Ok(()))), "{attempt:?}");
    tokio::time::timeout(PATIENCE, sink.close()).await.unwrap().unwrap();
}

pub async fn a_wrong_password_is_told_without_it_and_the_right_one_needs_no_restart<B: Broker>() {
    let server = B::start(Some(LOGIN)).await;
    server.make("login").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let write = |password: &str| {
        fs::write(&file, password).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("canary-wrong");
    let auth = format!("auth = {{ user = '{}', password = {{ file = {file:?} }} }}\n", LOGIN.0);
    let sink = build(B::KIND, &(auth + &B::keys(server.address(), "login"))).unwrap();
    let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(pauses && !reason.contains("canary"), "{reason}");
    assert!(sink.probe().await.is_err());
    write(LOGIN.1);
    sink.deliver(&delivery(1)).await.unwrap();
    assert_eq!(server.arrived("login").await.len(), 1);
}

pub async fn a_place_that_is_not_there_is_a_retry_or_is_made<B: Broker>() {
    let server = B::start(None).await;
    let sink = sink(&server, "missing");
    let result = sink.deliver(&delivery(1)).await;
    if B::MAKES_PLACES {
        assert_eq!((result, server.arrived("missing").await.len()), (Ok(()), 1));
    } else {
        let (reason, ..) = retried(result);
        assert!(!reason.is_empty() && reason.chars().count() <= MAX_REASON_CHARS, "{reason}");
        assert_eq!(sink.probe().await.is_err(), B::PROBES_PLACES, "whether a probe tells it too");
        server.make("missing").await;
        sink.deliver(&delivery(1)).await.unwrap();
    }
}

pub async fn an_event_that_is_too_large_is_refused_with_the_limit_and_its_neighbours_arrive<B: Broker>() {
    let (server, sink) = started::<B>("large").await;
    let (n_bytes, words) = B::TOO_LARGE;
    let mut large = delivery(2);
    Arc::make_mut(&mut large.event).data = json!({ "id": "op-2", "x": "y".repeat(n_bytes) }).to_string();
    let [first, last] = [1, 3].map(delivery);
    let results = sink.deliver_batch(&[&first, &large, &last]).await;
    match &results[..] {
        [Ok(()), Err(DeliveryError::Reject { reason }), Ok(())] => assert!(reason.contains(words), "{reason}"),
        // What arrives whole or not at all is told apart by the attempts that follow.
        other => {
            assert!(sink.is_all_or_nothing(), "{other:?}");
            sink.deliver(&first).await.unwrap();
            let refused = sink.deliver(&large).await;
            assert!(matches!(&refused, Err(DeliveryError::Reject { reason }) if reason.contains(words)), "{refused:?}");
            sink.deliver(&last).await.unwrap();
        }
    }
    assert_eq!(ids(&server.arrived("large").await), ids_of(&[first, last]));
}

pub async fn an_attempt_that_is_given_up_damages_no_other<B: Broker>() {
    let (server, sink) = started::<B>("given-up").await;
    for n in 0..20 {
        let first = delivery(1000 + n);
        drop(tokio::time::timeout(Duration::from_micros(u64::try_from(n).unwrap() * 100), sink.deliver(&first)).await);
        sink.deliver(&delivery(n)).await.unwrap();
    }
    let arrived = server.arrived("given-up").await;
    let found: Vec<&str> = ids(&arrived);
    for n in 0..20 {
        assert_eq!(found.iter().filter(|id| **id == delivery(n).id.to_string()).count(), 1, "{n}: {found:?}");
    }
}

pub async fn a_hostile_client_context_arrives_as_it_was_or_is_refused<B: Broker>() {
    let server = B::start(None).await;
    server.make("hostile").await;
    let sink = build(B::KIND, &B::keys_by_client_context(server.address(), "hostile")).unwrap();
    let emoji = "😀".repeat(256);
    let hostile = ["../../etc", "a\0b", "a\r\nb", "\"'`;--", "a.b.*.>", "a/+/#", "", " ", "%2E", "{call_id}", &emoji];
    let mut expected = Vec::new();
    for (n, text) in (0..).zip(hostile) {
        match sink.deliver(&with_client_context(n, text)).await {
            Ok(()) => expected.push(text),
            Err(DeliveryError::Reject { reason }) => assert!(!reason.is_empty()),
            Err(other) => panic!("{text:?}: {other:?}"),
        }
    }
    let arrived = server.arrived("hostile").await;
    let mut found: Vec<&str> = arrived.iter().map(|it| it.event["data"]["clientContext"].as_str().unwrap()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(expected.len() >= hostile.len() - 2, "hardly any of them has to be refused: {expected:?}");
}

pub async fn the_recording_s_token_is_sent_only_where_the_config_says_so<B: Broker>() {
    let server = B::start(None).await;
    server.make("token").await;
    for (n, sent) in [(1, false), (2, true)] {
        let keys = format!("include_access_token = {sent}\n{}", B::keys(server.address(), "token"));
        build(B::KIND, &keys).unwrap().deliver(&delivery(n)).await.unwrap();
        let last = server.arrived("token").await.pop().unwrap();
        assert_eq!(last.event["data"]["recordingAccessToken"] == TOKEN, sent);
        assert_eq!(last.event.to_string().contains(TOKEN), sent);
    }
}

pub async fn a_probe_sends_nothing_and_tells_when_the_server_is_away<B: Broker>() {
    let (mut server, sink) = started::<B>("probe").await;
    sink.probe().await.unwrap();
    assert_eq!(server.arrived("probe").await, []);
    server.stop().await;
    let (reason, pauses, _) = retried(sink.probe().await.map(drop));
    assert!(pauses && !reason.is_empty(), "{reason}");
}

pub async fn a_closed_sink_sends_nothing_more<B: Broker>() {
    let (server, sink) = started::<B>("closed").await;
    sink.deliver(&delivery(1)).await.unwrap();
    sink.close().await.unwrap();
    assert!(sink.deliver(&delivery(2)).await.is_err());
    assert_eq!(server.arrived("closed").await.len(), 1);
}
