//! The suite: every numbered invariant of `reelhook::store`, against `dyn Store` alone.

use super::*;
use reelhook::domain::{
    Counts, DeliveryId, Held, KEPT_MINUTES, MAX_RICH_SUBSCRIPTIONS, Minute, N_BUCKETS, OperatorData, OperatorEvent,
};
use reelhook::store::ids::MAX_DELIVERIES;
use reelhook::store::{
    Counted, DeadFilter, DeadLetters, DeliveryState, Failure, Limit, MadeDue, Newest, QuarantineFilter, Report,
    SinkCondition, Told,
};
use tokio::sync::mpsc::Receiver;

/// One test for each function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, conformance:
            what_was_accepted_is_there_after_a_restart,
            a_receipt_tells_of_each_notification_in_order,
            concurrent_requests_are_all_stored,
            an_identified_repeat_is_a_duplicate,
            an_identified_repeat_within_one_batch_is_a_duplicate,
            a_repeat_after_the_window_is_new,
            the_same_bytes_of_another_subscription_are_new,
            other_bytes_under_a_known_graph_id_are_a_conflict,
            a_delivery_is_held_by_one_lease,
            an_expired_lease_is_given_anew_and_the_old_one_changes_nothing,
            a_released_delivery_is_due_again_without_an_attempt,
            a_failed_attempt_is_due_later_and_counted,
            what_is_known_of_a_sink_is_kept_with_its_outcomes_and_nothing_older_replaces_it,
            the_longest_due_is_leased_first,
            deliveries_of_one_operation_keep_their_order,
            a_dead_letter_lets_the_next_one_pass,
            a_retry_holds_back_its_own_operation_and_sink_alone,
            what_waits_behind_a_delivery_is_leased_with_it_in_order,
            a_run_that_is_put_off_waits_behind_its_first,
            a_run_is_leased_anew_as_a_whole_and_its_old_leases_change_nothing,
            a_run_whose_process_ended_is_due_from_its_first_on,
            a_dead_letter_in_a_run_lets_the_next_one_pass,
            what_an_operator_replays_beside_a_run_costs_no_repeat,
            a_long_run_is_drained_in_few_commits,
            a_terminal_status_never_changes,
            weaker_proof_never_changes_what_stronger_proof_established,
            what_weaker_proof_established_stands_back_for_stronger_proof,
            subscriptions_with_encrypted_content_are_remembered,
            an_event_tells_what_was_known_before,
            the_spellings_of_an_operations_id_are_one_operation,
            a_call_that_is_told_later_joins_its_operation,
            calls_that_share_an_operation_id_are_two_operations,
            a_shared_client_context_is_ambiguous_until_the_other_ends,
            a_fresh_lease_is_what_would_be_read_back,
            what_finds_no_place_in_memory_waits_in_the_store,
            a_delivery_blocked_at_first_does_not_go_to_memory,
            two_routes_to_one_sink_are_one_delivery,
            next_due_passes_over_what_is_leased,
            what_waits_for_its_next_attempt_is_made_due_and_its_attempts_go_on,
            what_is_made_due_keeps_the_order_of_its_operation,
            one_delivery_is_made_due_or_the_one_that_it_waits_for,
            a_delivered_event_is_sent_again_by_a_new_delivery_that_names_the_first,
            what_is_sent_again_keeps_the_order_of_its_operation,
            what_is_under_way_is_moved_when_its_attempt_failed_and_is_not_overtaken,
            what_was_leased_for_too_long_is_moved_or_dropped,
            what_was_delivered_since_a_time_is_found_once_in_the_order_of_arrival,
            dead_letters_are_replayed_under_their_ids_and_counted_from_one,
            replayed_dead_letters_of_one_operation_keep_their_order,
            only_the_dead_letters_asked_for_are_replayed,
            what_matched_nothing_is_kept_and_can_be_routed_again,
            what_an_operator_means_is_found_by_sink_reason_and_time,
            a_count_looks_at_so_many_and_says_whether_these_are_all,
            a_list_goes_on_below_a_row_that_is_gone,
            pages_of_what_matched_nothing_meet_each_event_once_the_oldest_first,
            a_token_is_wiped_once_all_is_settled_and_its_time_is_over,
            a_token_stays_while_a_delivery_waits,
            a_notification_is_kept_byte_for_byte_until_its_token_is_wiped,
            retention_removes_what_is_settled_and_old,
            retention_never_removes_what_is_undelivered,
            a_removed_operation_begins_anew,
            the_quarantine_is_bounded_in_entries,
            the_quarantine_is_bounded_in_bytes,
            a_receipt_numbers_the_quarantine_entries_in_their_order,
            a_wish_is_found_once_and_ended,
            below_the_reserve_nothing_is_accepted_but_all_is_drained,
            backlogs_are_counted_by_sink,
            a_paused_sink_is_written_down_until_it_is_resumed,
            what_operators_were_told_is_kept_with_its_event,
            what_happened_in_a_minute_is_added_up_and_kept_for_a_day_and_an_hour,
            a_closed_store_says_so,
            ids_that_were_never_given_name_nothing,
        );
    };
}
pub(super) use suite;

const COMPLETED: Status = Status::Completed;
const RUNNING: Status = Status::Running;

fn name(sink: &str) -> SinkName {
    SinkName::new(sink)
}

fn is_new(stored: &Stored) -> bool {
    matches!(stored, Stored::New { .. })
}

// 1. Durable when `accept` returns.

pub async fn what_was_accepted_is_there_after_a_restart(mut test: TestStore) {
    test.accept(vec![recording("1").context("support-1").to(&["archive"])]).await;
    test.reopen(|_| {}).await;
    let lease = test.lease_one("archive").await;
    assert_eq!(lease.delivery.event.kind, "recordOperation.completed");
    assert_eq!(lease.delivery.event.client_context, ClientContext::new("support-1"));
    assert_eq!(lease.delivery.captures["queue"], "archive");
    assert!(lease.delivery.event.data.contains("https://file.location/1"));
}

