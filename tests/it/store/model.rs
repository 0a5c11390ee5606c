//! The queue's states against a model in memory: whatever is accepted, leased, settled, expired, replayed, in any order.

use super::*;
use proptest::prelude::*;
use reelhook::store::{DeliveryState, Newest};

const SINKS: [&str; 2] = ["archive", "crm"];

#[derive(Clone, Debug)]
enum Step {
    Accept { operation: u8, sinks: [bool; 2] },
    Lease { sink: usize, limit: usize },
    Settle { which: prop::sample::Index, how: u8 },
    Release { which: prop::sample::Index },
    Pass { seconds: i64 },
    ReplayDead,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3, any::<[bool; 2]>()).prop_map(|(operation, sinks)| Step::Accept { operation, sinks }),
        4 => (0..2usize, 1..4usize).prop_map(|(sink, limit)| Step::Lease { sink, limit }),
        5 => (any::<prop::sample::Index>(), 0u8..3).prop_map(|(which, how)| Step::Settle { which, how }),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Release { which }),
        2 => (1i64..100).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::ReplayDead),
        1 => Just(Step::Reopen),
    ]
}

/// What the model knows of a delivery. Its place in the list is its turn.
struct Row {
    operation: u8,
    sink: usize,
    /// The client context of its notification, by which a lease is recognised.
    context: String,
    state: DeliveryState,
    due_at: Timestamp,
    created_at: Timestamp,
    /// The token of the lease that holds it, or would if it had not expired.
    token: Option<i64>,
    attempt: u32,
}

#[derive(Default)]
struct Model {
    rows: Vec<Row>,
}

impl Model {
    fn is_waited_for(&self, (operation, sink): (u8, usize)) -> bool {
        self.rows.iter().any(|row| {
            (row.operation, row.sink) == (operation, sink)
                && matches!(row.state, DeliveryState::Open | DeliveryState::Blocked)
        })
    }

    fn state_of_new(&self, lane: (u8, usize)) -> DeliveryState {
        if self.is_waited_for(lane) { DeliveryState::Blocked } else { DeliveryState::Open }
    }

    fn accept(&mut self, lane: (u8, usize), context: &str, now: Timestamp) {
        let state = self.state_of_new(lane);
        let context = context.to_owned();
        let (operation, sink) = lane;
        let (due_at, created_at) = (now, now);
        self.rows.push(Row { operation, sink, context, state, due_at, created_at, token: None, attempt: 1 });
    }

    /// The row that a lease holds; `None` where it is an old one.
    fn held_by(&mut self, lease: &Lease) -> Option<usize> {
        let at = self.at(lease);
        (self.rows[at].token == Some(lease.token)).then_some(at)
    }

    fn at(&self, lease: &Lease) -> usize {
        let context = lease.delivery.event.client_context.as_ref().unwrap().as_str();
        let is_it = |row: &Row| row.context == context && SINKS[row.sink] == lease.delivery.sink.as_str();
        self.rows.iter().position(is_it).expect("the model knows what is leased")
    }

    fn end(&mut self, at: usize, state: DeliveryState, now: Timestamp) {
        let was_open = self.rows[at].state == DeliveryState::Open;
        self.rows[at].state = state;
        let lane = (self.rows[at].operation, self.rows[at].sink);
        let next = self.blocked(lane).first().copied().filter(|_| was_open);
        let Some(next) = next.map(|at| &mut self.rows[at]) else { return };
        next.state = DeliveryState::Open;
        if next.token.is_none() || next.due_at <= now {
            (next.due_at, next.token) = (now, None);
        }
    }

    /// What waits in a lane, in its order.
    fn blocked(&self, lane: (u8, usize)) -> Vec<usize> {
        let is_blocked = |row: &Row| (row.operation, row.sink) == lane && row.state == DeliveryState::Blocked;
        (0..self.rows.len()).filter(|at| is_blocked(&self.rows[*at])).collect()
    }

    fn replay(&mut self, now: Timestamp) {
        for at in 0..self.rows.len() {
            if self.rows[at].state == DeliveryState::Dead {
                let state = self.state_of_new((self.rows[at].operation, self.rows[at].sink));
                let row = &mut self.rows[at];
                (row.state, row.due_at, row.attempt) = (state, now, 1);
            }
        }
    }

    fn void_leases(&mut self) {
        for row in &mut self.rows {
            if row.token.take().is_some() && row.state == DeliveryState::Open {
                row.due_at = row.created_at;
            }
        }
    }

    fn count(&self, sink: usize, states: &[DeliveryState]) -> u64 {
        self.rows.iter().filter(|row| row.sink == sink && states.contains(&row.state)).count() as u64
    }
}

