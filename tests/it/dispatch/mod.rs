//! Dispatch, over a store in memory and a sink that records.

mod chains;
mod company;
mod ending;
mod memory;
mod recording;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use reelhook::clock::Clock;
use reelhook::config::SinkDispatch;
use reelhook::dispatch::{Dispatcher, Pauses, Shared};
use reelhook::domain::{DeliveryId, SinkName};
use reelhook::sinks::{DeliveryError, Sink};
use reelhook::store::Deliveries;
use reelhook::telemetry::Metrics;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::sinks::samples::{dispatch, instant};
use memory::{Memory, State};
use recording::{Recording, pause, retry};

struct House {
    clock: Clock,
    store: Arc<Memory>,
    settings: SinkDispatch,
    metrics: Arc<Metrics>,
    pauses: OnceCell<Arc<Pauses>>,
}

impl House {
    fn new() -> Self {
        Self::at(Clock::manual(instant("2026-11-24T05:35:03Z")))
    }

    fn at(clock: Clock) -> Self {
        let retry = vec![Duration::ZERO; 3];
        let settings = SinkDispatch { concurrency: 4, retry, ..dispatch() };
        let (store, metrics) = (Arc::new(Memory::new(&clock)), Arc::new(Metrics::new()));
        Self { store, clock, settings, metrics, pauses: OnceCell::new() }
    }

    /// Opens the queue, then dispatches to `sink` until `story` ends.
    async fn run(&self, sink: &Arc<Recording>, story: impl AsyncFnOnce(&CancellationToken)) {
        self.run_over(Arc::clone(sink) as _, story).await;
    }

    async fn run_over(&self, sink: Arc<dyn Sink>, story: impl AsyncFnOnce(&CancellationToken)) {
        let cancel = CancellationToken::new();
        let dispatcher = self.dispatcher_over(sink).await;
        let story = async {
            story(&cancel).await;
            cancel.cancel();
        };
        tokio::join!(dispatcher.run(cancel.clone()), story);
    }

    async fn dispatcher(&self, sink: &Arc<Recording>) -> Dispatcher {
        self.dispatcher_over(Arc::clone(sink) as _).await
    }

    async fn dispatcher_over(&self, sink: Arc<dyn Sink>) -> Dispatcher {
        let shared = Shared {
            store: Arc::clone(&self.store) as _,
            queues: Arc::clone(&self.store.process.queues),
            pauses: self.pauses().await,
            conditions: Arc::default(),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock.clone(),
        };
        Dispatcher::new(SinkName::new("crm"), sink, self.settings.clone(), shared)
    }

    /// The same ones until the next house is built: what is durable is the store's.
    async fn pauses(&self) -> Arc<Pauses> {
        Arc::clone(
            self.pauses.get_or_init(async || Arc::new(Pauses::load(Arc::clone(&self.store) as _).await.unwrap())).await,
        )
    }

    fn add(&self, ids: std::ops::Range<u128>) {
        ids.for_each(|n| self.store.add(n));
    }
}

fn id(n: u128) -> DeliveryId {
    DeliveryId(Uuid::from_u128(1000 + n))
}

fn is_settled(state: &State) -> bool {
    matches!(state, State::Delivered | State::Dead { .. })
}

fn sink(behave: impl Fn(DeliveryId, u32) -> Result<(), DeliveryError> + Send + Sync + 'static) -> Recording {
    Recording::new(move |seen| std::future::ready(behave(seen.id, seen.attempt)))
}

