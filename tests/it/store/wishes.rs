//! Operators' commands beside the server: they read, and what they want done they write down for it.

use super::*;
use std::os::unix::fs::PermissionsExt;

use reelhook::store::wishes::{Asked, Granted, Routed, Wish};
use reelhook::store::{DeadLetters, DeliveryView};

fn sqlite() -> TestStore {
    TestStore::new(open_sqlite)
}

fn operator(test: &TestStore) -> SqliteStore {
    SqliteStore::open_for_operator(&test.settings, test.clock.clone()).unwrap()
}

/// Has the server carry out a wish of a command beside it.
async fn granted(test: &TestStore, wish: Wish) -> Granted {
    let beside = operator(test);
    let id = beside.wish(&wish).unwrap();
    assert_eq!(beside.granted(&id).unwrap(), None);
    assert_eq!(test.store.carry_out_wishes().await.unwrap(), 1);
    assert_eq!(test.store.carry_out_wishes().await.unwrap(), 0, "once");
    let granted = beside.granted(&id).unwrap().unwrap();
    beside.close().await;
    let folder = test.settings.path.with_extension("db.wishes");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left behind");
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    granted
}

async fn waiting(test: &TestStore, sink: &str) -> Vec<DeliveryView> {
    let mut found = Vec::new();
    for state in [DeliveryState::Open, DeliveryState::Blocked] {
        found.extend(test.store.deliveries(state, Some(&SinkName::new(sink)), Newest::up_to(99)).await.unwrap());
    }
    found.sort_by_key(|delivery| delivery.id);
    found
}

#[tokio::test]
async fn a_command_writes_nothing_but_its_wish() {
    let test = sqlite();
    test.accept_batch(vec![recording("1").to(&["crm"])], vec![refused("a")]).await.unwrap();
    test.bury(test.lease_one("crm").await).await;
    let beside = operator(&test);
    assert!(matches!(beside.replay_dead(DeadLetters::All).await, Err(StoreError::Closed)));
    assert!(matches!(beside.wish_replay(1, true).await, Err(StoreError::Closed)));
    assert!(matches!(beside.ready().await, Err(StoreError::Closed)));
    assert!(matches!(beside.sweep().await, Err(StoreError::Closed)));
    assert_eq!(beside.backlog().await.unwrap()[&SinkName::new("crm")].n_dead, 1);
    beside.close().await;
}

#[tokio::test]
async fn dead_letters_are_due_again_once_the_server_carries_the_wish_out() {
    let test = sqlite();
    test.accept(vec![recording("1").to(&["crm"]), recording("2").to(&["crm", "archive"])]).await;
    for lease in test.lease("crm").await.into_iter().chain(test.lease("archive").await) {
        test.bury(lease).await;
    }
    let dead = test.store.deliveries(DeliveryState::Dead, None, Newest::up_to(9)).await.unwrap();
    let one = Wish::ReplayOne { delivery: dead.iter().find(|it| it.sink.as_str() == "archive").unwrap().id.0 };
    assert_eq!(granted(&test, one.clone()).await.n, 1);
    assert_eq!(granted(&test, one).await.n, 0, "it is no dead letter any more");
    test.deliver(test.lease_one("archive").await).await;
    assert_eq!(granted(&test, Wish::ReplayOfSink { sink: "crm".into() }).await.n, 2);
    for lease in test.lease("crm").await {
        test.bury(lease).await;
    }
    assert_eq!(granted(&test, Wish::ReplayAll).await.n, 2);
    assert_eq!(test.lease("crm").await.len(), 2);
}

#[tokio::test]
async fn events_are_routed_and_entries_judged_once_the_server_carries_the_wish_out() {
    let test = sqlite();
    test.accept_batch(vec![resource("{}").to(&[])], vec![refused("a")]).await.unwrap();
    let event = test.store.unmatched(Newest::up_to(9)).await.unwrap()[0].id;
    let deliveries = [delivery_to("crm"), delivery_to("archive")];
    let routed = Routed { event: event.0, deliveries: deliveries.iter().map(Asked::from).collect() };
    let wish = Wish::Route { events: vec![routed] };
    assert_eq!(granted(&test, wish.clone()).await, Granted { n: 1, n_deliveries: 2 });
    assert_eq!(granted(&test, wish).await, Granted::default(), "not twice");
    let lease = test.lease_one("crm").await;
    assert_eq!((lease.delivery.event.id, &*lease.delivery.captures["queue"]), (event, "crm"));
    assert_eq!(granted(&test, Wish::JudgeAgain { entry: 1, vouched: true }).await.n, 1);
    assert!(test.store.replay_wishes(9).await.unwrap()[0].vouched);
}

