//! The suite of the event log and the delivery log: `reelhook::store::Logs`.

use super::*;
use reelhook::domain::{DeliveryId, EventId};
use reelhook::store::{DeadFilter, DeliveryFilter, EventFilter, Limit, Phase};

/// One test for each function of this file.
macro_rules! suite {
    ($open:path) => {
        tests!($open, logs:
            events_are_found_by_type_resource_time_route_and_text,
            deliveries_are_found_by_sink_phase_type_time_and_text,
            the_log_of_waiting_deliveries_goes_on_while_they_are_delivered,
            a_log_goes_on_below_a_row_that_is_gone,
            what_came_out_of_the_quarantine_is_found_by_when_it_was_received,
        );
    };
}
pub(super) use suite;

/// All events that are meant, newest first, read some at a time.
async fn events(test: &TestStore, which: &EventFilter) -> Vec<String> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = test.store.event_log(which, Newest { before, limit: 2 }).await.unwrap();
        assert!(page.rows.len() <= 2);
        found.extend(page.rows.into_iter().map(|event| {
            format!("{} {}", event.kind, event.client_context.unwrap_or_else(|| event.envelope.resource_type.clone()))
        }));
        let Some(next) = page.next else { return found };
        before = Some(next);
    }
}

/// An hour passes after each event: completed `a`, running `Order-7`, a chat message without a route, failed `order-8`.
async fn received(test: &TestStore) {
    for told in [
        recording("1").context("a").to(&["crm", "archive"]),
        recording("2").status(Status::Running).context("Order-7").to(&["archive"]),
        resource("{}").to(&[]),
        recording("3").status(Status::Failed).context("order-8").to(&["crm"]),
    ] {
        test.accept(vec![told]).await;
        test.pass(HOUR);
    }
}

const A: &str = "recordOperation.completed a";
const SEVEN: &str = "recordOperation.running Order-7";
const CHAT: &str = "chatMessage.updated chatMessage";
const EIGHT: &str = "recordOperation.failed order-8";

pub async fn events_are_found_by_type_resource_time_route_and_text(test: TestStore) {
    let start = test.clock.now();
    received(&test).await;
    let all = EventFilter::default;
    let text = |text: &str| Some(text.to_owned());
    for (which, expected) in [
        (all(), vec![EIGHT, CHAT, SEVEN, A]),
        (EventFilter { kind: text("chatMessage.updated"), ..all() }, vec![CHAT]),
        (EventFilter { kind: text("CHATMESSAGE.Updated"), ..all() }, vec![CHAT]),
        (EventFilter { kind: text("chatMessage"), ..all() }, vec![]),
        (EventFilter { resource: text("CHATmessage"), ..all() }, vec![CHAT]),
        (EventFilter { resource: text("/Calls/call/"), ..all() }, vec![EIGHT, CHAT, SEVEN, A]),
        (EventFilter { is_matched: Some(false), ..all() }, vec![CHAT]),
        (EventFilter { is_matched: Some(true), ..all() }, vec![EIGHT, SEVEN, A]),
        (EventFilter { text: text("ORDER-"), ..all() }, vec![EIGHT, SEVEN]),
        (EventFilter { text: text("%"), ..all() }, vec![]),
        (EventFilter { since: Some(start + HOUR), ..all() }, vec![EIGHT, CHAT, SEVEN]),
        (EventFilter { until: Some(start + HOUR), ..all() }, vec![SEVEN, A]),
        (EventFilter { since: Some(start + HOUR), until: Some(start + HOUR), ..all() }, vec![SEVEN]),
        (EventFilter { since: Some(start + HOUR * 9), ..all() }, vec![]),
        (EventFilter { text: text("order"), kind: text("recordOperation.failed"), ..all() }, vec![EIGHT]),
    ] {
        assert_eq!(events(&test, &which).await, expected, "{which:?}");
    }
    let chat = test.store.event_log(&EventFilter { is_matched: Some(false), ..all() }, Newest::up_to(9)).await.unwrap();
    test.store.route_again(chat.rows[0].id, vec![delivery_to("crm")]).await.unwrap();
    assert!(events(&test, &EventFilter { is_matched: Some(false), ..all() }).await.is_empty());
    let routed = test.store.event_log(&all(), Newest::up_to(2)).await.unwrap().rows.remove(1);
    assert_eq!(routed.deliveries.len(), 1, "an event is shown with its deliveries");
}

