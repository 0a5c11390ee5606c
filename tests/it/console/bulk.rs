//! A page says how many entries an action is for; its button then does what was counted.

use reelhook::sinks::DeliveryError;
use reelhook::store::{Newest, QuarantineView};

use super::pages::dead_letters;
use super::{Answer, Browser, record, start_with_tokens};
use crate::process::eventually;
use crate::recording_sink::RecordingSink;
use crate::test_app::{NEXT_CLIENT_STATE, Settings, TENANT, TestApp};

fn rejected(n: usize) -> impl Iterator<Item = DeliveryError> {
    (0..n).map(|_| DeliveryError::Reject { reason: "answered 500".into() })
}

async fn records(app: &mut TestApp, contexts: &[&str]) {
    for context in contexts {
        record(app, context).await;
    }
}

/// The page of a job that is over.
async fn over(browser: &Browser, pressed: &Answer) -> Answer {
    assert_eq!(pressed.status, 303, "{}", pressed.body);
    let mut page = None;
    eventually("the job is over", async || {
        let job = browser.page(pressed.location()).await;
        let is_over = job.header("refresh").is_empty();
        page = Some(job);
        is_over
    })
    .await;
    page.unwrap()
}

/// What a job's page says: how many were counted before, and how many were done.
fn told(job: &Answer) -> (&str, &str) {
    (job.job("expected"), job.job("done"))
}