pub async fn a_receipt_tells_of_each_notification_in_order(test: TestStore) {
    let batch = vec![recording("1").to(&[]), recording("1").to(&[]), resource("{}").to(&[]), recording("2").to(&[])];
    let stored = test.accept(batch).await;
    assert_eq!(stored.iter().map(is_new).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(orders(&stored), [Some(Order::First), None, None, Some(Order::First)]);
    assert_eq!(test.accept(Vec::new()).await, []);
}

pub async fn concurrent_requests_are_all_stored(test: TestStore) {
    let requests = (0..200).map(|n| test.accept(vec![recording(&format!("op-{n}")).to(&["archive"])]));
    for stored in futures_util::future::join_all(requests).await {
        assert!(is_new(&stored[0]));
    }
    assert_eq!(test.store.backlog().await.unwrap()[&name("archive")].n_open, 200);
}

// 2. Repeats; more in `repeats`.

pub async fn an_identified_repeat_is_a_duplicate(mut test: TestStore) {
    let told = [
        recording("1"),
        resource("{}").versioned(),
        resource("[]").graph_id("n-1", "s-1"),
        recording("2").graph_id("n-2", "s-1"),
    ];
    let batch = || told.iter().map(|told| told.clone().to(&["archive"])).collect::<Vec<_>>();
    assert!(test.accept(batch()).await.iter().all(is_new));
    test.pass(HOUR * 23);
    assert!(test.accept(batch()).await.iter().all(is_duplicate));
    test.reopen(|_| {}).await;
    assert!(test.accept(batch()).await.iter().all(is_duplicate));
    assert_eq!(test.lease("archive").await.len(), 4);
}

pub async fn an_identified_repeat_within_one_batch_is_a_duplicate(test: TestStore) {
    for told in [recording("1"), resource("{}").versioned(), resource("[]").graph_id("n-1", "s-1")] {
        let stored = test.accept(vec![told.clone().to(&["archive"]), told.to(&["archive"])]).await;
        assert!(is_new(&stored[0]));
        assert!(is_duplicate(&stored[1]));
    }
}

pub async fn a_repeat_after_the_window_is_new(test: TestStore) {
    for told in [recording("1"), resource("{}"), resource("[]").graph_id("n-1", "s-1")] {
        test.accept(vec![told.clone().to(&[])]).await;
        test.pass(HOUR * 24);
        assert!(is_new(&test.accept(vec![told.to(&[])]).await[0]));
    }
}

pub async fn the_same_bytes_of_another_subscription_are_new(test: TestStore) {
    let stored = test
        .accept(vec![
            resource("{}").graph_id("n-1", "s-1").to(&[]),
            resource("{}").graph_id("n-1", "s-2").to(&[]),
            resource("{}").to(&[]),
        ])
        .await;
    for stored in stored {
        assert!(matches!(stored, Stored::New { id_conflict: false, .. }));
    }
}

pub async fn other_bytes_under_a_known_graph_id_are_a_conflict(test: TestStore) {
    let told = |text: &str| vec![resource(text).graph_id("n-1", "s-1").to(&["archive"])];
    assert!(matches!(test.accept(told("1")).await[0], Stored::New { id_conflict: false, .. }));
    assert!(matches!(test.accept(told("2")).await[0], Stored::New { id_conflict: true, .. }));
    assert!(is_duplicate(&test.accept(told("1")).await[0]));
    assert_eq!(test.lease("archive").await.len(), 2);
}

// 3. Leases.

pub async fn a_delivery_is_held_by_one_lease(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive", "crm"])]).await;
    let lease = test.lease_one("archive").await;
    assert_eq!(lease.expires_at, test.clock.now() + SignedDuration::try_from(TTL).unwrap());
    assert!(test.lease("archive").await.is_empty());
    assert_eq!(test.lease("crm").await.len(), 1);
    test.deliver(lease).await;
    test.pass(HOUR);
    assert!(test.lease("archive").await.is_empty());
}

pub async fn an_expired_lease_is_given_anew_and_the_old_one_changes_nothing(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let old = test.lease_one("archive").await;
    let another_old = Lease {
        delivery: old.delivery.clone(),
        expires_at: old.expires_at,
        token: old.token,
        follows: false,
        held: Held::default(),
    };
    test.pass(HOUR);
    let lease = test.lease_one("archive").await;
    assert_eq!(lease.delivery.id, old.delivery.id);
    assert_eq!(lease.delivery.attempt, 1);
    assert_ne!(lease.token, old.token);
    test.bury(old).await;
    test.store.release(vec![another_old], test.clock.now()).await.unwrap();
    assert!(test.lease("archive").await.is_empty());
    let id = lease.delivery.id;
    test.deliver(lease).await;
    let view = test.store.delivery(id).await.unwrap().unwrap();
    assert_eq!((view.state, view.n_attempts), (DeliveryState::Delivered, 1));
}

pub async fn a_released_delivery_is_due_again_without_an_attempt(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let lease = test.lease_one("archive").await;
    test.store.release(vec![lease], test.clock.now() + HOUR).await.unwrap();
    assert!(test.lease("archive").await.is_empty());
    test.pass(HOUR);
    assert_eq!(test.lease_one("archive").await.delivery.attempt, 1);
}

pub async fn a_failed_attempt_is_due_later_and_counted(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    let lease = test.lease_one("archive").await;
    let id = lease.delivery.id;
    assert!(test.store.delivery(id).await.unwrap().unwrap().is_leased);
    let at = test.clock.now() + HOUR;
    test.settle(lease, Settlement::RetryAt { at, reason: "503".into() }).await;
    assert!(!test.store.delivery(id).await.unwrap().unwrap().is_leased);
    let failure = test.store.last_failure(&name("archive")).await.unwrap().unwrap();
    assert_eq!((failure.reason.as_str(), failure.took), ("503", Duration::from_millis(7)));
    assert_eq!(test.store.last_failure(&name("crm")).await.unwrap(), None);
    assert!(test.lease("archive").await.is_empty());
    assert_eq!(test.store.next_due(&name("archive")).await.unwrap(), Some(at));
    test.pass(HOUR);
    let lease = test.lease_one("archive").await;
    assert_eq!((lease.delivery.id, lease.delivery.attempt), (id, 2));
    test.deliver(lease).await;
    let view = test.store.delivery(id).await.unwrap().unwrap();
    assert_eq!((view.n_attempts, view.failures.len(), view.reason.as_str()), (2, 1, "503"));
    assert_eq!((view.failures[0].number, view.failures[0].took), (1, Duration::from_millis(7)));
    assert_eq!(view.at, test.clock.now());
    assert_eq!(test.store.last_failure(&name("archive")).await.unwrap(), None);
}

pub async fn what_is_known_of_a_sink_is_kept_with_its_outcomes_and_nothing_older_replaces_it(mut test: TestStore) {
    let now = test.clock.now();
    let of = |sink: &str, version, failing: bool, reason: &str| SinkCondition {
        sink: name(sink),
        version,
        failing_since: failing.then_some(now),
        last_failure: Some(Failure { at: now, reason: reason.into() }),
    };
    let record = async |condition: SinkCondition, settlement: Settlement| {
        test.accept(vec![recording(&condition.version.to_string()).to(&[condition.sink.as_str()])]).await;
        let lease = test.lease_one(condition.sink.as_str()).await;
        let outcome = test.outcome(lease, settlement);
        test.store.settle_noting(vec![outcome].into(), Some(condition)).await.unwrap();
    };
    let dead = || Settlement::Dead { reason: "410".into() };
    assert_eq!(test.store.sink_conditions().await.unwrap(), []);
    record(of("crm", 1, true, "410"), dead()).await;
    record(of("archive", 2, true, "410"), dead()).await;
    record(of("crm", 4, false, "503"), Settlement::Delivered).await;
    record(of("crm", 3, true, "timeout"), dead()).await;
    let kept = [of("archive", 2, true, "410"), of("crm", 4, false, "503")];
    assert_eq!(test.store.sink_conditions().await.unwrap(), kept);
    // Outcomes that say nothing of the sink leave it as it is.
    test.accept(vec![recording("5").to(&["archive"])]).await;
    test.deliver(test.lease_one("archive").await).await;
    test.reopen(|_| {}).await;
    assert_eq!(test.store.sink_conditions().await.unwrap(), kept);
    test.store.forget_conditions(vec![name("crm"), name("never heard of")]).await.unwrap();
    assert_eq!(test.store.sink_conditions().await.unwrap(), kept[..1]);
}

pub async fn the_longest_due_is_leased_first(test: TestStore) {
    for n in 0..5 {
        test.accept(vec![recording(&format!("op-{n}")).context(&n.to_string()).to(&["archive"])]).await;
        test.pass(HOUR);
    }
    let leases = test.store.lease(&name("archive"), Limit::of(3), TTL).await.unwrap();
    let contexts: Vec<_> = leases.iter().map(|lease| lease.delivery.event.client_context.clone().unwrap()).collect();
    assert_eq!(contexts.iter().map(ClientContext::as_str).collect::<Vec<_>>(), ["0", "1", "2"]);
}

// 4. Order.

async fn kinds(test: &TestStore, sink: &str) -> Vec<String> {
    test.lease(sink).await.iter().map(|lease| lease.delivery.event.kind.clone()).collect()
}

pub async fn deliveries_of_one_operation_keep_their_order(test: TestStore) {
    for status in [Status::NotStarted, RUNNING, COMPLETED] {
        test.accept(vec![recording("1").status(status).to(&["archive"])]).await;
    }
    for kind in ["recordOperation.notStarted", "recordOperation.running", "recordOperation.completed"] {
        let lease = test.lease_one("archive").await;
        assert_eq!(lease.delivery.event.kind, kind);
        assert!(test.lease("archive").await.is_empty(), "the next one waits");
        test.deliver(lease).await;
    }
    assert!(test.lease("archive").await.is_empty());
}

pub async fn a_dead_letter_lets_the_next_one_pass(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&["archive"]), recording("1").to(&["archive"])]).await;
    let blocked = test.store.deliveries(DeliveryState::Blocked, None, Newest::up_to(10)).await.unwrap();
    assert_eq!(blocked.len(), 1);
    let lease = test.lease_one("archive").await;
    test.bury(lease).await;
    assert_eq!(kinds(&test, "archive").await, ["recordOperation.completed"]);
}

pub async fn a_retry_holds_back_its_own_operation_and_sink_alone(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&["archive", "crm"])]).await;
    let lease = test.lease_one("archive").await;
    test.settle(lease, Settlement::RetryAt { at: test.clock.now() + HOUR, reason: "503".into() }).await;
    let lease = test.lease_one("crm").await;
    test.deliver(lease).await;
    test.accept(vec![recording("1").to(&["archive", "crm"]), recording("2").context("other").to(&["archive"])]).await;
    assert_eq!(kinds(&test, "crm").await, ["recordOperation.completed"]);
    let other = test.lease_one("archive").await;
    assert_eq!(other.delivery.event.client_context, ClientContext::new("other"));
    test.pass(HOUR);
    assert!(kinds(&test, "archive").await.contains(&"recordOperation.running".to_owned()));
}

/// `n` notifications of one operation for `archive`, each of bytes of its own.
async fn run_of(test: &TestStore, n: usize) {
    accept_chain(&*test.store, test.clock.now(), n).await;
}

fn turns(leases: &[Lease]) -> Vec<(usize, bool)> {
    let turn = |lease: &Lease| lease.delivery.event.client_context.as_ref().unwrap().as_str().parse().unwrap();
    leases.iter().map(|lease| (turn(lease), lease.follows)).collect()
}

pub async fn what_waits_behind_a_delivery_is_leased_with_it_in_order(test: TestStore) {
    run_of(&test, 5).await;
    test.accept(vec![recording("other").context("9").to(&["archive"])]).await;
    let leases = test.lease_run("archive", 4).await;
    assert_eq!(turns(&leases), [(0, false), (1, true), (2, true), (9, false)]);
    assert!(test.lease_run("archive", 4).await.is_empty(), "nobody else gets what waits behind it");
    test.settle_all(leases, &Settlement::Delivered).await;
    let leases = test.lease_run("archive", 4).await;
    assert_eq!(turns(&leases), [(3, false), (4, true)]);
    // One after the other is as good.
    for lease in leases {
        test.deliver(lease).await;
    }
    assert_eq!(test.store.backlog().await.unwrap().get(&name("archive")), None);
}

pub async fn a_run_that_is_put_off_waits_behind_its_first(test: TestStore) {
    run_of(&test, 3).await;
    let mut leases = test.lease_run("archive", 10).await;
    let first = leases.remove(0);
    test.settle(first, Settlement::RetryAt { at: test.clock.now() + HOUR, reason: "503".into() }).await;
    test.store.release(leases, test.clock.now()).await.unwrap();
    assert!(test.lease_run("archive", 10).await.is_empty());
    test.pass(HOUR);
    let leases = test.lease_run("archive", 10).await;
    assert_eq!(turns(&leases), [(0, false), (1, true), (2, true)]);
    assert_eq!(leases.iter().map(|lease| lease.delivery.attempt).collect::<Vec<_>>(), [2, 1, 1]);
}