/// All deliveries that are meant, newest event first, read one at a time.
async fn deliveries(test: &TestStore, which: &DeliveryFilter) -> Vec<String> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = test.store.delivery_log(which, Newest { before, limit: 1 }).await.unwrap();
        found.extend(page.rows.into_iter().map(|row| {
            let event = row.event.unwrap();
            assert_eq!(event.id, row.delivery.event);
            format!("{} {}", event.client_context.unwrap_or_default(), row.delivery.sink)
        }));
        let Some(next) = page.next else { return found };
        before = Some(next);
    }
}

pub async fn deliveries_are_found_by_sink_phase_type_time_and_text(test: TestStore) {
    let start = test.clock.now();
    received(&test).await;
    let crm = test.lease("crm").await;
    for (lease, settlement) in crm.into_iter().zip([
        Settlement::Dead { reason: "answered 410 Gone".into() },
        Settlement::RetryAt { at: test.clock.now() + HOUR, reason: "answered 503".into() },
    ]) {
        test.settle(lease, settlement).await;
    }
    let mut archive = test.store.lease(&name("archive"), Limit::of(9), TTL).await.unwrap();
    let under_way = archive.pop().unwrap();
    test.deliver(archive.pop().unwrap()).await;
    let all = DeliveryFilter::default;
    let of = |phase| DeliveryFilter { phase: Some(phase), ..all() };
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (all(), vec!["order-8 crm", "Order-7 archive", "a archive", "a crm"]),
        (DeliveryFilter { sink: Some(name("archive")), ..all() }, vec!["Order-7 archive", "a archive"]),
        (DeliveryFilter { sink: Some(name("none")), ..all() }, vec![]),
        (of(Phase::Unsettled), vec!["order-8 crm", "Order-7 archive"]),
        (of(Phase::Waiting), vec!["order-8 crm"]),
        (of(Phase::UnderWay), vec!["Order-7 archive"]),
        (of(Phase::Delivered), vec!["a archive"]),
        (of(Phase::Dead), vec!["a crm"]),
        (DeliveryFilter { sink: Some(name("crm")), ..of(Phase::Dead) }, vec!["a crm"]),
        (DeliveryFilter { sink: Some(name("archive")), ..of(Phase::Dead) }, vec![]),
        (DeliveryFilter { sink: Some(name("crm")), ..of(Phase::Waiting) }, vec!["order-8 crm"]),
        (DeliveryFilter { sink: Some(name("crm")), ..of(Phase::UnderWay) }, vec![]),
        (DeliveryFilter { kind: text("recordOperation.completed"), ..all() }, vec!["a archive", "a crm"]),
        (DeliveryFilter { kind: text("RECORDOPERATION.completed"), ..all() }, vec!["a archive", "a crm"]),
        (DeliveryFilter { kind: text("recordOperation.completed"), ..of(Phase::Dead) }, vec!["a crm"]),
        (DeliveryFilter { text: text("ORDER-"), ..all() }, vec!["order-8 crm", "Order-7 archive"]),
        (DeliveryFilter { text: text("gone"), ..all() }, vec!["a crm"]),
        (DeliveryFilter { text: text("503"), ..of(Phase::Unsettled) }, vec!["order-8 crm"]),
        (DeliveryFilter { since: Some(start + HOUR), ..all() }, vec!["order-8 crm", "Order-7 archive"]),
        (DeliveryFilter { until: Some(start), ..all() }, vec!["a archive", "a crm"]),
        (DeliveryFilter { until: Some(start), ..of(Phase::Unsettled) }, vec![]),
    ];
    for (which, expected) in cases {
        let mut found = deliveries(&test, &which).await;
        // The deliveries of one event have the order of their routes.
        found.sort_by_key(|row| expected.iter().position(|it| it == row));
        assert_eq!(found, expected, "{which:?}");
    }
    test.pass(HOUR * 9);
    assert_eq!(deliveries(&test, &of(Phase::UnderWay)).await, Vec::<String>::new(), "a lease that ended");
    assert_eq!(deliveries(&test, &of(Phase::Waiting)).await.len(), 2);
    drop(under_way);
}