/// The client contexts of the dead letters, in order.
async fn dead(app: &TestApp) -> Vec<String> {
    let page = app.store.dead_letters(&Default::default(), Newest::up_to(99)).await.unwrap();
    let mut contexts: Vec<_> = page.rows.into_iter().filter_map(|it| it.event?.client_context).collect();
    contexts.sort();
    contexts
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_dead_letters_are_replayed_than_the_page_counted_and_none_that_died_later() {
    let mut app = start_with_tokens().await;
    app.first.fail(rejected(6));
    records(&mut app, &["a", "b", "c"]).await;
    dead_letters(&app, 3).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let matching = "/bulk/dead-letters?sink=first&reason=answered";
    let page = browser.page(matching).await;
    assert!(page.body.contains("Replay 3 dead letters?"), "{}", page.body);
    app.advance(1);
    records(&mut app, &["d", "e"]).await;
    dead_letters(&app, 5).await;
    let job = over(&browser, &browser.press_on(&page, matching, &[]).await).await;
    assert_eq!(told(&job), ("3", "3"));
    assert!(!job.has("job-gone"), "{}", job.body);
    app.first.wait_for_attempts(8).await;
    dead_letters(&app, 3).await;
    assert_eq!(dead(&app).await.len(), 3, "one of the three failed again, and two died after the count");
    assert!(dead(&app).await.ends_with(&["d".into(), "e".into()]));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_of_an_earlier_event_that_died_after_the_count_is_not_replayed_in_place_of_a_counted_one() {
    let mut app = start_with_tokens().await;
    app.first.fail([RecordingSink::retry("busy")].into_iter().chain(rejected(3)));
    records(&mut app, &["early"]).await;
    app.first.wait_for_attempts(1).await;
    records(&mut app, &["a", "b"]).await;
    dead_letters(&app, 2).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let matching = "/bulk/dead-letters?sink=first&reason=answered";
    let page = browser.page(matching).await;
    assert!(page.body.contains("Replay 2 dead letters?"), "{}", page.body);
    app.advance(7);
    dead_letters(&app, 3).await;
    let job = over(&browser, &browser.press_on(&page, matching, &[]).await).await;
    assert_eq!(told(&job), ("2", "2"));
    app.first.wait_for(2).await;
    assert_eq!(dead(&app).await, ["early"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_says_how_many_of_the_counted_ones_were_gone() {
    let mut app = start_with_tokens().await;
    app.first.fail(rejected(3));
    records(&mut app, &["a", "b", "c"]).await;
    dead_letters(&app, 3).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let matching = "/bulk/dead-letters?sink=first&reason=answered";
    let page = browser.page(matching).await;
    let one = browser.page("/sinks/first").await.actions("/sinks/first/dead-letters/").remove(0);
    browser.press("/sinks/first", &one, &[]).await;
    app.first.wait_for(1).await;
    let job = over(&browser, &browser.press_on(&page, matching, &[]).await).await;
    assert_eq!(told(&job), ("3", "2"));
    assert!(job.text().contains("1 of the counted ones: no dead letters any more"), "{}", job.text());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dead_letters_of_a_sink_are_those_that_the_page_counted() {
    let mut app = start_with_tokens().await;
    app.first.fail(rejected(5));
    records(&mut app, &["a", "b", "c"]).await;
    dead_letters(&app, 3).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let path = "/sinks/first/replay";
    let page = browser.page(path).await;
    app.advance(1);
    records(&mut app, &["d", "e"]).await;
    dead_letters(&app, 5).await;
    assert_eq!(browser.press_on(&page, path, &[]).await.location(), "/sinks/first?done=replayed&n=3");
    app.first.wait_for(3).await;
    assert_eq!(dead(&app).await, ["d", "e"]);
    let page = browser.page(path).await;
    let one = browser.page("/sinks/first").await.actions("/sinks/first/dead-letters/").remove(0);
    browser.press("/sinks/first", &one, &[]).await;
    app.first.wait_for(4).await;
    let pressed = browser.press_on(&page, path, &[]).await;
    assert_eq!(pressed.location(), "/sinks/first?done=replayed&n=1&of=2");
    let notice = browser.page(pressed.location()).await.text();
    assert!(notice.contains("Replaying 1 delivery of the 2 that were counted"), "{notice}");
    app.stop().await;
}

async fn unverified(app: &mut TestApp, n: usize) {
    for _ in 0..n {
        let item = reelhook::simulator::payload::Change::new(&mut app.seed, TENANT, Some("wrong")).basic();
        assert_eq!(app.post_changes(&[item], false).await.status, 202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_is_verified_again_that_arrived_after_the_count() {
    let mut app = start_with_tokens().await;
    unverified(&mut app, 3).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let matching = "/bulk/quarantine?reason=client_state";
    let page = browser.page(matching).await;
    assert!(page.body.contains("Replay 3 entries?"), "{}", page.body);
    app.advance(1);
    unverified(&mut app, 2).await;
    let job = over(&browser, &browser.press_on(&page, matching, &[]).await).await;
    assert_eq!(told(&job), ("3", "3"));
    assert_eq!((job.job("accepted"), job.job("refused"), job.has("job-left")), ("0", "3", false), "{}", job.text());
    let entries = async || app.store.quarantine(Newest::up_to(9)).await.unwrap();
    eventually("the wishes are carried out", async || entries().await.iter().all(|entry| !entry.is_wished)).await;
    let is_verified = |entry: &QuarantineView| entry.verified_at.is_some();
    assert_eq!(entries().await.iter().map(is_verified).collect::<Vec<_>>(), [false, false, true, true, true]);
    // Those were verified again since that count: nothing is left to do for it.
    let again = over(&browser, &browser.press_on(&page, matching, &[]).await).await;
    assert_eq!(told(&again), ("3", "0"));
    assert!(again.text().contains("3 of the counted ones: not in the quarantine any more"), "{}", again.text());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_says_how_many_entries_were_accepted_and_how_many_were_refused_again() {
    let mut app = start_with_tokens().await;
    unverified(&mut app, 2).await;
    let item = reelhook::simulator::payload::Change::new(&mut app.seed, TENANT, Some(NEXT_CLIENT_STATE)).basic();
    assert_eq!(app.post_changes(&[item], false).await.status, 202);
    let app = app.restart_with(|it| it.next_client_state = true).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let page = browser.page("/bulk/quarantine").await;
    let job = over(&browser, &browser.press_on(&page, "/bulk/quarantine", &[]).await).await;
    assert_eq!((told(&job), job.job("accepted"), job.job("refused")), (("3", "3"), "1", "2"), "{}", job.text());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_routed_that_arrived_after_the_count() {
    let settings = |context: &str| {
        format!("[[routes]]\nname = \"x\"\nclient_context = {{ prefix = \"{context}\" }}\nsinks = [\"first\"]\n")
    };
    let mut app = TestApp::start_with(Settings { routes: settings("other"), ..Settings::default() }).await;
    records(&mut app, &["a-1", "b-1", "a-2"]).await;
    let mut app = app.restart_with(|it| it.routes = settings("a-")).await;
    let browser = Browser::new(&app);
    let page = browser.page("/bulk/unmatched").await;
    assert!(page.body.contains("Route 2 events?"), "{}", page.body);
    app.reload_with(|it| it.routes = settings("other")).await.unwrap();
    app.advance(1);
    records(&mut app, &["a-3"]).await;
    app.reload_with(|it| it.routes = settings("a-")).await.unwrap();
    let job = over(&browser, &browser.press_on(&page, "/bulk/unmatched", &[]).await).await;
    assert_eq!((told(&job), job.job("seen")), (("2", "2"), "3"));
    app.first.wait_for(2).await;
    assert_eq!(browser.page("/unmatched").await.count("unmatched-row"), 2);
    // Routes that match more than they did: no more is routed than the person was told.
    let page = browser.page("/bulk/unmatched").await;
    assert!(page.body.contains("Route 1 event?"), "{}", page.body);
    app.reload_with(|it| it.routes = String::new()).await.unwrap();
    assert_eq!(told(&over(&browser, &browser.press_on(&page, "/bulk/unmatched", &[]).await).await), ("1", "1"));
    assert_eq!(browser.page("/unmatched").await.count("unmatched-row"), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_sent_again_that_was_delivered_after_the_count() {
    let mut app = start_with_tokens().await;
    // An earlier event is delivered later.
    app.first.fail([RecordingSink::retry("busy")]);
    records(&mut app, &["waits"]).await;
    app.first.wait_for_attempts(1).await;
    records(&mut app, &["a", "b"]).await;
    app.first.wait_for(2).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let path = "/resend?since=2h&sink=first";
    let mut page = browser.page(path).await;
    eventually("both are settled", async || {
        page = browser.page(path).await;
        page.body.contains("This makes 2 deliveries again")
    })
    .await;
    app.advance(7);
    app.first.wait_for(3).await;
    eventually("it is settled", async || browser.page(path).await.body.contains("This makes 3 deliveries again")).await;
    let job = over(&browser, &browser.press_on(&page, "/resend", &[]).await).await;
    assert_eq!(told(&job), ("2", "2"));
    let delivered = app.first.wait_for(5).await;
    let again = delivered.iter().filter(|it| it.resend_of.is_some());
    let mut again: Vec<_> = again.map(|it| it.event.client_context.as_ref().unwrap().as_str()).collect();
    again.sort_unstable();
    assert_eq!(again, ["a", "b"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_a_count_is_answered_with_the_page_that_counts() {
    let mut app = start_with_tokens().await;
    app.first.fail(rejected(1));
    records(&mut app, &["a", "b"]).await;
    dead_letters(&app, 1).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    eventually("it is settled", async || browser.page("/resend?since=2h").await.has("confirm-resend")).await;
    let dead = "/bulk/dead-letters?sink=first";
    for (action, button, more) in [
        (dead, "confirm-bulk", vec![]),
        ("/sinks/first/replay", "confirm-replay", vec![]),
        ("/resend", "confirm-resend", vec![("since", "2h"), ("sink", "first")]),
    ] {
        for counted in ["", "x", "7"] {
            let fields = [&[("counted", counted)][..], &more].concat();
            let answer = browser.press("/sinks/first", action, &fields).await;
            assert!(answer.status == 200 && answer.has(button), "{action} {counted}: {}", answer.body);
        }
    }
    assert_eq!(browser.get("/jobs/1").await.status, 404, "nothing began");
    app.stop().await;
}