pub async fn a_run_is_leased_anew_as_a_whole_and_its_old_leases_change_nothing(test: TestStore) {
    run_of(&test, 3).await;
    let old = test.lease_run("archive", 10).await;
    test.pass(HOUR);
    let leases = test.lease_run("archive", 10).await;
    assert_eq!(turns(&leases), [(0, false), (1, true), (2, true)]);
    test.settle_all(old, &Settlement::Dead { reason: "too late".into() }).await;
    assert_eq!(test.store.backlog().await.unwrap()[&name("archive")].n_dead, 0);
    // What is unblocked after the lease's end is due for whoever asks first.
    let (mut leases, late) = (leases, test.clock.now() + HOUR);
    let first = leases.remove(0);
    test.pass(HOUR);
    test.deliver(first).await;
    assert_eq!(test.store.next_due(&name("archive")).await.unwrap(), Some(late));
    assert_eq!(turns(&test.lease_run("archive", 10).await), [(1, false), (2, true)]);
    test.settle_all(leases, &Settlement::Dead { reason: "too late".into() }).await;
    assert_eq!(test.store.backlog().await.unwrap()[&name("archive")].n_dead, 0);
}

pub async fn a_run_whose_process_ended_is_due_from_its_first_on(mut test: TestStore) {
    run_of(&test, 3).await;
    assert_eq!(test.lease_run("archive", 10).await.len(), 3);
    test.reopen(|_| {}).await;
    let leases = test.lease_run("archive", 1).await;
    assert_eq!(turns(&leases), [(0, false)]);
    test.settle_all(leases, &Settlement::Delivered).await;
    assert_eq!(turns(&test.lease_run("archive", 10).await), [(1, false), (2, true)]);
}

pub async fn a_dead_letter_in_a_run_lets_the_next_one_pass(test: TestStore) {
    run_of(&test, 3).await;
    let mut leases = test.lease_run("archive", 10).await;
    let last = leases.pop().unwrap();
    test.settle_all(leases, &Settlement::Dead { reason: "410".into() }).await;
    test.deliver(last).await;
    let backlog = &test.store.backlog().await.unwrap()[&name("archive")];
    assert_eq!((backlog.n_open, backlog.n_dead), (0, 2));
}

pub async fn what_an_operator_replays_beside_a_run_costs_no_repeat(test: TestStore) {
    run_of(&test, 4).await;
    let mut leases = test.lease_run("archive", 1).await;
    test.bury(leases.remove(0)).await;
    let leases = test.lease_run("archive", 10).await;
    assert_eq!(turns(&leases), [(1, false), (2, true), (3, true)]);
    assert_eq!(test.store.replay_all(None).await, 1);
    test.settle_all(leases, &Settlement::Delivered).await;
    assert_eq!(turns(&test.lease_run("archive", 10).await), [(0, false)]);
}

pub async fn a_long_run_is_drained_in_few_commits(test: TestStore) {
    run_of(&test, 1_000).await;
    let (mut drained, mut n_rounds) = (Vec::new(), 0);
    while drained.len() < 1_000 {
        let leases = test.lease_run("archive", 256).await;
        drained.extend(turns(&leases).into_iter().map(|(turn, _)| turn));
        test.settle_all(leases, &Settlement::Delivered).await;
        n_rounds += 1;
    }
    assert_eq!(n_rounds, 4);
    assert!(drained.is_sorted() && drained.len() == 1_000);
}

// 5. The operation.

pub async fn a_terminal_status_never_changes(test: TestStore) {
    let told = [RUNNING, COMPLETED, Status::Failed, RUNNING, Status::Unknown("paused".into())];
    let mut found = Vec::new();
    for (n, status) in told.into_iter().enumerate() {
        let told = recording("1").status(status).raw(&n.to_string());
        found.extend(orders(&test.accept(vec![told.to(&[])]).await));
    }
    let expected = [Order::First, Order::Advanced, Order::Conflicting, Order::Late, Order::Late];
    assert_eq!(found, expected.map(Some));
    let operations = test.store.operations("1").await.unwrap();
    assert_eq!(operations[0].status, COMPLETED);
    let shown: Vec<_> = operations[0].events.iter().map(|event| event.order).collect();
    assert_eq!(shown, expected.map(Some));
}

pub async fn weaker_proof_never_changes_what_stronger_proof_established(test: TestStore) {
    let forged = |id: &str, n: &str| {
        let told = recording(id).context("ctx").call(None).proof(Proof::ClientState).raw(n).token("forged");
        told.with(|operation| operation.recording_location = Some("https://elsewhere/".into())).to(&["archive"])
    };
    test.accept(vec![recording("1").status(RUNNING).context("ctx").to(&[])]).await;
    assert_eq!(orders(&test.accept(vec![forged("1", "a")]).await), [Some(Order::Weaker)]);
    let known = test.store.operations("1").await.unwrap().remove(0);
    assert_eq!((known.status, known.events.len()), (RUNNING, 2));
    assert_eq!(known.events[1].previous, Some(RUNNING));
    let event = test.lease_one("archive").await.delivery.event;
    assert_eq!((event.kind.as_str(), event.order), ("recordOperation.completed", Some(Order::Weaker)));
    let kept = test.operations.get(&GraphId::new("1").unwrap(), None).await.unwrap().unwrap();
    assert_eq!(
        (kept.recording_location, kept.recording_access_token.is_none()),
        (Some("https://file.location/1".into()), true)
    );
    let end = recording("1").status(Status::Failed).context("ctx");
    assert_eq!(orders(&test.accept(vec![end.to(&[])]).await), [Some(Order::Advanced)]);
    assert_eq!(test.store.operations("1").await.unwrap()[0].status, Status::Failed);
}

pub async fn what_weaker_proof_established_stands_back_for_stronger_proof(test: TestStore) {
    test.accept(vec![recording("1").proof(Proof::ClientState).to(&[])]).await;
    assert_eq!(test.store.operations("1").await.unwrap()[0].status, COMPLETED);
    let told = recording("1").status(RUNNING);
    assert_eq!(orders(&test.accept(vec![told.to(&[])]).await), [Some(Order::Advanced)]);
    assert_eq!(test.store.operations("1").await.unwrap()[0].status, RUNNING);
    let told = recording("1").status(Status::Failed).proof(Proof::ValidationToken);
    assert_eq!(orders(&test.accept(vec![told.to(&[])]).await), [Some(Order::Weaker)]);
    assert_eq!(test.store.operations("1").await.unwrap()[0].status, RUNNING);
}

pub async fn subscriptions_with_encrypted_content_are_remembered(test: TestStore) {
    assert!(test.store.rich_subscriptions().await.unwrap().is_empty());
    test.store.remember_rich(vec!["b".into(), "a".into()]).await.unwrap();
    test.store.remember_rich(vec!["a".into(), "c".into()]).await.unwrap();
    assert_eq!(test.store.rich_subscriptions().await.unwrap(), ["b", "a", "c"]);
    let many = (0..MAX_RICH_SUBSCRIPTIONS - 1).map(|n| n.to_string()).collect();
    test.store.remember_rich(many).await.unwrap();
    let known = test.store.rich_subscriptions().await.unwrap();
    assert_eq!((known.len(), known[0].as_str()), (MAX_RICH_SUBSCRIPTIONS, "c"));
}

pub async fn an_event_tells_what_was_known_before(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&["archive"]), recording("1").to(&["archive"])]).await;
    let lease = test.lease_one("archive").await;
    assert!(lease.delivery.event.previous.is_none());
    test.deliver(lease).await;
    let event = test.lease_one("archive").await.delivery.event;
    assert_eq!(event.previous.as_ref().map(|previous| &previous.status), Some(&RUNNING));
}

pub async fn the_spellings_of_an_operations_id_are_one_operation(test: TestStore) {
    let (plain, dashed) = ("0FE0623FD62842EDB4BD8AC290072CC5", "0fe0623f-d628-42ed-b4bd-8ac290072cc5");
    test.accept(vec![recording(plain).status(RUNNING).to(&[]), recording(dashed).to(&[])]).await;
    for spelling in [plain, dashed] {
        let operations = test.store.operations(spelling).await.unwrap();
        assert_eq!((operations.len(), operations[0].events.len()), (1, 2));
        assert_eq!(operations[0].id, dashed);
    }
    assert!(test.store.operations("").await.unwrap().is_empty());
}

pub async fn a_call_that_is_told_later_joins_its_operation(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).call(None).to(&[])]).await;
    test.accept(vec![recording("1").to(&[])]).await;
    test.accept(vec![recording("1").call(None).to(&[])]).await;
    let operations = test.store.operations("1").await.unwrap();
    assert_eq!(operations.len(), 1);
    assert_eq!(operations[0].call_id.as_deref(), Some("call"));
    assert_eq!(operations[0].events.len(), 3);
}

pub async fn calls_that_share_an_operation_id_are_two_operations(test: TestStore) {
    test.accept(vec![recording("1").call(Some("a")).to(&[]), recording("1").call(Some("b")).status(RUNNING).to(&[])])
        .await;
    let operations = test.store.operations("1").await.unwrap();
    let statuses: Vec<_> = operations.iter().map(|it| (it.call_id.as_deref(), it.status.clone())).collect();
    assert_eq!(statuses, [(Some("a"), COMPLETED), (Some("b"), RUNNING)]);
}

