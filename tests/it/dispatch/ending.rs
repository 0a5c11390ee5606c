//! How a dispatcher ends: the sink is closed, whatever its attempts do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::memory::State;
use super::recording::Recording;
use super::{House, id, sink};

#[tokio::test]
async fn a_sink_is_closed_once_after_its_last_attempt() {
    let house = House::new();
    let sink = Arc::new(sink(|_, _| Ok(())));
    house.add(0..20);
    house.run(&sink, async |_| house.store.until_all(|state| *state == State::Delivered).await).await;
    assert_eq!(sink.n_closed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_attempt_that_hangs_is_broken_off_in_time_for_the_close() {
    let house = House::new();
    let sink = Arc::new(Recording::new(|_| std::future::pending()));
    house.add(1..2);
    let (cancel, hurry) = (CancellationToken::new(), CancellationToken::new());
    let dispatcher = house.dispatcher(&sink).await.hurried_by(hurry.clone());
    let story = async {
        while sink.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
        tokio::task::yield_now().await;
        assert_eq!(sink.n_closed.load(Ordering::SeqCst), 0, "it is waited for while there is time");
        hurry.cancel();
    };
    tokio::join!(dispatcher.run(cancel.clone()), story);
    assert_eq!(sink.n_closed.load(Ordering::SeqCst), 1);
    assert!(matches!(house.store.state(id(1)), State::Leased), "it is attempted again after its lease");
}