pub async fn the_log_of_waiting_deliveries_goes_on_while_they_are_delivered(test: TestStore) {
    for n in 0..9 {
        test.accept(vec![recording(&n.to_string()).context(&n.to_string()).to(&["crm"])]).await;
        test.pass(SignedDuration::from_secs(1));
    }
    let which = DeliveryFilter { phase: Some(Phase::Unsettled), ..DeliveryFilter::default() };
    let first = test.store.delivery_log(&which, Newest::up_to(4)).await.unwrap();
    for lease in test.lease("crm").await.into_iter().skip(2) {
        test.deliver(lease).await;
    }
    let rest = test.store.delivery_log(&which, Newest { before: first.next, limit: 4 }).await.unwrap();
    let contexts = |rows: Vec<reelhook::store::LoggedDelivery>| -> Vec<String> {
        rows.into_iter().map(|row| row.event.unwrap().client_context.unwrap()).collect()
    };
    assert_eq!((contexts(first.rows), contexts(rest.rows)), (words("8 7 6 5"), words("1 0")));
    assert_eq!(rest.next, None);
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

pub async fn a_log_goes_on_below_a_row_that_is_gone(test: TestStore) {
    let gone = EventId(uuid::Uuid::max());
    received(&test).await;
    let page = test.store.event_log(&EventFilter::default(), Newest { before: Some(gone), limit: 9 }).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (4, None));
    let never = Newest { before: Some(EventId(uuid::Uuid::nil())), limit: 9 };
    assert!(test.store.event_log(&EventFilter::default(), never).await.unwrap().rows.is_empty());
    let never = Newest { before: Some(DeliveryId(uuid::Uuid::nil())), limit: 9 };
    assert!(test.store.delivery_log(&DeliveryFilter::default(), never).await.unwrap().rows.is_empty());
    assert!(test.store.dead_letters(&DeadFilter::default(), never).await.unwrap().rows.is_empty());
}

fn name(sink: &str) -> SinkName {
    SinkName::new(sink)
}

pub async fn what_came_out_of_the_quarantine_is_found_by_when_it_was_received(test: TestStore) {
    let start = test.clock.now();
    let entry = test.quarantine_one("late").await;
    received(&test).await;
    let late = vec![recording("late").context("late").to(&["crm"]), resource("late chat").to(&[])];
    let batch = Batch { received_at: start, accepted: late, quarantined: Vec::new() };
    let stored = test.store.accept_late(entry, batch).await.unwrap().stored;
    assert!(stored.iter().all(|it| matches!(it, Stored::New { .. })), "{stored:?}");
    test.pass(HOUR);
    test.accept(vec![recording("9").context("newest").to(&["crm"])]).await;
    let (chat, late) = (CHAT, "recordOperation.completed late");
    let newest = "recordOperation.completed newest";
    let of = |since: Option<i32>, until: Option<i32>| EventFilter {
        since: since.map(|hours| start + HOUR * hours),
        until: until.map(|hours| start + HOUR * hours),
        ..EventFilter::default()
    };
    for (which, expected) in [
        (of(None, None), vec![newest, chat, late, EIGHT, chat, SEVEN, A]),
        (of(Some(0), Some(0)), vec![chat, late, A]),
        (of(None, Some(1)), vec![chat, late, SEVEN, A]),
        (of(Some(1), Some(5)), vec![newest, EIGHT, chat, SEVEN]),
        (of(Some(4), None), vec![newest]),
        (of(Some(4), Some(4)), vec![]),
        (EventFilter { kind: Some("chatMessage.updated".into()), ..of(None, Some(0)) }, vec![chat]),
        (EventFilter { is_matched: Some(false), ..of(None, Some(0)) }, vec![chat]),
        (EventFilter { is_matched: Some(false), ..of(Some(1), None) }, vec![chat]),
        (EventFilter { text: Some("late".into()), ..of(None, Some(0)) }, vec![late]),
    ] {
        assert_eq!(events(&test, &which).await, expected, "{which:?}");
    }
    let crm = test.lease("crm").await;
    for lease in crm.into_iter().filter(|lease| lease.delivery.event.client_context.as_ref().unwrap().as_str() == "a") {
        test.bury(lease).await;
    }
    let of = |phase: Option<Phase>, since: Option<i32>, until: Option<i32>| {
        let EventFilter { since, until, .. } = of(since, until);
        DeliveryFilter { sink: Some(name("crm")), phase, since, until, ..DeliveryFilter::default() }
    };
    for (which, expected) in [
        (of(None, None, None), vec!["newest crm", "late crm", "order-8 crm", "a crm"]),
        (of(None, Some(0), Some(0)), vec!["late crm", "a crm"]),
        (of(None, None, Some(1)), vec!["late crm", "a crm"]),
        (of(None, Some(1), None), vec!["newest crm", "order-8 crm"]),
        (of(None, Some(4), Some(4)), vec![]),
        (of(Some(Phase::Unsettled), None, Some(0)), vec!["late crm"]),
        (of(Some(Phase::Dead), None, Some(0)), vec!["a crm"]),
    ] {
        assert_eq!(deliveries(&test, &which).await, expected, "{which:?}");
    }
}