pub async fn a_shared_client_context_is_ambiguous_until_the_other_ends(test: TestStore) {
    let told = |id: &str, status: Status| vec![recording(id).status(status).context("shared").to(&[])];
    let is_ambiguous = |stored: Vec<Stored>| matches!(stored[0], Stored::New { ambiguous: true, .. });
    assert!(!is_ambiguous(test.accept(told("1", RUNNING)).await));
    assert!(is_ambiguous(test.accept(told("2", RUNNING)).await));
    assert!(is_ambiguous(test.accept(told("1", COMPLETED)).await));
    assert!(!is_ambiguous(test.accept(told("2", COMPLETED)).await));
}

// The memory queue.

fn taken(fresh: &mut Receiver<Lease>) -> Lease {
    fresh.try_recv().expect("a fresh delivery")
}

pub async fn a_fresh_lease_is_what_would_be_read_back(test: TestStore) {
    let mut fresh = test.process.queues.open(&name("archive"), &room(8), TTL);
    let recording = recording("1").status(RUNNING).context("x").token("secret");
    test.accept(vec![recording.to(&["archive"]), resource("{\"a\":1}").to(&["crm", "archive"])]).await;
    for _ in 0..2 {
        let lease = taken(&mut fresh);
        assert!(test.lease("archive").await.is_empty(), "it is leased already");
        let first = (lease.delivery.id, seen(&lease.delivery.event), lease.delivery.captures.clone());
        assert_eq!(lease.delivery.attempt, 1);
        test.store.release(vec![lease], test.clock.now()).await.unwrap();
        let lease = test.lease_one("archive").await;
        assert_eq!((lease.delivery.id, seen(&lease.delivery.event), lease.delivery.captures.clone()), first);
        test.deliver(lease).await;
    }
    assert!(fresh.try_recv().is_err());
}

pub async fn what_finds_no_place_in_memory_waits_in_the_store(test: TestStore) {
    let mut fresh = test.process.queues.open(&name("archive"), &room(2), TTL);
    test.accept((0..5).map(|n| recording(&format!("op-{n}")).to(&["archive"])).collect()).await;
    test.process.queues.woken(&name("archive")).await;
    let (first, second) = (taken(&mut fresh), taken(&mut fresh));
    assert!(fresh.try_recv().is_err());
    assert_eq!(test.lease("archive").await.len(), 3);
    test.deliver(first).await;
    test.deliver(second).await;
    assert_eq!(test.store.backlog().await.unwrap()[&name("archive")].n_open, 3);
}

pub async fn a_delivery_blocked_at_first_does_not_go_to_memory(test: TestStore) {
    let mut fresh = test.process.queues.open(&name("archive"), &room(8), TTL);
    test.accept(vec![recording("1").status(RUNNING).to(&["archive"]), recording("1").to(&["archive"])]).await;
    let lease = taken(&mut fresh);
    assert!(fresh.try_recv().is_err());
    test.deliver(lease).await;
    test.process.queues.woken(&name("archive")).await;
    assert_eq!(kinds(&test, "archive").await, ["recordOperation.completed"]);
}

pub async fn two_routes_to_one_sink_are_one_delivery(test: TestStore) {
    test.accept(vec![recording("1").to(&["archive", "crm", "archive"])]).await;
    assert_eq!(test.lease("archive").await.len(), 1);
    assert_eq!(test.lease("crm").await.len(), 1);
}

pub async fn next_due_passes_over_what_is_leased(test: TestStore) {
    let due = async || test.store.next_due(&name("archive")).await.unwrap();
    assert_eq!(due().await, None);
    test.accept(vec![recording("1").to(&["archive"])]).await;
    assert_eq!(due().await, Some(test.clock.now()));
    let lease = test.lease_one("archive").await;
    assert_eq!(due().await, None);
    test.pass(HOUR);
    assert!(due().await.is_some_and(|due| due <= test.clock.now()), "the lease is over");
    test.deliver(lease).await;
    assert_eq!(due().await, None);
}

// Operators.

async fn dead(test: &TestStore, told: Vec<Accepted>, sink: &str) -> Vec<DeliveryId> {
    let n = told.len();
    test.accept(told).await;
    let mut ids = Vec::new();
    while ids.len() < n {
        let leases = test.lease(sink).await;
        ids.extend(leases.iter().map(|lease| lease.delivery.id));
        test.settle_all(leases, &Settlement::Dead { reason: "410 Gone".into() }).await;
    }
    ids
}

pub async fn dead_letters_are_replayed_under_their_ids_and_counted_from_one(test: TestStore) {
    let id = dead(&test, vec![recording("1").to(&["archive"])], "archive").await[0];
    assert_eq!(
        test.store.deliveries(DeliveryState::Dead, None, Newest::up_to(10)).await.unwrap()[0].reason,
        "410 Gone"
    );
    test.pass(HOUR);
    assert_eq!(test.store.replay_dead(DeadLetters::One(id)).await.unwrap(), 1);
    assert_eq!(test.store.replay_dead(DeadLetters::One(id)).await.unwrap(), 0, "it is no dead letter any more");
    let lease = test.lease_one("archive").await;
    assert_eq!((lease.delivery.id, lease.delivery.attempt), (id, 1));
    test.bury(lease).await;
    let view = test.store.delivery(id).await.unwrap().unwrap();
    assert_eq!((view.n_attempts, view.failures.len()), (2, 2), "what failed before stays on record");
    let told: Vec<_> = view.failures.iter().map(|it| (it.number, it.is_after_replay)).collect();
    assert_eq!(told, [(1, false), (2, true)], "numbered through, and the replay is marked");
    test.store.replay_dead(DeadLetters::One(id)).await.unwrap();
    test.pass(HOUR);
    test.settle(test.lease_one("archive").await, retry_in(&test, HOUR)).await;
    test.pass(HOUR);
    test.deliver(test.lease_one("archive").await).await;
    let view = test.store.delivery(id).await.unwrap().unwrap();
    let told: Vec<_> = view.failures.iter().map(|it| (it.number, it.is_after_replay)).collect();
    assert_eq!(told, [(1, false), (2, true), (3, true)]);
    assert!(!view.success.unwrap().is_after_replay, "it is the second one after the replay");
}

pub async fn replayed_dead_letters_of_one_operation_keep_their_order(test: TestStore) {
    let told = [Status::NotStarted, RUNNING, COMPLETED].map(|status| recording("1").status(status).to(&["archive"]));
    dead(&test, told.into(), "archive").await;
    assert_eq!(test.store.replay_all(None).await, 3);
    for kind in ["recordOperation.notStarted", "recordOperation.running", "recordOperation.completed"] {
        let lease = test.lease_one("archive").await;
        assert_eq!(lease.delivery.event.kind, kind);
        test.deliver(lease).await;
    }
}

pub async fn only_the_dead_letters_asked_for_are_replayed(test: TestStore) {
    let many = (0..1200).map(|n| recording(&format!("op-{n}")).to(&["archive"])).collect();
    dead(&test, many, "archive").await;
    dead(&test, vec![resource("1").to(&["crm"])], "crm").await;
    assert_eq!(
        test.store.deliveries(DeliveryState::Dead, Some(&name("crm")), Newest::up_to(10)).await.unwrap().len(),
        1
    );
    assert_eq!(test.store.replay_all(Some(name("archive"))).await, 1200);
    let backlog = test.store.backlog().await.unwrap();
    assert_eq!((backlog[&name("archive")].n_open, backlog[&name("crm")].n_dead), (1200, 1));
    assert_eq!(test.store.replay_all(None).await, 1);
}

pub async fn what_matched_nothing_is_kept_and_can_be_routed_again(test: TestStore) {
    let stored = test.accept(vec![recording("1").context("x").to(&[]), resource("{}").to(&[])]).await;
    let unmatched = test.store.unmatched(Newest::up_to(10)).await.unwrap();
    assert_eq!(unmatched.len(), 2);
    assert_eq!((unmatched[0].data.as_str(), unmatched[1].client_context.as_deref()), ("{}", Some("x")));
    let Stored::New { event, .. } = stored[0] else { panic!("{stored:?}") };
    assert_eq!(test.store.route_again(event, Vec::new()).await.unwrap(), None);
    let deliveries = vec![delivery_to("archive"), delivery_to("archive"), delivery_to("crm")];
    assert_eq!(test.store.route_again(event, deliveries.clone()).await.unwrap(), Some(2));
    assert_eq!(test.store.route_again(event, deliveries).await.unwrap(), None, "it was routed");
    assert_eq!(test.store.unmatched(Newest::up_to(10)).await.unwrap().len(), 1);
    assert_eq!(test.lease_one("archive").await.delivery.event.id, event);
    assert_eq!(test.store.event(event).await.unwrap().unwrap().deliveries.len(), 2);
}

fn retry_in(test: &TestStore, wait: SignedDuration) -> Settlement {
    Settlement::RetryAt { at: test.clock.now() + wait, reason: "503".into() }
}