#[tokio::test]
async fn fresh_deliveries_and_those_that_found_no_place_are_delivered_once() {
    let mut house = House::new();
    house.settings.queue = 3;
    let sink = Arc::new(sink(|_, _| Ok(())));
    house.add(0..100); // before the queue is open: they wait in the store
    house
        .run(&sink, async |_| {
            house.add(100..200);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert_eq!(sink.seen().len(), 200);
}

#[tokio::test]
async fn what_waits_in_the_store_is_not_starved_by_fresh_deliveries() {
    let mut house = House::new();
    house.settings.concurrency = 1;
    house.settings.queue = 4;
    house.add(0..1);
    // Every attempt brings another fresh delivery; the one in the store and its second attempt come in between.
    let store = Arc::clone(&house.store);
    let sink = Arc::new(sink(move |it, attempt| {
        let n = it.0.as_u128();
        if it == id(0) && attempt == 1 {
            return retry();
        }
        if it != id(0) && n < 1000 + 3000 {
            store.add(n + 1 - 1000);
        }
        Ok(())
    }));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            house.store.until_delivered(id(3000)).await;
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    let seen = sink.seen();
    let places: Vec<usize> = (0..seen.len()).filter(|n| seen[*n].id == id(0)).collect();
    assert_eq!(places.len(), 2);
    assert!(places[0] < 4 && places[1] < 20, "{places:?} of {}", seen.len());
    assert!(seen.len() > 2000);
}

#[tokio::test]
async fn the_schedule_is_followed_and_ends_in_a_dead_letter() {
    let mut house = House::new();
    house.settings.retry = [0, 5, 300].map(Duration::from_secs).to_vec();
    let sink = Arc::new(sink(|_, _| retry()));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            for (n, seconds) in [(1, 5), (2, 300)] {
                house.store.until_all(|state| matches!(state, State::Open { .. })).await;
                assert_eq!(house.store.n_attempts(id(1)), n);
                assert_eq!(
                    house.store.state(id(1)),
                    State::Open { due: house.clock.now() + SignedDuration::from_secs(seconds) }
                );
                house.clock.advance(SignedDuration::from_secs(seconds));
                // The dispatcher looks every two seconds without cause; this is the cause.
                house.store.until_all(|state| !matches!(state, State::Open { due } if *due <= house.clock.now())).await;
            }
            house.store.until_all(is_settled).await;
        })
        .await;
    assert!(matches!(house.store.state(id(1)), State::Dead { reason } if reason.contains("given up after 3 attempts")));
    assert_eq!(sink.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_rejection_is_a_dead_letter_at_once() {
    let house = House::new();
    let sink = Arc::new(sink(|_, _| Err(DeliveryError::Reject { reason: "gone".into() })));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            house.store.until_all(is_settled).await;
        })
        .await;
    assert_eq!(house.store.state(id(1)), State::Dead { reason: "gone".into() });
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_given_up_and_made_again() {
    let mut house = House::new();
    house.settings.timeout = Duration::from_millis(20);
    let sink = Arc::new(Recording::new(|seen| async move {
        if seen.attempt == 1 { std::future::pending().await } else { Ok(()) }
    }));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            house.store.until_all(is_settled).await;
        })
        .await;
    assert_eq!(house.store.reasons(id(1)), ["no answer within 20ms"]);
    let told = house.metrics.render(house.clock.now());
    assert!(told.contains("result=\"timeout\"} 1\n") && told.contains("result=\"delivered\"} 1\n"), "{told}");
}

