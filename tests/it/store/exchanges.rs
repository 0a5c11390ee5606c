//! The suite of the exchanges of attempts: invariant 10 of `reelhook::store`.

use super::*;
use reelhook::domain::{Answered, Body, DeliveryId, Exchange, Headers, Sent};
use reelhook::store::operations::Deleted;
use reelhook::store::{DeadLetters, Keeping};

/// One test for each public function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, exchanges:
            each_attempt_tells_its_own_exchange_after_a_restart,
            attempts_before_and_after_a_replay_keep_their_own,
            an_attempt_whose_exchange_is_not_kept_says_why,
            an_outcome_that_came_too_late_leaves_no_exchange,
            exchanges_are_bounded_in_entries_and_the_newest_stay,
            exchanges_are_bounded_in_bytes,
            a_store_that_keeps_none_removes_what_it_had,
            a_removed_operation_takes_its_exchanges_along,
            exchanges_end_with_the_retention_of_their_event,
            no_exchange_can_be_read_in_the_files,
        );
    };
}
pub(super) use suite;

/// An exchange that is told by the body of its answer.
fn exchange(body: &str) -> Exchange {
    let mut headers = Headers::default();
    headers.add("webhook-id", "1");
    let answer = Answered {
        line: "HTTP/1.1 500".into(),
        headers: headers.clone(),
        body: Body::Text(body.into()),
        is_body_cut: true,
    };
    Exchange { request: Sent { line: "POST /hook HTTP/1.1".into(), headers }, answer: Some(answer) }
}

fn told(body: &str) -> Exchanged {
    Exchanged::Told(Box::new(exchange(body)))
}

fn later(test: &TestStore) -> Settlement {
    Settlement::RetryAt { at: test.clock.now(), reason: "500".into() }
}

fn dead() -> Settlement {
    Settlement::Dead { reason: "410".into() }
}

/// Attempts the one delivery that is due, a second later, with this exchange.
async fn attempt(test: &TestStore, exchange: Exchanged, settlement: Settlement) -> DeliveryId {
    test.pass(SignedDuration::from_secs(1));
    *test.exchange.lock() = exchange;
    let lease = test.lease_one("archive").await;
    let id = lease.delivery.id;
    test.settle(lease, settlement).await;
    id
}

/// The bodies that are kept of a delivery's attempts, by the attempts' numbers.
async fn bodies(test: &TestStore, id: DeliveryId) -> Vec<(u32, String)> {
    let kept = test.store.exchanges(id).await.unwrap();
    let body = |exchange: Exchange| match exchange.answer.map(|answer| answer.body) {
        Some(Body::Text(text)) => text,
        other => panic!("{other:?}"),
    };
    kept.into_iter().map(|(number, exchange)| (number, body(exchange))).collect()
}

fn numbered(bodies: &[(u32, &str)]) -> Vec<(u32, String)> {
    bodies.iter().map(|(number, body)| (*number, (*body).to_owned())).collect()
}

pub async fn each_attempt_tells_its_own_exchange_after_a_restart(mut test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    attempt(&test, told("first"), later(&test)).await;
    attempt(&test, Exchanged::Nothing, later(&test)).await;
    let id = attempt(&test, told("third"), Settlement::Delivered).await;
    test.reopen(|_| {}).await;
    assert_eq!(bodies(&test, id).await, numbered(&[(1, "first"), (3, "third")]));
    assert_eq!(test.store.exchanges(id).await.unwrap()[&1], exchange("first"));
    let delivery = test.store.delivery(id).await.unwrap().unwrap();
    let kept: Vec<Keeping> = delivery.failures.iter().map(|failure| failure.exchange).collect();
    assert_eq!((kept, delivery.success.unwrap().exchange), (vec![Keeping::Kept, Keeping::Nothing], Keeping::Kept));
    let other = DeliveryId(uuid::Uuid::from_u128(id.0.as_u128() ^ 1));
    assert!(test.store.exchanges(other).await.unwrap().is_empty());
}

pub async fn attempts_before_and_after_a_replay_keep_their_own(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let id = attempt(&test, told("before"), dead()).await;
    assert_eq!(test.store.replay_dead(DeadLetters::One(id)).await.unwrap(), 1);
    attempt(&test, told("after"), dead()).await;
    assert_eq!(test.store.replay_dead(DeadLetters::One(id)).await.unwrap(), 1);
    attempt(&test, told("arrived"), Settlement::Delivered).await;
    assert_eq!(bodies(&test, id).await, numbered(&[(1, "before"), (2, "after"), (3, "arrived")]));
}