pub async fn what_waits_for_its_next_attempt_is_made_due_and_its_attempts_go_on(test: TestStore) {
    test.accept((0..1_200).map(|n| resource(&format!("{{\"n\":{n}}}")).to(&["crm", "archive"])).collect()).await;
    let crm = name("crm");
    let leases = test.lease_run("crm", 2_000).await;
    let ids: Vec<DeliveryId> = leases.iter().map(|lease| lease.delivery.id).collect();
    test.settle_all(leases, &retry_in(&test, HOUR)).await;
    let archived = test.lease_run("archive", 2_000).await;
    test.settle_all(archived, &retry_in(&test, HOUR)).await;
    assert!(test.lease("crm").await.is_empty());
    assert_eq!(test.store.make_due(&crm).await.unwrap(), 1_200);
    assert_eq!(test.store.n_due(&crm).await.unwrap(), 1_200);
    assert_eq!(test.store.make_due(&crm).await.unwrap(), 0, "they are due");
    assert_eq!(test.store.n_due(&name("archive")).await.unwrap(), 0, "they wait");
    assert_eq!(test.store.next_due(&crm).await.unwrap(), Some(test.clock.now()));
    let mut leases = test.lease_run("crm", 2_000).await;
    assert_eq!(leases.iter().map(|lease| lease.delivery.id).collect::<Vec<_>>(), ids, "the oldest first");
    assert!(leases.iter().all(|lease| lease.delivery.attempt == 2), "the schedule goes on");
    assert!(test.lease("archive").await.is_empty(), "another sink's wait");
    assert_eq!(test.store.n_due(&crm).await.unwrap(), 0, "they are under way");
    let (last, rest) = (leases.pop().unwrap(), leases);
    test.settle_all(rest, &Settlement::Delivered).await;
    assert_eq!(test.store.make_due(&crm).await.unwrap(), 0, "what is being attempted stays under its lease");
    test.deliver(last).await;
    assert_eq!(test.store.backlog().await.unwrap().get(&crm), None);
}

pub async fn what_is_made_due_keeps_the_order_of_its_operation(test: TestStore) {
    accept_chain(&*test.store, test.clock.now(), 3).await;
    let first = test.lease_one("archive").await;
    test.settle(first, retry_in(&test, HOUR)).await;
    assert_eq!(test.store.make_due(&name("archive")).await.unwrap(), 1, "the others wait for the first");
    let run = test.lease_run("archive", 10).await;
    let told: Vec<_> =
        run.iter().map(|it| (it.delivery.event.client_context.clone(), it.delivery.attempt, it.follows)).collect();
    let context = |n: &str| ClientContext::new(n);
    assert_eq!(told, [(context("0"), 2, false), (context("1"), 1, true), (context("2"), 1, true)]);
}

pub async fn one_delivery_is_made_due_or_the_one_that_it_waits_for(test: TestStore) {
    accept_chain(&*test.store, test.clock.now(), 2).await;
    test.accept(vec![resource("{}").to(&["archive"])]).await;
    let mut leases = test.lease("archive").await;
    let (other, first) = (leases.pop().unwrap(), leases.pop().unwrap());
    let (other_id, first_id) = (other.delivery.id, first.delivery.id);
    let blocked = test.store.deliveries(DeliveryState::Blocked, None, Newest::up_to(9)).await.unwrap()[0].id;
    let made_due = async |id| test.store.make_one_due(id).await.unwrap();
    assert_eq!(made_due(first_id).await, Some(MadeDue::UnderWay(first_id)));
    assert_eq!(made_due(blocked).await, Some(MadeDue::UnderWay(first_id)));
    test.settle(first, retry_in(&test, HOUR)).await;
    test.settle(other, retry_in(&test, HOUR)).await;
    assert_eq!(made_due(blocked).await, Some(MadeDue::Due(first_id)));
    let lease = test.lease_one("archive").await;
    assert_eq!((lease.delivery.id, lease.delivery.attempt), (first_id, 2), "the other one still waits");
    test.deliver(lease).await;
    assert_eq!(made_due(first_id).await, Some(MadeDue::Settled(DeliveryState::Delivered)));
    assert_eq!(made_due(blocked).await, Some(MadeDue::Due(blocked)), "it is due already");
    test.bury(test.lease_one("archive").await).await;
    assert_eq!(made_due(blocked).await, Some(MadeDue::Settled(DeliveryState::Dead)));
    assert_eq!(made_due(other_id).await, Some(MadeDue::Due(other_id)));
    assert_eq!(test.lease_one("archive").await.delivery.id, other_id);
    assert_eq!(made_due(DeliveryId(uuid::Uuid::nil())).await, None);
}

pub async fn a_delivered_event_is_sent_again_by_a_new_delivery_that_names_the_first(mut test: TestStore) {
    test.accept(vec![recording("1").context("c").to(&["crm", "archive"])]).await;
    let first = test.lease_one("crm").await;
    let (id, event) = (first.delivery.id, first.delivery.event.id);
    assert!(first.delivery.resend_of.is_none());
    assert!(test.store.resend(vec![id], None).await.unwrap().is_empty(), "it waits");
    test.deliver(first).await;
    let resent = test.store.resend(vec![id, DeliveryId(uuid::Uuid::nil())], None).await.unwrap();
    assert_eq!((resent.len(), resent[0].of), (1, id));
    test.reopen(|_| {}).await;
    let again = test.lease_one("crm").await;
    assert_eq!((again.delivery.id, again.delivery.event.id, again.delivery.attempt), (resent[0].id, event, 1));
    assert_eq!((again.delivery.resend_of, &*again.delivery.captures["queue"]), (Some(id), "crm"));
    assert_ne!(again.delivery.id, id, "a receiver that knows the first id takes it");
    test.deliver(again).await;
    // A resend of a resend names the first, and it may go to another sink.
    let third = test.store.resend(vec![resent[0].id], Some(name("third"))).await.unwrap();
    let lease = test.lease_one("third").await;
    assert_eq!((lease.delivery.id, lease.delivery.resend_of), (third[0].id, Some(id)));
    let shown = test.store.event(event).await.unwrap().unwrap();
    let of: Vec<_> = shown.deliveries.iter().map(|it| (it.sink.as_str(), it.resend_of)).collect();
    assert_eq!(of, [("crm", None), ("archive", None), ("crm", Some(id)), ("third", Some(id))]);
    test.bury(lease).await;
    assert!(test.store.resend(vec![third[0].id], None).await.unwrap().is_empty(), "a dead letter is replayed");
    assert_eq!(test.lease_one("archive").await.delivery.event.id, event, "the other sink's delivery is its own");
}

pub async fn what_is_sent_again_keeps_the_order_of_its_operation(test: TestStore) {
    accept_chain(&*test.store, test.clock.now(), 3).await;
    let run = test.lease_run("archive", 10).await;
    let ids: Vec<DeliveryId> = run.iter().map(|lease| lease.delivery.id).collect();
    test.settle_all(run, &Settlement::Delivered).await;
    let resent = test.store.resend(ids.clone(), None).await.unwrap();
    assert_eq!(resent.iter().map(|it| it.of).collect::<Vec<_>>(), ids);
    let run = test.lease_run("archive", 10).await;
    let told: Vec<_> = run.iter().map(|it| (it.delivery.resend_of, it.follows)).collect();
    assert_eq!(told, [(Some(ids[0]), false), (Some(ids[1]), true), (Some(ids[2]), true)]);
}

pub async fn what_is_under_way_is_moved_when_its_attempt_failed_and_is_not_overtaken(test: TestStore) {
    accept_chain(&*test.store, test.clock.now(), 3).await;
    let under_way = test.store.lease(&name("archive"), Limit::of(1), TTL).await.unwrap().remove(0);
    test.accept(vec![resource("{}").to(&["archive"])]).await;
    let moved = async || test.store.move_waiting(&name("archive"), &name("crm")).await.unwrap();
    let waiting = async |sink| test.store.backlog().await.unwrap().get(&name(sink)).map_or(0, |it| it.n_open);
    assert_eq!(moved().await, 1, "the two behind the one under way would overtake it");
    assert_eq!((waiting("archive").await, waiting("crm").await), (3, 1));
    test.settle(under_way, retry_in(&test, HOUR)).await;
    assert_eq!((moved().await, moved().await), (3, 0));
    assert_eq!((waiting("archive").await, waiting("crm").await), (0, 4));
    let mut run = test.lease_run("crm", 10).await;
    let told: Vec<_> = run.iter().map(|it| (it.delivery.event.client_context.clone(), it.delivery.attempt)).collect();
    let context = |n: &str| ClientContext::new(n);
    assert_eq!(told.len(), 4);
    let chain: Vec<_> = told.into_iter().filter(|(context, _)| context.is_some()).collect();
    assert_eq!(chain, [(context("0"), 1), (context("1"), 1), (context("2"), 1)]);

    // One that is delivered meanwhile is not moved.
    test.deliver(run.remove(0)).await;
    test.store.release(run, test.clock.now()).await.unwrap();
    assert_eq!((waiting("crm").await, waiting("archive").await), (3, 0));
}

pub async fn what_was_leased_for_too_long_is_moved_or_dropped(test: TestStore) {
    test.accept(vec![resource("1").to(&["archive"]), resource("2").to(&["third"])]).await;
    let [moved, dropped] = [test.lease_one("archive").await, test.lease_one("third").await];
    let redirect = async || {
        let moved = test.store.move_waiting(&name("archive"), &name("crm")).await.unwrap();
        (moved, test.store.drop_waiting(&name("third")).await.unwrap())
    };
    assert_eq!(redirect().await, (0, 0), "both are under way");
    test.pass(SignedDuration::from_secs(91));
    assert_eq!(redirect().await, (1, 1), "nobody attempts them any more");
    // What their holders still tell changes nothing.
    test.deliver(moved).await;
    test.deliver(dropped).await;
    let backlog = test.store.backlog().await.unwrap();
    assert_eq!((backlog[&name("crm")].n_open, backlog[&name("third")].n_dead), (1, 1));
    test.deliver(test.lease_one("crm").await).await;
}

