//! Sinks whose deliveries wait for company: what they need of the dispatcher.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::memory::State;
use super::recording::Recording;
use super::{House, id};
use crate::sinks::samples::build;

#[tokio::test]
async fn calls_that_only_wait_use_up_none_of_the_concurrency() {
    let mut house = House::new();
    house.settings.concurrency = 1;
    let company = Arc::new(Barrier::new(5));
    let mut recording = Recording::new(move |_| {
        let company = Arc::clone(&company);
        async move {
            company.wait().await;
            Ok(())
        }
    });
    recording.waiting_at_a_time = 4;
    let sink = Arc::new(recording);
    house.add(0..20);
    house.run(&sink, async |_| house.store.until_all(|state| *state == State::Delivered).await).await;
    assert_eq!(sink.most_calls(), 5);
}

#[tokio::test]
async fn at_the_end_nothing_waits_for_company_any_more() {
    let house = House::new();
    let hurry = CancellationToken::new();
    let hurried = hurry.clone();
    let mut recording = Recording::new(move |_| {
        let hurry = hurried.clone();
        async move {
            hurry.cancelled().await;
            Ok(())
        }
    });
    recording.hurry = hurry;
    let sink = Arc::new(recording);
    house.add(0..1);
    house
        .run(&sink, async |_| {
            while sink.seen().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    assert_eq!(house.store.state(id(0)), State::Delivered);
}

#[tokio::test]
async fn events_that_come_one_by_one_become_one_object_and_the_rest_is_stored_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "path = '{batch_id}.jsonl'\nbatch = { count = 50, age = '29s' }\n";
    let sink = build("object", &format!("url = 'file://{}'\n{keys}", folder.path().display())).unwrap();
    let mut house = House::new();
    house.settings.concurrency = 1;
    let began = Instant::now();
    house
        .run_over(sink, async |_| {
            for n in 0..53 {
                house.add(n..n + 1);
                tokio::task::yield_now().await;
            }
            house.store.until(|| (0..50).all(|n| house.store.state(id(n)) == State::Delivered)).await;
        })
        .await;
    house.store.until_all(|state| *state == State::Delivered).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let lines = |file: fs::DirEntry| fs::read_to_string(file.path()).unwrap().lines().count();
    let mut found: Vec<usize> = fs::read_dir(folder.path()).unwrap().map(|file| lines(file.unwrap())).collect();
    found.sort_unstable();
    assert_eq!(found, [3, 50]);
}
