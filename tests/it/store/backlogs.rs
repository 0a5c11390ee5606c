//! The kept numbers of what waits for each sink agree with the rows, whatever happens in whatever order.

use super::*;
use proptest::prelude::*;
use reelhook::store::DeadLetters;
use rusqlite::Connection;

const SINKS: [&str; 3] = ["archive", "crm", "old"];

#[derive(Clone, Debug)]
enum Step {
    Accept { operation: u8, sinks: [bool; 3] },
    AcceptResource { sinks: [bool; 3] },
    Lease { sink: usize, limit: usize },
    Settle { which: prop::sample::Index, how: u8 },
    Release { which: prop::sample::Index },
    Pass { seconds: i64 },
    Attempt { sink: usize },
    ReplayAll,
    ReplayOfSink { sink: usize },
    ReplayOne { which: prop::sample::Index },
    Resend { which: prop::sample::Index, to: Option<usize> },
    Move { from: usize, to: usize },
    Drop { sink: usize },
    Route { sinks: [bool; 3] },
    Remove { operation: u8, force: bool },
    Retire,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (which, sinks) = (any::<prop::sample::Index>, any::<[bool; 3]>);
    prop_oneof![
        6 => (0u8..3, sinks()).prop_map(|(operation, sinks)| Step::Accept { operation, sinks }),
        2 => sinks().prop_map(|sinks| Step::AcceptResource { sinks }),
        5 => (0..3usize, 1..4usize).prop_map(|(sink, limit)| Step::Lease { sink, limit }),
        6 => (which(), 0u8..3).prop_map(|(which, how)| Step::Settle { which, how }),
        1 => which().prop_map(|which| Step::Release { which }),
        2 => (1i64..100).prop_map(|seconds| Step::Pass { seconds }),
        1 => (0..3usize).prop_map(|sink| Step::Attempt { sink }),
        1 => Just(Step::ReplayAll),
        1 => (0..3usize).prop_map(|sink| Step::ReplayOfSink { sink }),
        1 => which().prop_map(|which| Step::ReplayOne { which }),
        2 => (which(), prop::option::of(0..3usize)).prop_map(|(which, to)| Step::Resend { which, to }),
        2 => (0..3usize, 0..3usize).prop_map(|(from, to)| Step::Move { from, to }),
        1 => (0..3usize).prop_map(|sink| Step::Drop { sink }),
        1 => sinks().prop_map(|sinks| Step::Route { sinks }),
        1 => (0u8..3, any::<bool>()).prop_map(|(operation, force)| Step::Remove { operation, force }),
        1 => Just(Step::Retire),
        1 => Just(Step::Reopen),
    ]
}

fn chosen(sinks: [bool; 3]) -> Vec<&'static str> {
    SINKS.iter().zip(sinks).filter_map(|(name, is_chosen)| is_chosen.then_some(*name)).collect()
}

/// Of each sink that has deliveries: how many wait, how many are dead, and when the oldest that waits was made.
type Counted = BTreeMap<String, (u64, u64, Option<Timestamp>)>;

