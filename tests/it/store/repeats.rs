//! What is a repeat, and what is a change that is told in the same bytes.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::*;
use reelhook::domain::{EventId, RepeatOf, Request};

/// One test for each function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, repeats:
            the_same_bytes_alone_are_a_change_and_are_marked,
            changes_to_and_fro_are_all_delivered,
            what_is_a_repeat_is_known_by_what_it_is_known,
            the_same_encrypted_content_is_a_repeat_in_whatever_envelope,
            a_message_that_comes_again_is_a_repeat,
            one_message_may_tell_twice_in_the_same_bytes,
            a_message_of_other_bytes_is_no_repeat,
            only_the_calling_platform_has_messages,
            a_status_that_was_left_and_is_told_again_is_no_repeat,
            what_was_not_answered_is_recognised_once,
            a_repeat_that_is_not_answered_is_recognised_again,
            a_post_of_several_that_was_not_answered_is_recognised_item_by_item,
            what_was_not_answered_survives_a_stop,
            what_was_answered_is_a_change_after_a_stop,
            what_was_not_answered_is_forgotten_after_the_window,
            a_request_that_gave_up_counts_as_unanswered,
            among_many_of_the_same_bytes_the_newest_are_looked_at,
            an_operation_that_many_calls_share_is_found_by_its_call,
        );
    };
}
pub(super) use suite;

/// A participant's state: nothing in it tells one change from the next.
fn participant(state: &str) -> Told {
    resource(state)
}

fn by(stored: &[Stored]) -> Vec<Option<RepeatOf>> {
    stored.iter().map(|it| if let Stored::Duplicate { by, .. } = it { Some(*by) } else { None }).collect()
}

/// Of each item: whether it was taken as news, and as possibly a repeat.
fn news(stored: &[Stored]) -> Vec<Option<bool>> {
    let possible =
        |it: &Stored| if let Stored::New { possible_repeat, .. } = it { Some(*possible_repeat) } else { None };
    stored.iter().map(possible).collect()
}

async fn one(test: &TestStore, told: &Told) -> Stored {
    test.accept(vec![told.clone().to(&["archive"])]).await.remove(0)
}

fn by_message(told: Told, id: &str, original: Option<&str>) -> Told {
    let message_id = Some(id.into());
    let request = Request { message_id, original_message_id: original.map(Into::into), ..Request::default() };
    Told { notification: Notification { request: Arc::new(request), ..told.notification }, proof: told.proof }
}

pub async fn the_same_bytes_alone_are_a_change_and_are_marked(test: TestStore) {
    let told = participant("unmuted");
    for expected in [false, true, true] {
        assert_eq!(news(&[one(&test, &told).await]), [Some(expected)]);
        test.pass(HOUR);
    }
    let mut marked = Vec::new();
    for lease in test.lease("archive").await {
        marked.push(lease.delivery.event.possible_repeat);
        let view = test.store.event(lease.delivery.event.id).await.unwrap().unwrap();
        assert_eq!(view.possible_repeat, lease.delivery.event.possible_repeat);
    }
    assert_eq!(marked, [false, true, true]);
    // And from the memory queue.
    let mut fresh = test.process.queues.open(&SinkName::new("archive"), &room(1), TTL);
    one(&test, &told).await;
    assert!(fresh.try_recv().unwrap().delivery.event.possible_repeat);
    // After the window nothing is remembered of it.
    test.pass(HOUR * 24);
    assert_eq!(news(&[one(&test, &told).await]), [Some(false)]);
}

pub async fn changes_to_and_fro_are_all_delivered(test: TestStore) {
    for state in ["u", "m", "u", "m", "u"] {
        one(&test, &participant(state)).await;
    }
    let leases = test.lease("archive").await;
    let told: Vec<_> = leases.iter().map(|lease| lease.delivery.event.data.as_str()).collect();
    assert_eq!(told, ["u", "m", "u", "m", "u"]);
}

pub async fn what_is_a_repeat_is_known_by_what_it_is_known(test: TestStore) {
    let encrypted = |told: Told| {
        let mark = Some(Mark::Ciphertext(Raw(Bytes::from_static(b"{\"data\":\"x\"}"))));
        Told { notification: Notification { mark, ..told.notification }, proof: told.proof }
    };
    let cases = [
        (resource("a").graph_id("n-1", "s-1"), RepeatOf::Notification),
        (by_message(participant("b"), "m-1", None), RepeatOf::Message),
        (recording("1"), RepeatOf::State),
        (encrypted(resource("c")), RepeatOf::Ciphertext),
        (resource("d").versioned(), RepeatOf::Version),
    ];
    for (told, expected) in cases {
        let first = one(&test, &told).await.event();
        assert_eq!(one(&test, &told).await, Stored::Duplicate { of: first, by: expected });
    }
}