pub async fn what_was_delivered_since_a_time_is_found_once_in_the_order_of_arrival(test: TestStore) {
    let deliver_all = async |sink| {
        let leases = test.lease_run(sink, 2_000).await;
        test.settle_all(leases, &Settlement::Delivered).await;
    };
    let accept = async |n: usize| {
        test.accept(vec![
            recording(&format!("op-{n}")).to(&["crm", "archive"]),
            resource(&format!("[{n}]")).to(&["crm"]),
        ])
        .await;
        deliver_all("crm").await;
        test.pass(SignedDuration::from_secs(1));
    };
    for n in 0..5 {
        accept(n).await;
    }
    deliver_all("archive").await;
    let since = test.clock.now();
    for n in 5..20 {
        accept(n).await;
    }
    test.accept(vec![resource("waits").to(&["crm"])]).await;
    let all = reelhook::store::Delivered {
        sink: None,
        route: None,
        kind: None,
        since,
        until: test.clock.now(),
        delivered_until: Timestamp::MAX,
    };
    let found = async |which: &reelhook::store::Delivered| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let looked = test.store.delivered(which, after, 7).await.unwrap();
            assert!(looked.n_seen <= 7);
            found.extend(looked.found.into_iter().map(|it| it.id));
            after = looked.last;
            if after.is_none() {
                break found;
            }
        }
    };
    let everything = found(&all).await;
    let in_order = |id: &DeliveryId| reelhook::store::ids::delivery_row(id.0);
    assert!(everything.len() == 30 && everything.is_sorted_by_key(in_order), "{everything:?}");
    let of_sink = |sink| reelhook::store::Delivered { sink: Some(name(sink)), ..all.clone() };
    assert_eq!((found(&of_sink("crm")).await.len(), found(&of_sink("archive")).await.len()), (30, 0));
    let of_kind = |kind: &str| reelhook::store::Delivered { kind: Some(kind.into()), ..all.clone() };
    assert_eq!(found(&of_kind("recordOperation.completed")).await.len(), 15);
    let by = |route| reelhook::store::Delivered { route: Some(RouteName::new(route)), ..all.clone() };
    assert_eq!((found(&by("all")).await.len(), found(&by("none")).await.len()), (30, 0));
    let before = reelhook::store::Delivered { delivered_until: since - SignedDuration::from_secs(1), ..all.clone() };
    let before = reelhook::store::Delivered { since: since - HOUR, ..before };
    assert_eq!(found(&before).await.len(), 10, "archive's deliveries waited until later");
    let earlier = reelhook::store::Delivered {
        since: since - HOUR,
        until: since - SignedDuration::from_millis(1),
        ..all.clone()
    };
    assert_eq!(found(&earlier).await.len(), 15, "both sinks' deliveries, and nothing that came later");
    test.store.resend(everything, None).await.unwrap();
    deliver_all("crm").await;
    test.pass(HOUR);
    let later = reelhook::store::Delivered { until: test.clock.now(), ..all.clone() };
    assert_eq!(found(&later).await.len(), 31, "the one that waited, and no resend");
}

pub async fn what_an_operator_means_is_found_by_sink_reason_and_time(test: TestStore) {
    use reelhook::store::UnmatchedFilter;
    let began = test.clock.now();
    for (n, reason) in ["answered 500", "Answered 401", "answered 500"].into_iter().enumerate() {
        test.accept(vec![recording(&format!("op-{n}")).to(&["crm", "archive"]), resource(&format!("[{n}]")).to(&[])])
            .await;
        for sink in ["crm", "archive"] {
            test.settle(test.lease_one(sink).await, Settlement::Dead { reason: reason.into() }).await;
        }
        test.accept_batch(vec![recording(&format!("none-{n}")).to(&[])], vec![refused(&n.to_string())]).await.unwrap();
        test.pass(HOUR);
    }
    let (all, second) = (DeadFilter::default(), began + HOUR);
    let dead = async |which: DeadFilter| {
        let ids: Vec<_> = test.store.dead_keys(&which, None, 99).await.unwrap().into_iter().map(|key| key.id).collect();
        let mut listed = test.store.dead_letters(&which, Newest::up_to(99)).await.unwrap().rows;
        listed.reverse();
        let in_order: Vec<_> = listed.iter().map(|it| it.delivery.id).collect();
        assert!(ids.len() == in_order.len() && ids.iter().all(|id| in_order.contains(id)), "{ids:?} {in_order:?}");
        ids.len()
    };
    assert_eq!(dead(all.clone()).await, 6);
    assert_eq!(dead(DeadFilter { sink: Some(name("crm")), ..all.clone() }).await, 3);
    assert_eq!(dead(DeadFilter { reason: Some("answered 4".into()), ..all.clone() }).await, 2, "in any case");
    assert_eq!(dead(DeadFilter { since: Some(second), ..all.clone() }).await, 4);
    assert_eq!(dead(DeadFilter { since: Some(second), until: Some(second), ..all.clone() }).await, 2);
    let of_crm = DeadFilter { sink: Some(name("crm")), ..all };
    let keys = test.store.dead_keys(&of_crm, None, 2).await.unwrap();
    let rest = test.store.dead_keys(&of_crm, keys.last(), 2).await.unwrap();
    let ids: Vec<_> = keys.into_iter().map(|key| key.id).collect();
    assert!(rest.len() == 1 && !ids.contains(&rest[0].id), "those behind the last one");
    assert!(ids.is_sorted_by_key(|id| reelhook::store::ids::delivery_row(id.0)), "the earliest first");
    assert_eq!(test.store.replay_dead(DeadLetters::Some(ids.clone())).await.unwrap(), 2);
    assert_eq!(test.store.replay_dead(DeadLetters::Some(ids)).await.unwrap(), 0, "they are none any more");
    assert_eq!(test.store.dead_keys(&of_crm, None, 99).await.unwrap(), rest);

    let entries = async |which: QuarantineFilter| {
        let ids = test.store.quarantine_ids(&which, None, 99).await.unwrap();
        let mut listed = test.store.quarantined(&which, Newest::up_to(99)).await.unwrap();
        listed.reverse();
        assert_eq!(ids, listed.iter().map(|it| it.id).collect::<Vec<_>>());
        ids
    };
    let everything = entries(QuarantineFilter::default()).await;
    let client_state = QuarantineFilter { reason: Some(Reason::ClientState), ..QuarantineFilter::default() };
    assert_eq!((everything.len(), entries(client_state.clone()).await), (3, everything.clone()));
    assert!(entries(QuarantineFilter { reason: Some(Reason::Shape), ..client_state.clone() }).await.is_empty());
    assert_eq!(entries(QuarantineFilter { since: Some(second), ..client_state.clone() }).await, everything[1..]);
    let now = test.clock.now();
    assert_eq!(entries(QuarantineFilter { until: Some(began), ..client_state.clone() }).await, everything[..1]);
    assert_eq!(test.store.quarantine_ids(&client_state, Some(everything[0]), 1).await.unwrap(), everything[1..2]);
    let unchecked = QuarantineFilter { unchecked_since: Some(now), ..client_state.clone() };
    test.store.wish_replay(everything[0], false).await.unwrap();
    assert_eq!(entries(unchecked.clone()).await, everything[1..], "one is asked for");
    test.pass(HOUR);
    test.store.end_wish(everything[0], Some(Reason::ClientState)).await.unwrap();
    assert_eq!(entries(unchecked).await, everything[1..], "it was verified again since");
    let later = QuarantineFilter { unchecked_since: Some(test.clock.now()), ..client_state };
    assert_eq!(entries(later).await, everything);

    let unmatched = async |which: UnmatchedFilter| {
        test.store.event_log(&(&which).into(), Newest::up_to(99)).await.unwrap().rows.len()
    };
    let kind = Some("recordOperation.completed".to_owned());
    assert_eq!(unmatched(UnmatchedFilter::default()).await, 6);
    assert_eq!(unmatched(UnmatchedFilter { kind: kind.clone(), since: None }).await, 3);
    assert_eq!(unmatched(UnmatchedFilter { kind, since: Some(second) }).await, 2);
}

pub async fn a_count_looks_at_so_many_and_says_whether_these_are_all(test: TestStore) {
    let told = |n: usize| recording(&n.to_string()).to(&["archive", "crm"]);
    test.accept((0..5).map(told).collect()).await;
    for (n, lease) in test.lease("archive").await.into_iter().enumerate() {
        test.settle(lease, Settlement::Dead { reason: if n % 2 == 0 { "410 Gone" } else { "500" }.into() }).await;
    }
    for lease in test.lease("crm").await {
        test.settle(lease, Settlement::Dead { reason: "410 Gone".into() }).await;
    }
    let gone = |sink: &str| DeadFilter { sink: Some(name(sink)), reason: Some("gone".into()), ..DeadFilter::default() };
    for (which, most, n, is_all) in [
        (gone("archive"), 6, 3, true),
        (gone("archive"), 5, 3, false),
        (gone("archive"), 2, 1, false),
        (gone("crm"), 6, 5, true),
        (DeadFilter { sink: None, ..gone("crm") }, 11, 8, true),
        (DeadFilter { until: Some(test.clock.now() - HOUR), ..DeadFilter::default() }, 11, 0, true),
    ] {
        let counted = test.store.count_dead(&which, most).await.unwrap();
        assert_eq!(counted, Counted { n, is_all }, "{which:?} of {most}");
    }
    test.accept_batch(Vec::new(), (0..4).map(|n| refused(&n.to_string())).collect()).await.unwrap();
    let which = QuarantineFilter { reason: Some(refused("").reason), ..QuarantineFilter::default() };
    for (most, n, is_all) in [(5, 4, true), (4, 4, false), (2, 2, false)] {
        let counted = test.store.count_quarantined(&which, most).await.unwrap();
        assert_eq!(counted, Counted { n, is_all }, "{most}");
    }
}