pub async fn an_attempt_whose_exchange_is_not_kept_says_why(mut test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"]), recording("2").to(&["archive"])]).await;
    let leases = test.lease("archive").await;
    let ids: Vec<DeliveryId> = leases.iter().map(|lease| lease.delivery.id).collect();
    *test.exchange.lock() = Exchanged::OneOfMany;
    test.settle_all(leases, &later(&test)).await;
    test.reopen(|settings| settings.exchanges_max_entries = 0).await;
    *test.exchange.lock() = told("unwanted");
    test.settle_all(test.lease("archive").await, &Settlement::Delivered).await;
    for id in ids {
        let delivery = test.store.delivery(id).await.unwrap().unwrap();
        assert_eq!(delivery.failures[0].exchange, Keeping::OneOfMany);
        assert_eq!(delivery.success.unwrap().exchange, Keeping::Off);
        assert!(bodies(&test, id).await.is_empty());
    }
}

pub async fn an_outcome_that_came_too_late_leaves_no_exchange(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let late = test.lease_one("archive").await;
    test.pass(SignedDuration::from_secs(91));
    let id = attempt(&test, told("in time"), Settlement::Delivered).await;
    *test.exchange.lock() = told("too late");
    test.settle(late, dead()).await;
    assert_eq!(bodies(&test, id).await, numbered(&[(1, "in time")]));
}

pub async fn exchanges_are_bounded_in_entries_and_the_newest_stay(mut test: TestStore) {
    test.reopen(|settings| settings.exchanges_max_entries = 3).await;
    test.accept(vec![recording("1").to(&["archive"])]).await;
    for n in 1..=5 {
        attempt(&test, told(&n.to_string()), later(&test)).await;
    }
    let id = attempt(&test, told("6"), dead()).await;
    assert_eq!(bodies(&test, id).await, numbered(&[(4, "4"), (5, "5"), (6, "6")]));
    assert_eq!(test.store.delivery(id).await.unwrap().unwrap().failures[0].exchange, Keeping::Kept, "it was");
    test.reopen(|settings| settings.exchanges_max_entries = 1).await;
    test.sweep().await;
    assert_eq!(bodies(&test, id).await, numbered(&[(6, "6")]));
}

pub async fn exchanges_are_bounded_in_bytes(mut test: TestStore) {
    test.reopen(|settings| settings.exchanges_max_bytes = 64 << 10).await;
    test.accept(vec![recording("1").to(&["archive"])]).await;
    for _ in 0..100 {
        attempt(&test, told(&"x".repeat(2000)), later(&test)).await;
    }
    let id = attempt(&test, told("last"), dead()).await;
    let kept = bodies(&test, id).await;
    assert!((25..=32).contains(&kept.len()), "{} of some more than 2000 bytes", kept.len());
    assert_eq!(kept.last().unwrap(), &(101, "last".to_owned()));
}

pub async fn a_store_that_keeps_none_removes_what_it_had(mut test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let id = attempt(&test, told("kept"), dead()).await;
    assert_eq!(bodies(&test, id).await.len(), 1);
    test.reopen(|settings| settings.exchanges_max_entries = 0).await;
    test.sweep().await;
    assert!(bodies(&test, id).await.is_empty());
}

pub async fn a_removed_operation_takes_its_exchanges_along(mut test: TestStore) {
    test.reopen(|settings| settings.exchanges_max_entries = 2).await;
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let removed = attempt(&test, told("of the removed one"), dead()).await;
    let number = test.operations.get(&GraphId::new("1").unwrap(), None).await.unwrap().unwrap().number;
    assert_eq!(test.operations.delete(number, None, false).await.unwrap(), Deleted::Done);
    assert!(test.store.exchanges(removed).await.unwrap().is_empty());
    // Its place is free again.
    test.accept(vec![recording("2").to(&["archive"])]).await;
    attempt(&test, told("one"), later(&test)).await;
    let id = attempt(&test, told("two"), later(&test)).await;
    assert_eq!(bodies(&test, id).await, numbered(&[(1, "one"), (2, "two")]));
}

pub async fn exchanges_end_with_the_retention_of_their_event(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let id = attempt(&test, told("old"), Settlement::Delivered).await;
    test.pass(HOUR * 24 * 29);
    test.sweep().await;
    assert_eq!(bodies(&test, id).await.len(), 1);
    test.pass(HOUR * 24 * 2);
    test.sweep().await;
    assert!(test.store.delivery(id).await.unwrap().is_none() && test.store.exchanges(id).await.unwrap().is_empty());
}

pub async fn no_exchange_can_be_read_in_the_files(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    attempt(&test, told("what-the-destination-answered"), later(&test)).await;
    assert!(!test.wrote(b"what-the-destination-answered") && !test.wrote(b"POST /hook"));
}
