//! Operators' actions on the store, and what a command beside the server may do: read.

use super::*;

use reelhook::store::{DeadLetters, Deliveries, DeliveryView, Limit};

fn sqlite() -> TestStore {
    TestStore::new(open_sqlite)
}

fn operator(test: &TestStore) -> SqliteStore {
    SqliteStore::open_for_operator(&test.settings, test.clock.clone()).unwrap()
}

async fn replayed(test: &TestStore, which: DeadLetters) -> u64 {
    test.store.replay_dead(which).await.unwrap()
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
async fn a_command_beside_the_server_writes_nothing() {
    let test = sqlite();
    test.accept_batch(vec![recording("1").to(&["crm"])], vec![refused("a")]).await.unwrap();
    test.bury(test.lease_one("crm").await).await;
    let beside = operator(&test);
    assert!(matches!(
        beside.replay_dead(DeadLetters::One(DeliveryId(uuid::Uuid::nil()))).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(beside.wish_replay(1, true).await, Err(StoreError::Closed)));
    assert!(matches!(beside.ready().await, Err(StoreError::Closed)));
    assert!(matches!(beside.sweep().await, Err(StoreError::Closed)));
    let (old, new) = (SinkName::new("crm"), SinkName::new("archive"));
    assert!(matches!(beside.move_waiting(&old, &new).await, Err(StoreError::Closed)));
    assert_eq!(beside.backlog().await.unwrap()[&SinkName::new("crm")].n_dead, 1);
    beside.close().await;
}

#[tokio::test]
async fn dead_letters_are_due_again_one_those_of_a_sink_or_all() {
    let test = sqlite();
    test.accept(vec![recording("1").to(&["crm"]), recording("2").to(&["crm", "archive"])]).await;
    for lease in test.lease("crm").await.into_iter().chain(test.lease("archive").await) {
        test.bury(lease).await;
    }
    let dead = test.store.deliveries(DeliveryState::Dead, None, Newest::up_to(9)).await.unwrap();
    let one = dead.iter().find(|it| it.sink.as_str() == "archive").unwrap().id;
    assert_eq!(replayed(&test, DeadLetters::One(one)).await, 1);
    assert_eq!(replayed(&test, DeadLetters::One(one)).await, 0, "it is no dead letter any more");
    test.deliver(test.lease_one("archive").await).await;
    assert_eq!(test.store.replay_all(Some(SinkName::new("crm"))).await, 2);
    for lease in test.lease("crm").await {
        test.bury(lease).await;
    }
    assert_eq!(test.store.replay_all(None).await, 2);
    assert_eq!(test.lease("crm").await.len(), 2);
}

#[tokio::test]
async fn events_are_routed_once_and_entries_are_noted_to_be_verified_again() {
    let test = sqlite();
    test.accept_batch(vec![resource("{}").to(&[])], vec![refused("a")]).await.unwrap();
    let event = test.store.unmatched(Newest::up_to(9)).await.unwrap()[0].id;
    let deliveries = || vec![delivery_to("crm"), delivery_to("archive")];
    assert_eq!(test.store.route_again(event, deliveries()).await.unwrap(), Some(2));
    assert_eq!(test.store.route_again(event, deliveries()).await.unwrap(), None, "not twice");
    let lease = test.lease_one("crm").await;
    assert_eq!((lease.delivery.event.id, &*lease.delivery.captures["queue"]), (event, "crm"));
    assert!(test.store.wish_replay(1, true).await.unwrap());
    assert!(test.store.replay_wishes(9).await.unwrap()[0].vouched);
}

#[tokio::test]
async fn what_waits_for_a_sink_goes_to_another_under_its_ids_and_in_its_order() {
    let test = sqlite();
    let told = |status| recording("op").status(status);
    test.accept(vec![told(Status::Running).to(&["old", "crm"]), told(Status::Completed).to(&["old"])]).await;
    test.accept(vec![recording("other").to(&["old"])]).await;
    let before: Vec<_> = waiting(&test, "old").await.iter().map(|it| it.id).collect();
    let (old, new) = (SinkName::new("old"), SinkName::new("crm"));
    assert_eq!(test.store.move_waiting(&old, &new).await.unwrap(), 3);
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
    let under_way = test.store.lease(&SinkName::new("old"), Limit::of(1), TTL).await.unwrap().remove(0);
    assert_eq!(test.store.drop_waiting(&SinkName::new("old")).await.unwrap(), 600);
    let backlog = test.store.backlog().await.unwrap()[&SinkName::new("old")].clone();
    assert_eq!((backlog.n_open, backlog.n_dead), (1, 600));
    test.deliver(under_way).await;
    let dead = test.store.deliveries(DeliveryState::Dead, None, Newest::up_to(1)).await.unwrap();
    assert!(dead[0].reason.contains("operator"), "{dead:?}");
    assert_eq!(test.store.replay_all(Some(SinkName::new("old"))).await, 600, "they are not lost");
}