pub async fn a_list_goes_on_below_a_row_that_is_gone(test: TestStore) {
    dead(&test, (0..5).map(|n| recording(&format!("op-{n}")).to(&["archive"])).collect(), "archive").await;
    let archive = name("archive");
    let letters = |page| test.store.deliveries(DeliveryState::Dead, Some(&archive), page);
    let all: Vec<_> = letters(Newest::up_to(10)).await.unwrap().iter().map(|letter| letter.id).collect();
    test.store.replay_dead(DeadLetters::One(all[1])).await.unwrap();
    let rest = letters(Newest { before: Some(all[1]), limit: 2 }).await.unwrap();
    assert_eq!(rest.iter().map(|letter| letter.id).collect::<Vec<_>>(), all[2..4]);

    test.accept_batch((0..3).map(|_| resource("{}").to(&[])).collect(), vec![refused("a"), refused("b")])
        .await
        .unwrap();
    let events: Vec<_> = test.store.unmatched(Newest::up_to(10)).await.unwrap().iter().map(|event| event.id).collect();
    test.store.route_again(events[0], vec![delivery_to("archive")]).await.unwrap();
    let rest = test.store.unmatched(Newest { before: Some(events[0]), limit: 10 }).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.id).collect::<Vec<_>>(), events[1..]);

    let entries: Vec<_> =
        test.store.quarantine(Newest::up_to(10)).await.unwrap().iter().map(|entry| entry.id).collect();
    let rest = test.store.quarantine(Newest { before: Some(entries[0]), limit: 10 }).await.unwrap();
    assert_eq!(rest.iter().map(|entry| entry.id).collect::<Vec<_>>(), entries[1..]);
}

pub async fn pages_of_what_matched_nothing_meet_each_event_once_the_oldest_first(test: TestStore) {
    for n in 0..3 {
        test.accept((0..3).map(|of| recording(&format!("{n}-{of}")).to(&[])).collect()).await;
        test.accept(vec![recording(&format!("matched-{n}")).to(&["archive"])]).await;
    }
    let mut all: Vec<_> = test.store.unmatched(Newest::up_to(10)).await.unwrap().iter().map(|event| event.id).collect();
    all.reverse();
    let (mut met, mut after) = (Vec::new(), None);
    loop {
        let page = test.store.unmatched_after(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        // Half of them stay as they are; those that are routed move nothing.
        test.store.route_again(page[0].id, vec![delivery_to("archive")]).await.unwrap();
        met.extend(page.iter().map(|event| event.id));
    }
    assert_eq!((met.len(), met == all), (9, true), "{met:?}\n{all:?}");
    assert_eq!(test.store.unmatched_after(None, 10).await.unwrap().len(), 4);
}

// 7. Tokens.

async fn token_of_dead_letter(test: &TestStore) -> (Option<String>, String) {
    test.store.replay_all(None).await;
    let lease = test.lease_one("archive").await;
    let event = &lease.delivery.event;
    let seen = event.recording_access_token.as_ref().map(|token| token.expose_secret().to_owned());
    let data = event.data.clone();
    test.bury(lease).await;
    (seen, data)
}

pub async fn a_token_is_wiped_once_all_is_settled_and_its_time_is_over(test: TestStore) {
    dead(&test, vec![recording("1").token("canary").to(&["archive"])], "archive").await;
    test.pass(HOUR * 23);
    test.sweep().await;
    let (token, data) = token_of_dead_letter(&test).await;
    assert_eq!(token.as_deref(), Some("canary"));
    assert!(!data.contains("canary"));
    test.pass(HOUR * 23);
    test.sweep().await;
    assert_eq!(token_of_dead_letter(&test).await.0.as_deref(), Some("canary"), "it was settled anew");
    test.pass(HOUR * 24);
    test.sweep().await;
    assert_eq!(token_of_dead_letter(&test).await, (None, data));
}

pub async fn a_notification_is_kept_byte_for_byte_until_its_token_is_wiped(test: TestStore) {
    let accepted = vec![recording("1").token("canary").to(&["archive"]), recording("2").to(&["archive"])];
    let stored = test.accept(accepted).await;
    let original = async |at: usize| {
        let raw = test.store.original(stored[at].event()).await.unwrap();
        raw.map(|raw| String::from_utf8(raw.0.to_vec()).unwrap())
    };
    assert_eq!((original(0).await.as_deref(), original(1).await.as_deref()), (Some("1 canary"), Some("2")));
    for lease in test.lease("archive").await {
        test.deliver(lease).await;
    }
    test.pass(HOUR * 25);
    test.sweep().await;
    assert_eq!((original(0).await, original(1).await.as_deref()), (None, Some("2")));
    let never = reelhook::domain::EventId(uuid::Uuid::nil());
    assert_eq!(test.store.original(never).await.unwrap().map(|raw| raw.0), None);
}

pub async fn a_token_stays_while_a_delivery_waits(test: TestStore) {
    test.accept(vec![recording("1").token("canary").to(&["archive", "crm"])]).await;
    let lease = test.lease_one("crm").await;
    test.deliver(lease).await;
    test.pass(HOUR * 100);
    test.sweep().await;
    let lease = test.lease_one("archive").await;
    assert!(lease.delivery.event.recording_access_token.is_some());
}

// 8. Bounds.

pub async fn retention_removes_what_is_settled_and_old(test: TestStore) {
    let ids = dead(&test, vec![recording("1").token("x").to(&["archive"])], "archive").await;
    let matched = test.accept(vec![recording("2").to(&["archive"])]).await;
    test.accept(vec![resource("unmatched").to(&[])]).await;
    let lease = test.lease_one("archive").await;
    test.deliver(lease).await;
    test.pass(HOUR * 24 * 29);
    test.sweep().await;
    assert_eq!(test.store.unmatched(Newest::up_to(10)).await.unwrap().len(), 1);
    assert!(test.store.delivery(ids[0]).await.unwrap().is_some());
    test.pass(HOUR * 24);
    test.sweep().await;
    assert!(test.store.unmatched(Newest::up_to(10)).await.unwrap().is_empty());
    assert!(test.store.delivery(ids[0]).await.unwrap().is_none());
    let Stored::New { event, .. } = matched[0] else { panic!("{matched:?}") };
    assert!(test.store.event(event).await.unwrap().is_none());
    assert!(test.store.operations("2").await.unwrap().is_empty());
}

pub async fn retention_never_removes_what_is_undelivered(test: TestStore) {
    test.accept(vec![recording("1").status(RUNNING).to(&["archive"]), recording("1").to(&["archive", "crm"])]).await;
    let lease = test.lease_one("crm").await;
    test.deliver(lease).await;
    test.pass(HOUR * 24 * 365);
    test.sweep().await;
    let lease = test.lease_one("archive").await;
    test.deliver(lease).await;
    assert_eq!(kinds(&test, "archive").await, ["recordOperation.completed"]);
}

pub async fn a_removed_operation_begins_anew(test: TestStore) {
    let told = || vec![recording("1").to(&[])];
    test.accept(told()).await;
    test.pass(HOUR * 24 * 31);
    test.sweep().await;
    assert_eq!(orders(&test.accept(told()).await), [Some(Order::First)]);
    assert_eq!(test.store.operations("1").await.unwrap().len(), 1);
}

async fn quarantined(test: &TestStore) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in test.store.quarantine(Newest::up_to(1000)).await.unwrap() {
        assert!(entry.raw.is_none(), "a list holds no bytes");
        let entry = test.store.quarantine_entry(entry.id).await.unwrap().unwrap();
        texts.push(String::from_utf8(entry.raw.unwrap().0.to_vec()).unwrap());
    }
    texts
}

pub async fn the_quarantine_is_bounded_in_entries(mut test: TestStore) {
    test.reopen(|settings| settings.quarantine_max_entries = 3).await;
    test.accept_batch(Vec::new(), (0..5).map(|n| refused(&n.to_string())).collect()).await.unwrap();
    assert_eq!(quarantined(&test).await, ["4", "3", "2"]);
    test.accept_batch(vec![recording("1").to(&[])], vec![refused("5")]).await.unwrap();
    assert_eq!(quarantined(&test).await, ["5", "4", "3"]);
    test.reopen(|settings| settings.quarantine_max_entries = 1).await;
    test.sweep().await;
    assert_eq!(quarantined(&test).await, ["5"]);
}

pub async fn the_quarantine_is_bounded_in_bytes(mut test: TestStore) {
    test.reopen(|settings| settings.quarantine_max_bytes = 10).await;
    for text in ["aaaa", "bbbb", "cc", "dd"] {
        test.accept_batch(Vec::new(), vec![refused(text)]).await.unwrap();
    }
    assert_eq!(quarantined(&test).await, ["dd", "cc", "bbbb"]);
    test.accept_batch(Vec::new(), vec![refused("more than all of it")]).await.unwrap();
    assert!(quarantined(&test).await.is_empty());
}