pub async fn the_same_encrypted_content_is_a_repeat_in_whatever_envelope(test: TestStore) {
    let encrypted = |raw: &str, content: &'static [u8]| {
        let mark = Some(Mark::Ciphertext(Raw(Bytes::from_static(content))));
        Told { notification: Notification { mark, ..resource(raw).notification }, proof: Proof::BearerToken }
    };
    one(&test, &encrypted("expires at 1", b"x")).await;
    assert_eq!(by(&[one(&test, &encrypted("expires at 2", b"x")).await]), [Some(RepeatOf::Ciphertext)]);
    assert_eq!(news(&[one(&test, &encrypted("expires at 2", b"y")).await]), [Some(false)]);
}

pub async fn a_message_that_comes_again_is_a_repeat(mut test: TestStore) {
    let told = participant("u");
    let (first, next) = (by_message(told.clone(), "m-1", None), by_message(told.clone(), "m-2", None));
    for told in [&first, &next] {
        assert!(matches!(one(&test, told).await, Stored::New { .. }));
    }
    test.reopen(|_| {}).await;
    let again =
        [first, next, by_message(told.clone(), "m-3", Some("m-1")), by_message(told.clone(), "m-4", Some("m-2"))];
    for told in again {
        assert_eq!(by(&[one(&test, &told).await]), [Some(RepeatOf::Message)]);
    }
    for other in [by_message(told.clone(), "m-5", Some("m-0")), told] {
        assert_eq!(news(&[one(&test, &other).await]), [Some(true)]);
    }
    // An operation that is told late, as its message repeats.
    for status in [Status::Running, Status::Completed] {
        one(&test, &by_message(recording("1").status(status.clone()), status.as_str(), None)).await;
    }
    let late = by_message(recording("1").status(Status::Running), "running", None);
    assert_eq!(by(&[one(&test, &late).await]), [Some(RepeatOf::Message)]);
}

pub async fn one_message_may_tell_twice_in_the_same_bytes(test: TestStore) {
    let post = || Vec::from(["u", "m", "u"].map(|state| by_message(participant(state), "m-1", None).to(&["archive"])));
    assert_eq!(news(&test.accept(post()).await), [Some(false), Some(false), Some(true)]);
    assert_eq!(by(&test.accept(post()).await), [Some(RepeatOf::Message); 3]);
}

pub async fn a_message_of_other_bytes_is_no_repeat(test: TestStore) {
    for state in ["u", "m"] {
        assert_eq!(news(&[one(&test, &by_message(participant(state), "m-1", None)).await]), [Some(false)]);
    }
}

pub async fn only_the_calling_platform_has_messages(test: TestStore) {
    let mut told = by_message(participant("u"), "m-1", None);
    told.notification.channel = Channel::Subscriptions;
    assert_eq!(news(&[one(&test, &told).await]), [Some(false)]);
    assert_eq!(news(&[one(&test, &told).await]), [Some(true)]);
}

pub async fn a_status_that_was_left_and_is_told_again_is_no_repeat(test: TestStore) {
    let told = |status: &str| recording("1").status(Status::parse(status));
    let mut orders_told = Vec::new();
    for status in ["running", "paused", "running", "completed", "running"] {
        let stored = one(&test, &told(status)).await;
        assert!(matches!(stored, Stored::New { .. }), "{status}");
        orders_told.extend(orders(&[stored]));
    }
    let expected = [Order::First, Order::Advanced, Order::Advanced, Order::Advanced, Order::Late];
    assert_eq!(orders_told, expected.map(Some));
    assert_eq!(by(&[one(&test, &told("completed")).await]), [Some(RepeatOf::State)]);
}

pub async fn what_was_not_answered_is_recognised_once(test: TestStore) {
    let told = participant("u");
    let first = one(&test, &told).await.event();
    test.store.unanswered(vec![first]);
    assert_eq!(one(&test, &participant("m")).await.event(), newest(&test).await);
    assert_eq!(one(&test, &told).await, Stored::Duplicate { of: first, by: RepeatOf::Unanswered });
    assert_eq!(news(&[one(&test, &told).await]), [Some(true)]);
    // One of an operation as well, where its status was left.
    let running = recording("1").status(Status::Running);
    let (of, _) = (one(&test, &running).await.event(), one(&test, &recording("1")).await);
    test.store.unanswered(vec![of]);
    assert_eq!(one(&test, &running).await, Stored::Duplicate { of, by: RepeatOf::Unanswered });
    assert_eq!(news(&[one(&test, &running).await]), [Some(true)]);
}