async fn lease(test: &TestStore, model: &mut Model, (sink, limit): (usize, usize)) -> Vec<Lease> {
    let now = test.clock.now();
    let leases = test.lease_run(SINKS[sink], limit).await;
    let is_due = |row: &Row| row.sink == sink && row.state == DeliveryState::Open && row.due_at <= now;
    let taken: Vec<usize> = leases.iter().map(|lease| model.at(lease)).collect();
    let left = model.rows.iter().enumerate().filter(|(at, row)| is_due(row) && !taken.contains(at));
    let earliest_left = left.map(|(_, row)| row.due_at).min();
    let n_first = leases.iter().filter(|lease| !lease.follows).count();
    assert!(n_first == limit || earliest_left.is_none(), "all that is due is leased, up to the limit");
    assert!(leases.len() <= limit);
    let mut behind = Vec::new().into_iter();
    for (lease, at) in leases.iter().zip(&taken) {
        if lease.follows {
            assert_eq!(behind.next(), Some(*at), "what waits behind a delivery follows it in its order");
        } else {
            let row = &model.rows[*at];
            assert!(is_due(row), "only what is due is leased");
            assert!(earliest_left.is_none_or(|left| row.due_at <= left), "the longest due goes first");
            behind = model.blocked((row.operation, row.sink)).into_iter();
        }
        let row = &mut model.rows[*at];
        assert_eq!(lease.delivery.attempt, row.attempt);
        assert_ne!(row.token, Some(lease.token), "a lease has a token of its own");
        (row.token, row.due_at) = (Some(lease.token), lease.expires_at);
    }
    leases
}

async fn settle(test: &TestStore, model: &mut Model, lease: Lease, how: u8) {
    let now = test.clock.now();
    let retry_at = now + SignedDuration::from_secs(30);
    if let Some(at) = model.held_by(&lease) {
        let row = &mut model.rows[at];
        row.token = None;
        match how {
            0 => model.end(at, DeliveryState::Delivered, now),
            1 => model.end(at, DeliveryState::Dead, now),
            _ => (row.due_at, row.attempt) = (retry_at, row.attempt + 1), // blocked or open as before
        }
    }
    let settlement = match how {
        0 => Settlement::Delivered,
        1 => Settlement::Dead { reason: "no".into() },
        _ => Settlement::RetryAt { at: retry_at, reason: "later".into() },
    };
    test.settle(lease, settlement).await;
}

async fn agree(test: &TestStore, model: &Model) {
    let backlog = test.store.backlog().await.unwrap();
    for (at, sink) in SINKS.iter().enumerate() {
        let found = backlog.get(&SinkName::new(sink)).map_or((0, 0), |backlog| (backlog.n_open, backlog.n_dead));
        let unsettled = model.count(at, &[DeliveryState::Open, DeliveryState::Blocked]);
        assert_eq!(found, (unsettled, model.count(at, &[DeliveryState::Dead])), "{sink}");
    }
    let blocked =
        test.store.deliveries(DeliveryState::Blocked, None, Newest::up_to(usize::MAX)).await.unwrap().len() as u64;
    let expected: u64 = (0..SINKS.len()).map(|sink| model.count(sink, &[DeliveryState::Blocked])).sum();
    assert_eq!(blocked, expected);
}

async fn play(steps: Vec<Step>, open: Open) {
    let mut test = TestStore::new(open);
    let (mut model, mut held) = (Model::default(), Vec::<Lease>::new());
    for (n, step) in steps.into_iter().enumerate() {
        let now = test.clock.now();
        match step {
            Step::Accept { operation, sinks } => {
                let context = n.to_string();
                let to: Vec<usize> = (0..2).filter(|sink| sinks[*sink]).collect();
                let names: Vec<&str> = to.iter().map(|sink| SINKS[*sink]).collect();
                let told = recording(&format!("operation-{operation}")).context(&context).raw(&context);
                test.accept(vec![told.to(&names)]).await;
                to.iter().for_each(|sink| model.accept((operation, *sink), &context, now));
            }
            Step::Lease { sink, limit } => held.extend(lease(&test, &mut model, (sink, limit)).await),
            Step::Settle { which, how } if !held.is_empty() => {
                let lease = held.swap_remove(which.index(held.len()));
                settle(&test, &mut model, lease, how).await;
            }
            Step::Release { which } if !held.is_empty() => {
                let lease = held.swap_remove(which.index(held.len()));
                if let Some(at) = model.held_by(&lease) {
                    (model.rows[at].token, model.rows[at].due_at) = (None, now);
                }
                test.store.release(vec![lease], now).await.unwrap();
            }
            Step::Settle { .. } | Step::Release { .. } => {}
            Step::Pass { seconds } => test.pass(SignedDuration::from_secs(seconds)),
            Step::ReplayDead => {
                model.replay(now);
                test.store.replay_all(None).await;
            }
            Step::Reopen => {
                test.reopen(|_| {}).await;
                model.void_leases();
            }
        }
        agree(&test, &model).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_queue_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        run(play(steps, open_sqlite));
    }

    #[test]
    fn the_queue_in_memory_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        run(play(steps, open_memory));
    }
}

fn run(play: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play);
}