fn counted(connection: &Connection) -> Counted {
    let sql = "SELECT d.sink, count(*) FILTER (WHERE d.state < 2), count(*) FILTER (WHERE d.state = 3), \
               (SELECT o.created_at FROM deliveries o WHERE o.sink = d.sink AND o.state < 2 ORDER BY o.seq LIMIT 1) \
               FROM deliveries d WHERE d.state <> 2 GROUP BY d.sink";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let oldest = row.get::<_, Option<i64>>(3)?.map(|at| Timestamp::from_microsecond(at).unwrap());
        let n = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok((row.get(0)?, (n(1)?, n(2)?, oldest)))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

async fn kept(test: &TestStore) -> Counted {
    let backlogs = test.store.backlog().await.unwrap();
    let of = |(sink, it): (SinkName, reelhook::store::Backlog)| {
        (sink.to_string(), (it.n_open, it.n_dead, it.oldest.map(|oldest| oldest.at)))
    };
    backlogs.into_iter().map(of).collect()
}

async fn one_in(test: &TestStore, phase: Phase, which: prop::sample::Index) -> Option<DeliveryId> {
    let filter = DeliveryFilter { phase: Some(phase), ..DeliveryFilter::default() };
    let found = test.store.delivery_log(&filter, Newest::up_to(99)).await.unwrap().rows;
    (!found.is_empty()).then(|| found[which.index(found.len())].delivery.id)
}

async fn settle(test: &TestStore, lease: Lease, how: u8) {
    let later = test.clock.steady() + SignedDuration::from_secs(30);
    let settlement = match how {
        0 => Settlement::Delivered,
        1 => Settlement::Dead { reason: "no".into() },
        _ => Settlement::RetryAt { at: later, reason: "later".into() },
    };
    test.settle(lease, settlement).await;
}

async fn remove(test: &TestStore, operation: u8, force: bool) {
    let id = GraphId::new(&format!("operation-{operation}")).unwrap();
    if let Some(found) = test.operations.get(&id, None).await.unwrap() {
        test.operations.delete(found.number, None, force).await.unwrap();
    }
}

async fn take(test: &mut TestStore, held: &mut Vec<Lease>, (n, step): (usize, Step)) {
    let sink = |at: usize| SinkName::new(SINKS[at]);
    let text = n.to_string();
    match step {
        Step::Accept { operation, sinks } => {
            let told = recording(&format!("operation-{operation}")).context(&text).raw(&text);
            test.accept(vec![told.to(&chosen(sinks))]).await;
        }
        Step::AcceptResource { sinks } => {
            test.accept(vec![resource(&text).to(&chosen(sinks)), resource(&format!("{text}b")).to(&chosen(sinks))])
                .await;
        }
        Step::Lease { sink, limit } => held.extend(test.lease_run(SINKS[sink], limit).await),
        Step::Settle { which, how } if !held.is_empty() => {
            let lease = held.swap_remove(which.index(held.len()));
            settle(test, lease, how).await;
        }
        Step::Release { which } if !held.is_empty() => {
            let lease = held.swap_remove(which.index(held.len()));
            test.store.release(vec![lease], test.clock.steady()).await.unwrap();
        }
        Step::Settle { .. } | Step::Release { .. } => {}
        Step::Pass { seconds } => test.pass(SignedDuration::from_secs(seconds)),
        Step::Attempt { sink: at } => drop(test.store.make_due(&sink(at)).await.unwrap()),
        Step::ReplayAll => drop(test.store.replay_all(None).await),
        Step::ReplayOfSink { sink: at } => drop(test.store.replay_all(Some(sink(at))).await),
        Step::ReplayOne { which } => {
            if let Some(id) = one_in(test, Phase::Dead, which).await {
                assert_eq!(test.store.replay_dead(DeadLetters::One(id)).await.unwrap(), 1);
            }
        }
        Step::Resend { which, to } => {
            if let Some(id) = one_in(test, Phase::Delivered, which).await {
                test.store.resend(vec![id], to.map(sink)).await.unwrap();
            }
        }
        Step::Move { from, to } => drop(test.store.move_waiting(&sink(from), &sink(to)).await.unwrap()),
        Step::Drop { sink: at } => drop(test.store.drop_waiting(&sink(at)).await.unwrap()),
        Step::Route { sinks } => {
            let to = || chosen(sinks).into_iter().map(delivery_to).collect();
            for event in test.store.unmatched(Newest::up_to(9)).await.unwrap() {
                test.store.route_again(event.id, to()).await.unwrap();
            }
        }
        Step::Remove { operation, force } => remove(test, operation, force).await,
        Step::Retire => {
            test.pass(HOUR * 24 * 31);
            test.sweep().await;
        }
        Step::Reopen => test.reopen(|_| {}).await,
    }
}

async fn play(steps: Vec<Step>) {
    let mut test = TestStore::new(open_sqlite);
    let rows = Connection::open(&test.settings.path).unwrap();
    let mut held = Vec::new();
    for (n, step) in steps.into_iter().enumerate() {
        let before = format!("{step:?}");
        take(&mut test, &mut held, (n, step)).await;
        assert_eq!(kept(&test).await, counted(&rows), "after step {n}, {before}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_kept_numbers_are_those_of_the_rows_after_any_steps(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(steps));
    }
}

#[tokio::test]
async fn numbers_that_do_not_agree_with_the_rows_are_counted_again_at_the_start() {
    let mut test = TestStore::new(open_sqlite);
    test.accept(vec![resource("a").to(&["archive", "crm"]), resource("b").to(&["crm"])]).await;
    test.bury(test.lease("archive").await.remove(0)).await;
    let before = kept(&test).await;
    let rows = Connection::open(&test.settings.path).unwrap();
    rows.execute_batch(
        "UPDATE backlogs SET n_open = n_open + 7, n_dead = 3; DELETE FROM backlogs WHERE sink = 'archive'; \
         INSERT INTO backlogs VALUES ('none', 4, 0)",
    )
    .unwrap();
    assert_ne!(kept(&test).await, before);
    test.reopen(|_| {}).await;
    assert_eq!(kept(&test).await, before);
    assert_eq!(before, counted(&rows));
}