async fn newest(test: &TestStore) -> EventId {
    test.store.newest_event().await.unwrap().unwrap()
}

pub async fn a_repeat_that_is_not_answered_is_recognised_again(test: TestStore) {
    let told = participant("u");
    let first = one(&test, &told).await.event();
    test.store.unanswered(vec![first]);
    for _ in 0..3 {
        let repeat = one(&test, &told).await;
        assert_eq!(repeat, Stored::Duplicate { of: first, by: RepeatOf::Unanswered });
        test.store.unanswered(vec![repeat.event()]);
    }
}

pub async fn a_post_of_several_that_was_not_answered_is_recognised_item_by_item(test: TestStore) {
    let post = || Vec::from(["u", "m", "u"].map(|state| participant(state).to(&["archive"])));
    let stored = test.accept(post()).await;
    test.store.unanswered(stored.iter().map(Stored::event).collect());
    assert_eq!(by(&test.accept(post()).await), [Some(RepeatOf::Unanswered); 3]);
    assert_eq!(news(&test.accept(post()).await), [Some(true); 3]);
}

pub async fn what_was_not_answered_survives_a_stop(mut test: TestStore) {
    let first = one(&test, &participant("u")).await.event();
    test.store.unanswered(vec![first]);
    test.reopen(|_| {}).await;
    assert_eq!(one(&test, &participant("u")).await, Stored::Duplicate { of: first, by: RepeatOf::Unanswered });
    test.reopen(|_| {}).await;
    assert_eq!(news(&[one(&test, &participant("u")).await]), [Some(true)]);
}

pub async fn what_was_answered_is_a_change_after_a_stop(mut test: TestStore) {
    one(&test, &participant("u")).await;
    test.reopen(|_| {}).await;
    assert_eq!(news(&[one(&test, &participant("u")).await]), [Some(true)]);
}

pub async fn what_was_not_answered_is_forgotten_after_the_window(test: TestStore) {
    let first = one(&test, &participant("u")).await.event();
    test.store.unanswered(vec![first]);
    test.pass(HOUR * 24);
    assert_eq!(news(&[one(&test, &participant("u")).await]), [Some(false)]);
}

pub async fn a_request_that_gave_up_counts_as_unanswered(test: TestStore) {
    for told in [participant("u"), participant("m")] {
        let accepted = vec![told.clone().to(&["archive"])];
        let batch = Batch { received_at: test.clock.now(), accepted, quarantined: Vec::new() };
        let mut request = test.store.accept(batch);
        // It is on its way to the writer, and then nobody waits for it.
        let polled = poll_fn(|context| Poll::Ready(request.as_mut().poll(context).is_ready())).await;
        drop(request);
        if !polled {
            test.store.ready().await.unwrap();
        }
        let of = newest(&test).await;
        assert_eq!(one(&test, &told).await, Stored::Duplicate { of, by: RepeatOf::Unanswered });
        assert_eq!(news(&[one(&test, &told).await]), [Some(true)]);
    }
}

pub async fn among_many_of_the_same_bytes_the_newest_are_looked_at(test: TestStore) {
    let told = |n: usize| by_message(participant("u"), &n.to_string(), None);
    for n in 0..20 {
        one(&test, &told(n)).await;
    }
    assert_eq!(by(&[one(&test, &told(19)).await]), [Some(RepeatOf::Message)]);
    assert_eq!(news(&[one(&test, &told(0)).await]), [Some(true)]);
}

pub async fn an_operation_that_many_calls_share_is_found_by_its_call(test: TestStore) {
    let told = |n: usize, status| recording("shared").status(status).call(Some(&format!("call-{n}"))).to(&[]);
    for n in 0..30 {
        assert_eq!(orders(&test.accept(vec![told(n, Status::Running)]).await), [Some(Order::First)]);
    }
    for n in 0..30 {
        assert_eq!(orders(&test.accept(vec![told(n, Status::Completed)]).await), [Some(Order::Advanced)]);
        assert_eq!(by(&test.accept(vec![told(n, Status::Completed)]).await), [Some(RepeatOf::State)]);
    }
}