pub async fn a_receipt_numbers_the_quarantine_entries_in_their_order(test: TestStore) {
    let accepted = vec![recording("1").to(&[])];
    let batch = Batch { received_at: test.clock.now(), accepted, quarantined: vec![refused("a"), refused("b")] };
    let receipt = test.store.accept(batch).await.unwrap();
    assert_eq!((receipt.stored.len(), receipt.quarantined.len()), (1, 2));
    for (id, text) in receipt.quarantined.into_iter().zip(["a", "b"]) {
        let entry = test.store.quarantine_entry(id).await.unwrap().unwrap();
        assert_eq!(entry.raw.unwrap().0, text);
    }
}

pub async fn a_wish_is_found_once_and_ended(test: TestStore) {
    test.accept_batch(Vec::new(), vec![refused("a"), refused("b")]).await.unwrap();
    let ids: Vec<i64> =
        test.store.quarantine(Newest::up_to(10)).await.unwrap().iter().map(|entry| entry.id).rev().collect();
    assert!(test.store.wish_replay(ids[1], true).await.unwrap());
    assert!(test.store.wish_replay(ids[0], false).await.unwrap());
    assert!(!test.store.wish_replay(ids[1] + 1, false).await.unwrap());
    let asked = test.store.quarantine_entry(ids[1]).await.unwrap().unwrap();
    assert_eq!((asked.is_wished, asked.verified_at), (true, None));
    let wishes = test.store.replay_wishes(10).await.unwrap();
    let wished: Vec<_> = wishes.iter().map(|wish| (wish.id, wish.raw.0.to_vec(), wish.vouched)).collect();
    assert_eq!(wished, [(ids[0], b"a".to_vec(), false), (ids[1], b"b".to_vec(), true)]);
    test.store.end_wish(ids[0], None).await.unwrap();
    test.store.end_wish(ids[1], Some(Reason::CertUnknown)).await.unwrap();
    assert!(test.store.replay_wishes(10).await.unwrap().is_empty());
    let left = test.store.quarantine(Newest::up_to(10)).await.unwrap();
    assert_eq!((left.len(), left[0].id, left[0].reason), (1, ids[1], Reason::CertUnknown));
    assert_eq!((left[0].is_wished, left[0].verified_at), (false, Some(test.clock.now())));
}

// 9. The disk reserve.

pub async fn below_the_reserve_nothing_is_accepted_but_all_is_drained(mut test: TestStore) {
    test.accept(vec![recording("1").to(&["archive"])]).await;
    test.reopen(|settings| settings.disk_reserve_bytes = u64::MAX).await;
    let refused = test.accept_batch(vec![recording("2").to(&["archive"])], Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Full)));
    assert!(matches!(test.store.ready().await, Err(StoreError::Full)));
    let lease = test.lease_one("archive").await;
    test.deliver(lease).await;
    assert!(test.store.backlog().await.unwrap().is_empty());
    test.reopen(|settings| settings.disk_reserve_bytes = 0).await;
    test.store.ready().await.unwrap();
    test.accept(vec![recording("2").to(&["archive"])]).await;
}

pub async fn backlogs_are_counted_by_sink(test: TestStore) {
    let began = test.clock.now();
    test.accept(vec![recording("1").status(RUNNING).to(&["archive", "crm"])]).await;
    test.pass(HOUR);
    test.accept(vec![recording("1").to(&["archive"]), recording("2").to(&["archive"])]).await;
    let lease = test.lease_one("crm").await;
    test.bury(lease).await;
    let backlog = test.store.backlog().await.unwrap();
    let archive = &backlog[&name("archive")];
    assert_eq!((archive.n_open, archive.n_dead, archive.oldest.map(|it| it.at)), (3, 0, Some(began)));
    let crm = &backlog[&name("crm")];
    assert_eq!((crm.n_open, crm.n_dead, crm.oldest), (0, 1, None));
}

pub async fn a_paused_sink_is_written_down_until_it_is_resumed(mut test: TestStore) {
    let since = test.store.pause_sink(&name("crm")).await.unwrap();
    test.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(test.store.pause_sink(&name("crm")).await.unwrap(), since, "it was paused before");
    test.store.pause_sink(&name("archive")).await.unwrap();
    test.reopen(|_| {}).await;
    let paused = test.store.paused_sinks().await.unwrap();
    assert_eq!(paused, [(name("archive"), test.clock.now()), (name("crm"), since)].into());
    test.store.resume_sink(&name("crm")).await.unwrap();
    test.store.resume_sink(&name("never paused")).await.unwrap();
    test.reopen(|_| {}).await;
    assert_eq!(test.store.paused_sinks().await.unwrap().into_keys().collect::<Vec<_>>(), [name("archive")]);
}

pub async fn what_operators_were_told_is_kept_with_its_event(mut test: TestStore) {
    let told = |subject: &str, state: &str, to: &[&str]| Told {
        subject: subject.to_owned(),
        state: state.to_owned(),
        to: to.iter().map(|sink| name(sink)).collect(),
        at: test.clock.steady(),
    };
    let (paused, low) = (told("reelhook/sinks/crm", "operator", &["archive"]), told("reelhook/disk", "low", &[]));
    let report = Report {
        event: OperatorEvent::SinkPaused,
        subject: paused.subject.clone(),
        data: OperatorData { message: "paused".into(), ..OperatorData::default() },
    };
    let delivery = delivery_to("archive");
    test.store.tell(paused.clone(), Some((report.clone(), vec![delivery.clone()]))).await.unwrap();
    test.store.tell(low.clone(), None).await.unwrap();
    test.reopen(|_| {}).await;
    assert_eq!(test.store.told().await.unwrap(), [low.clone(), paused.clone()]);
    assert_eq!(test.store.backlog().await.unwrap()[&name("archive")].n_open, 1);
    // Too many deliveries: neither the event nor what was told is stored.
    let resumed = Told { state: "over".into(), ..paused.clone() };
    let many = (0..=MAX_DELIVERIES).map(|n| NewDelivery { sink: name(&format!("sink-{n}")), ..delivery.clone() });
    assert!(test.store.tell(resumed.clone(), Some((report, many.collect()))).await.is_err());
    assert_eq!(test.store.told().await.unwrap(), [low.clone(), paused]);
    test.store.tell(resumed.clone(), None).await.unwrap();
    test.store.forget_told(vec![low.subject, "of nothing".into()]).await.unwrap();
    test.reopen(|_| {}).await;
    assert_eq!(test.store.told().await.unwrap(), [resumed]);
}

pub async fn what_happened_in_a_minute_is_added_up_and_kept_for_a_day_and_an_hour(mut test: TestStore) {
    let now = test.clock.steady().as_second().div_euclid(60);
    let minute = |minute, n_accepted, n_slow| {
        let mut counts = Counts { n_accepted, n_failed: 1, ..Counts::default() };
        counts.answers[N_BUCKETS - 1] = n_slow;
        Minute { minute, counts }
    };
    let add = async |test: &TestStore, minutes: &[Minute]| test.store.add_history(minutes.to_vec()).await.unwrap();
    let (first, second) = (minute(now - KEPT_MINUTES + 1, 5, 0), minute(now, 2, 3));
    add(&test, &[first, second]).await;
    // That of another process, or of the next round.
    add(&test, &[minute(now, 40, 0)]).await;
    add(&test, &[minute(now - KEPT_MINUTES, 9, 0)]).await;
    test.reopen(|_| {}).await;
    let mut both = second;
    both.counts += minute(now, 40, 0).counts;
    assert_eq!((both.counts.n_accepted, both.counts.n_failed, both.counts.answers[N_BUCKETS - 1]), (42, 2, 3));
    assert_eq!(test.store.history(0).await.unwrap(), [first, both], "the oldest one came too late");
    assert_eq!(test.store.history(now).await.unwrap(), [both]);
    test.pass(SignedDuration::from_mins(1));
    add(&test, &[]).await;
    assert_eq!(test.store.history(0).await.unwrap(), [both], "a minute later the first one is too old");
}

pub async fn a_closed_store_says_so(test: TestStore) {
    let mut fresh = test.process.queues.open(&name("archive"), &room(8), TTL);
    test.store.close().await;
    let refused = test.accept_batch(vec![recording("1").to(&[])], Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Closed)));
    assert!(matches!(test.store.lease(&name("archive"), Limit::of(1), TTL).await, Err(StoreError::Closed)));
    assert!(matches!(test.store.backlog().await, Err(StoreError::Closed)));
    assert!(fresh.recv().await.is_none());
    test.store.close().await;
}

pub async fn ids_that_were_never_given_name_nothing(test: TestStore) {
    let stored = test.accept(vec![recording("1").to(&["archive"])]).await;
    let Stored::New { event, .. } = stored[0] else { panic!("{stored:?}") };
    let near = uuid::Uuid::from_u128(event.0.as_u128() ^ 1);
    for id in [near, uuid::Uuid::nil(), uuid::Uuid::max()] {
        assert!(test.store.event(reelhook::domain::EventId(id)).await.unwrap().is_none());
        assert!(test.store.delivery(DeliveryId(id)).await.unwrap().is_none());
        assert_eq!(test.store.replay_dead(DeadLetters::One(DeliveryId(id))).await.unwrap(), 0);
        assert_eq!(test.store.route_again(reelhook::domain::EventId(id), vec![delivery_to("x")]).await.unwrap(), None);
    }
}