#[tokio::test]
async fn a_sink_that_panics_costs_an_attempt_and_nobody_else() {
    let house = House::new();
    let sink = Arc::new(sink(|it, attempt| {
        assert!(it != id(3) || attempt > 1, "poison");
        Ok(())
    }));
    house
        .run(&sink, async |_| {
            house.add(0..6);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert_eq!(house.store.reasons(id(3)), ["the sink panicked"]);
    assert_eq!(sink.seen().len(), 7);
}

#[tokio::test]
async fn a_batch_is_settled_at_once_and_only_what_failed_is_tried_again() {
    let mut house = House::new();
    house.settings.concurrency = 1;
    let mut recording = sink(|it, attempt| if it == id(2) && attempt == 1 { retry() } else { Ok(()) });
    recording.batch_size = 8;
    let sink = Arc::new(recording);
    house.add(0..8);
    house.run(&sink, async |_| house.store.until_all(|state| *state == State::Delivered).await).await;
    assert_eq!(*sink.batches.lock(), [8, 1]);
    assert_eq!(house.store.n_settled.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_more_calls_are_made_than_are_configured_or_do_the_sink_good() {
    for (concurrency, good, most) in [(3, usize::MAX, 3), (8, 2, 2), (0, usize::MAX, 1)] {
        let mut house = House::new();
        house.settings.concurrency = concurrency;
        let mut recording = Recording::new(|_| async {
            tokio::task::yield_now().await;
            Ok(())
        });
        recording.most_at_a_time = good;
        let sink = Arc::new(recording);
        house.add(0..50);
        house.run(&sink, async |_| house.store.until_all(|state| *state == State::Delivered).await).await;
        assert_eq!(sink.most_calls(), most);
    }
}

#[tokio::test]
async fn a_pause_holds_the_whole_sink_and_the_longest_counts() {
    let house = House::at(Clock::system());
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let sink = Arc::new(Recording::new(move |seen| {
        let gate = Arc::clone(&opened);
        async move {
            match (seen.id == id(0), seen.id == id(1), seen.attempt) {
                (true, _, 1) => pause(Duration::from_millis(1500)),
                // Ends later and asks for less.
                (_, true, 1) => {
                    drop(gate.acquire().await);
                    pause(Duration::from_millis(1000))
                }
                _ => Ok(()),
            }
        }
    }));
    house
        .run(&sink, async |_| {
            house.add(0..2);
            house.store.until(|| house.store.n_attempts(id(0)) == 1).await;
            house.add(2..3);
            gate.add_permits(1);
            house.store.until(|| house.store.n_attempts(id(1)) == 1).await;
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    let seen = sink.seen();
    let first = seen.iter().find(|it| it.id == id(0)).unwrap().at;
    let others = seen.iter().filter(|it| it.attempt > 1 || it.id == id(2));
    assert!(others.clone().count() == 3 && others.clone().all(|it| it.at - first >= Duration::from_millis(1400)));
}

#[tokio::test]
async fn a_pause_of_the_sinks_own_ends_when_an_operator_wants_attempts_now() {
    let house = House::new();
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let sink =
        Arc::new(sink(move |_, _| if up.load(Ordering::SeqCst) { Ok(()) } else { pause(Duration::from_secs(3600)) }));
    let (crm, pauses) = (SinkName::new("crm"), house.pauses().await);
    let is_paused = || house.metrics.render(house.clock.now()).contains("reelhook_sink_paused{sink=\"crm\"} 1");
    house
        .run(&sink, async |_| {
            house.add(0..20);
            while !is_paused() {
                tokio::task::yield_now().await;
            }
            is_up.store(true, Ordering::SeqCst);
            house.store.store.make_due(&crm).await.unwrap();
            pauses.end_own(&crm);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert!(!is_paused() && !pauses.is_paused(&crm));
}

#[tokio::test]
async fn an_operators_pause_stays_when_attempts_are_wanted_now() {
    let house = House::new();
    let (crm, pauses) = (SinkName::new("crm"), house.pauses().await);
    let sink = Arc::new(sink(|_, _| Ok(())));
    pauses.pause(&crm).await.unwrap();
    house
        .run(&sink, async |_| {
            house.add(0..3);
            house.store.store.make_due(&crm).await.unwrap();
            pauses.end_own(&crm);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert!(sink.seen().is_empty() && pauses.is_paused(&crm));
            pauses.resume(&crm).await.unwrap();
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
}

/// A sink whose attempts wait for a place at the gate.
fn gated() -> (Arc<Semaphore>, Arc<Recording>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let sink = Recording::new(move |_| {
        let gate = Arc::clone(&opened);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    (gate, Arc::new(sink))
}

fn is_open(state: &State) -> bool {
    matches!(state, State::Open { .. })
}

#[tokio::test]
async fn an_operators_pause_lets_the_attempt_under_way_end_and_hands_the_others_back() {
    let mut house = House::new();
    house.settings.concurrency = 1;
    house.settings.queue = 3;
    let crm = SinkName::new("crm");
    let (gate, sink) = gated();
    let pauses = house.pauses().await;
    house
        .run(&sink, async |_| {
            house.add(0..9);
            while sink.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            assert!(pauses.pause(&crm).await.unwrap());
            house.store.until(|| (0..9).filter(|n| is_open(&house.store.state(id(*n)))).count() == 8).await;
            house.add(9..12);
            gate.add_permits(100);
            house.store.until(|| (0..12).filter(|n| is_open(&house.store.state(id(*n)))).count() == 11).await;
            let n_asked = house.store.n_asked.load(Ordering::SeqCst);
            assert!(house.metrics.render(house.clock.now()).contains("reelhook_sink_paused{sink=\"crm\"} 1"));
            // Nobody wakes it but the resumption: a lease taken meanwhile would be asked for.
            house.store.until_all(|state| !matches!(state, State::Leased)).await;
            assert_eq!((sink.seen().len(), house.store.n_asked.load(Ordering::SeqCst)), (1, n_asked));
            assert!(pauses.resume(&crm).await.unwrap());
            house.store.until_all(|state| *state == State::Delivered).await;
            assert!(house.metrics.render(house.clock.now()).contains("reelhook_sink_paused{sink=\"crm\"} 0"));
        })
        .await;
    let attempts: Vec<u32> = sink.seen().iter().map(|seen| seen.attempt).collect();
    assert_eq!(attempts, [1; 12], "each once, and what was handed back counts as no attempt");
}

#[tokio::test]
async fn a_pause_is_durable_before_it_holds() {
    let house = House::new();
    let (crm, pauses) = (SinkName::new("crm"), house.pauses().await);
    house.store.down.store(true, Ordering::SeqCst);
    assert!(pauses.pause(&crm).await.is_err());
    assert!(!pauses.is_paused(&crm));
    house.store.down.store(false, Ordering::SeqCst);
    assert!(pauses.pause(&crm).await.unwrap());
    assert!(!pauses.pause(&crm).await.unwrap(), "it was before");
    house.store.down.store(true, Ordering::SeqCst);
    assert!(pauses.resume(&crm).await.is_err());
    assert!(pauses.is_paused(&crm));
}

#[tokio::test]
async fn a_sink_that_was_paused_when_the_last_process_ended_still_is() {
    let house = House::new();
    let crm = SinkName::new("crm");
    house.pauses().await.pause(&crm).await.unwrap();
    let later = House { pauses: OnceCell::new(), ..house };
    let sink = Arc::new(sink(|_, _| Ok(())));
    later.add(0..1);
    later
        .run(&sink, async |_| {
            later.add(1..2);
            while !later.metrics.render(later.clock.now()).contains("reelhook_sink_paused{sink=\"crm\"} 1") {
                tokio::task::yield_now().await;
            }
            assert_eq!((sink.seen().len(), later.store.n_asked.load(Ordering::SeqCst)), (0, 0));
            later.pauses().await.resume(&crm).await.unwrap();
            later.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
}

#[tokio::test]
async fn a_stop_hands_back_what_was_not_attempted_and_finishes_what_was() {
    let mut house = House::new();
    house.settings.concurrency = 1;
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let sink = Arc::new(Recording::new(move |_| {
        let gate = Arc::clone(&closed);
        async move {
            drop(gate.acquire().await);
            Ok(())
        }
    }));
    house.add(0..3);
    house
        .run(&sink, async |cancel| {
            house.add(3..6);
            while sink.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
            // Handed back while the attempt is still under way.
            let first = sink.seen()[0].id;
            let is_open = |it| matches!(house.store.state(it), State::Open { .. });
            house.store.until(|| (0..6).map(id).filter(|it| *it != first).all(is_open)).await;
            gate.add_permits(1);
        })
        .await;
    let seen = sink.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(house.store.state(seen[0].id), State::Delivered);
    for n in (0..6).filter(|n| id(*n) != seen[0].id) {
        assert_eq!(house.store.state(id(n)), State::Open { due: house.clock.now() });
        assert_eq!(house.store.n_attempts(id(n)), 0);
    }
}

#[tokio::test]
async fn a_lease_that_could_run_out_during_the_attempt_is_handed_back() {
    let mut house = House::new();
    house.settings.concurrency = 1;
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let sink = Arc::new(Recording::new(move |seen| {
        let gate = Arc::clone(&closed);
        async move {
            if seen.id == id(0) {
                drop(gate.acquire().await);
            }
            Ok(())
        }
    }));
    house
        .run(&sink, async |_| {
            house.add(0..1);
            while sink.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            house.add(1..4); // these wait in memory meanwhile
            house.clock.advance(SignedDuration::from_secs(61));
            gate.add_permits(1);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert!((0..4).all(|n| house.store.n_attempts(id(n)) == 1));
    assert_eq!(sink.seen().len(), 4);
}

#[tokio::test]
async fn an_outcome_that_could_not_be_recorded_is_not_lost() {
    let house = House::new();
    let store = Arc::clone(&house.store);
    let sink = Arc::new(sink(move |_, _| {
        // The store fails while the first attempt is under way.
        let first = store.n_settled.load(Ordering::SeqCst) == 0;
        store.down.store(first, Ordering::SeqCst);
        Ok(())
    }));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            while house.store.n_settled.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            house.store.down.store(false, Ordering::SeqCst);
            house.clock.advance(SignedDuration::from_secs(91)); // the lease runs out
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert_eq!(sink.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn an_outcome_is_recorded_once_the_store_writes_again_and_nothing_is_delivered_twice() {
    let house = House::new();
    let store = Arc::clone(&house.store);
    let sink = Arc::new(sink(move |_, _| {
        store.down.store(store.n_settled.load(Ordering::SeqCst) == 0, Ordering::SeqCst);
        Ok(())
    }));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            while house.store.n_settled.load(Ordering::SeqCst) < 3 {
                tokio::task::yield_now().await;
            }
            house.store.down.store(false, Ordering::SeqCst);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert_eq!(sink.seen().len(), 1);
}

#[tokio::test]
async fn a_sink_that_hangs_holds_no_more_bytes_than_its_budget() {
    let mut house = House::new();
    (house.settings.queue, house.settings.concurrency) = (1000, 64);
    house.settings.queue_bytes = 400_000;
    let (gate, sink) = gated();
    (0..20).for_each(|n| house.store.add_large(n, 100_000)); // these wait in the store
    house
        .run(&sink, async |_| {
            (20..40).for_each(|n| house.store.add_large(n, 100_000));
            while sink.seen().len() < 3 {
                tokio::task::yield_now().await;
            }
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            let n_held = (0..40).filter(|n| matches!(house.store.state(id(*n)), State::Leased)).count();
            assert_eq!((n_held, sink.seen().len()), (3, 3), "as many as fit, and all of them under way");
            gate.add_permits(100);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert_eq!(sink.seen().len(), 40);
}

#[tokio::test]
async fn a_delivery_that_is_larger_than_the_budget_goes_alone() {
    let mut house = House::new();
    house.settings.queue_bytes = 1000;
    let sink = Arc::new(sink(|_, _| Ok(())));
    (0..3).for_each(|n| house.store.add_large(n, 50_000));
    house
        .run(&sink, async |_| {
            (3..6).for_each(|n| house.store.add_large(n, 50_000));
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert_eq!(sink.seen().len(), 6);
}

#[tokio::test]
async fn one_answer_in_a_hundred_that_asks_for_a_pause_delays_nobody_else() {
    let house = House::new();
    let sink = Arc::new(sink(|it, attempt| match it.0.as_u128() % 100 {
        50 if attempt == 1 => pause(Duration::from_secs(3600)),
        _ => Ok(()),
    }));
    house
        .run(&sink, async |_| {
            house.add(0..300);
            house
                .store
                .until(|| (0..300).filter(|n| house.store.state(id(*n)) == State::Delivered).count() == 297)
                .await;
            assert!(!house.metrics.render(house.clock.now()).contains("reelhook_sink_paused{sink=\"crm\"} 1"));
            house.clock.advance(SignedDuration::from_secs(3600));
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
}

#[tokio::test]
async fn an_attempt_under_way_is_not_made_twice_when_the_clock_is_set() {
    for hours in [-2, 2] {
        let house = House::new();
        let (gate, sink) = gated();
        house.add(0..1);
        house
            .run(&sink, async |_| {
                while sink.seen().is_empty() {
                    tokio::task::yield_now().await;
                }
                house.clock.step(SignedDuration::from_hours(hours));
                house.add(1..2);
                while sink.seen().len() < 2 {
                    tokio::task::yield_now().await;
                }
                gate.add_permits(9);
                house.store.until_all(|state| *state == State::Delivered).await;
            })
            .await;
        assert_eq!(sink.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_store_that_fails_or_contradicts_itself_is_not_asked_in_a_loop() {
    for lies in [false, true] {
        let house = House::new();
        house.add(1..2);
        house.store.down.store(!lies, Ordering::SeqCst);
        house.store.lies.store(lies, Ordering::SeqCst);
        let sink = Arc::new(sink(|_, _| Ok(())));
        let cancel = CancellationToken::new();
        let run = house.dispatcher(&sink).await.run(cancel);
        drop(tokio::time::timeout(Duration::from_millis(1600), run).await);
        let n_asked = house.store.n_asked.load(Ordering::SeqCst);
        assert!((1..=10).contains(&n_asked), "{n_asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_each_is_delivered_in_the_end_and_none_twice_at_a_time() {
    let mut house = House::new();
    house.settings.retry = vec![Duration::ZERO; 1000];
    house.settings.queue = 7;
    let mut recording = Recording::new(|seen| async move {
        tokio::task::yield_now().await;
        match (seen.id.0.as_u128().wrapping_mul(2_654_435_761) >> u64::from(seen.attempt)) % 5 {
            0 => retry(),
            1 if seen.attempt < 3 => panic!("a sink may"),
            _ => Ok(()),
        }
    });
    recording.batch_size = 3;
    let sink = Arc::new(recording);
    house.add(0..200);
    house
        .run(&sink, async |_| {
            house.add(200..400);
            house.store.until_all(|state| *state == State::Delivered).await;
        })
        .await;
    assert!((0..400).all(|n| house.store.state(id(n)) == State::Delivered));
}

/// Deliveries keep their ids, whatever becomes of them.
#[tokio::test]
async fn every_attempt_carries_the_same_delivery() {
    let house = House::new();
    let sink = Arc::new(sink(|_, attempt| if attempt < 3 { retry() } else { Ok(()) }));
    house
        .run(&sink, async |_| {
            house.add(1..2);
            house.store.until_all(is_settled).await;
        })
        .await;
    let ids: Vec<DeliveryId> = sink.seen().iter().map(|seen| seen.delivery).collect();
    assert_eq!(ids, [house.store.real(id(1)); 3]);
}

#[tokio::test]
async fn what_follows_a_delivery_is_attempted_by_the_same_call_and_not_after_a_failure() {
    let house = House::new();
    let sink = Arc::new(sink(|it, attempt| if it == id(2) && attempt == 1 { retry() } else { Ok(()) }));
    house.store.add_chain(0..5); // before the queue is open: they wait in the store
    house.run(&sink, async |_| house.store.until_all(|state| *state == State::Delivered).await).await;
    assert_eq!(sink.most_calls(), 1);
    let seen: Vec<(DeliveryId, u32)> = sink.seen().iter().map(|seen| (seen.id, seen.attempt)).collect();
    assert_eq!(seen[..3], [(id(0), 1), (id(1), 1), (id(2), 1)]);
    // Those behind it were handed back without an attempt; in this store nothing holds them then.
    assert_eq!(seen.len(), 6);
    assert!(seen.contains(&(id(2), 2)) && seen.contains(&(id(3), 1)) && seen.contains(&(id(4), 1)), "{seen:?}");
}