#[tokio::test]
async fn a_wish_outlasts_a_restart_and_one_that_cannot_be_read_keeps_no_other_waiting() {
    let mut test = sqlite();
    test.accept(vec![recording("1").to(&["crm"])]).await;
    test.bury(test.lease_one("crm").await).await;
    let beside = operator(&test);
    let id = beside.wish(&Wish::ReplayAll).unwrap();
    let folder = test.settings.path.with_extension("db.wishes");
    std::fs::write(folder.join("1-unknown.wish"), "{\"wish\":\"dance\"}").unwrap();
    std::fs::write(folder.join("2-half.wish"), "{\"wish\":").unwrap();
    std::os::unix::fs::symlink(&test.settings.path, folder.join("3-link.wish")).unwrap();
    std::fs::create_dir(folder.join("4-folder.draft")).unwrap();
    assert!(beside.is_served());
    test.store.close().await;
    assert!(!beside.is_served());
    beside.close().await;
    test.reopen(|_| {}).await;
    assert_eq!(test.store.carry_out_wishes().await.unwrap(), 4);
    assert_eq!(test.store.carry_out_wishes().await.unwrap(), 0);
    assert_eq!(operator(&test).granted(&id).unwrap().unwrap().n, 1);
    drop(test.lease_one("crm").await);
}

#[tokio::test]
async fn what_waits_for_a_sink_goes_to_another_under_its_ids_and_in_its_order() {
    let test = sqlite();
    let told = |status| recording("op").status(status);
    test.accept(vec![told(Status::Running).to(&["old", "crm"]), told(Status::Completed).to(&["old"])]).await;
    test.accept(vec![recording("other").to(&["old"])]).await;
    let before: Vec<_> = waiting(&test, "old").await.iter().map(|it| it.id).collect();
    assert_eq!(granted(&test, Wish::Move { from: "old".into(), to: "crm".into() }).await.n, 3);
    assert!(waiting(&test, "old").await.is_empty());
    let mut delivered = Vec::new();
    loop {
        let leases = test.lease("crm").await;
        if leases.is_empty() {
            break;
        }
        let of_operation = leases.iter().filter(|lease| lease.delivery.event.is_of_operation());
        assert!(
            of_operation.filter(|lease| lease.delivery.event.data.contains("\"op\"")).count() <= 1,
            "one at a time"
        );
        for lease in leases {
            delivered.push((lease.delivery.id, lease.delivery.event.kind.clone()));
            test.deliver(lease).await;
        }
    }
    assert_eq!(delivered.len(), 4);
    assert!(before.iter().all(|id| delivered.iter().any(|(it, _)| it == id)), "under the same ids");
    let at = |kind: &str| delivered.iter().rposition(|(id, it)| it == kind && before.contains(id)).unwrap();
    assert!(at("recordOperation.running") < at("recordOperation.completed"), "{delivered:?}");
}

#[tokio::test]
async fn what_waits_for_a_sink_is_dropped_as_dead_letters_and_what_is_under_way_is_left() {
    let test = sqlite();
    test.accept((0..600).map(|n| recording(&n.to_string()).to(&["old"])).collect()).await;
    test.accept(vec![recording("0").status(Status::Running).to(&["old"])]).await;
    let under_way = test.store.lease(&SinkName::new("old"), 1, TTL).await.unwrap().remove(0);
    assert_eq!(granted(&test, Wish::Drop { sink: "old".into() }).await.n, 600);
    let backlog = test.store.backlog().await.unwrap()[&SinkName::new("old")].clone();
    assert_eq!((backlog.n_open, backlog.n_dead), (1, 600));
    test.deliver(under_way).await;
    let dead = test.store.deliveries(DeliveryState::Dead, None, Newest::up_to(1)).await.unwrap();
    assert!(dead[0].reason.contains("operator"), "{dead:?}");
    assert_eq!(granted(&test, Wish::ReplayOfSink { sink: "old".into() }).await.n, 600, "they are not lost");
}
