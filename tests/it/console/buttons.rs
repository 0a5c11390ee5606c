//! What each button does.

use reelhook::sinks::DeliveryError;

use super::pages::dead_letters;
use super::{Browser, record, start_with_tokens};
use crate::process::eventually;
use crate::recording_sink::RecordingSink;
use crate::test_app::{Settings, TestApp};

fn rejected(n: usize) -> Vec<DeliveryError> {
    (0..n).map(|_| DeliveryError::Reject { reason: "not wanted".into() }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_paused_and_resumed() {
    let app = start_with_tokens().await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let paused = browser.press("/sinks/first", "/sinks/first/pause", &[]).await;
    assert_eq!((paused.status, paused.location()), (303, "/sinks/first?done=paused"));
    let page = browser.page(paused.location()).await;
    assert!(page.has("paused") && page.has("resume") && page.has("notice") && !page.has("pause"));
    assert_eq!(browser.page("/sinks").await.count("paused"), 1);
    assert!(browser.page("/").await.body.contains(">paused by an operator<"));
    let resumed = browser.press("/sinks/first", "/sinks/first/resume", &[]).await;
    assert!(browser.page(resumed.location()).await.has("delivering"));
    for gone in ["pause", "resume", "probe"] {
        assert_eq!(browser.press("/sinks/first", &format!("/sinks/none/{gone}"), &[]).await.status, 404, "{gone}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_attempted_at_the_press_of_a_button() {
    let mut app = start_with_tokens().await;
    app.first.fail((0..3).map(|_| RecordingSink::retry("busy")));
    for context in ["a", "b", "c"] {
        record(&mut app, context).await;
    }
    app.first.wait_for_attempts(3).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let reader = Browser::logged_in(&app, "reader-token").await;
    let operation = browser.page("/operations").await.links("/operations/").remove(0);
    eventually("the attempts are recorded", async || browser.page(&operation).await.has("attempt-one")).await;
    assert!(!reader.page(&operation).await.has("attempt-one") && !reader.page("/sinks/first").await.has("attempt-all"));
    let one = browser.page(&operation).await.actions("/attempt").remove(0);
    let pressed = browser.press(&operation, &one, &[]).await;
    let back = pressed.location().to_owned();
    assert!(pressed.status == 303 && back.starts_with("/operations/") && back.contains("done=attempted-one"), "{back}");
    app.first.wait_for(1).await;
    assert!(browser.page(&back).await.body.contains("The delivery is due now; the attempts begin at once."));
    eventually("it is delivered", async || !browser.page(&operation).await.has("attempt-one")).await;
    let late = browser.press(&operation, &one, &[]).await;
    assert!(late.location().ends_with("done=not-waiting"), "{}", late.location());

    let all = browser.press("/sinks/first", "/sinks/first/attempt", &[]).await;
    assert_eq!(all.location(), "/sinks/first?done=attempted&n=2");
    assert!(browser.page(all.location()).await.body.contains("All that waits is due now (2 deliveries)"));
    app.first.wait_for(3).await;
    eventually("nothing waits", async || !browser.page("/sinks/first").await.has("attempt-all")).await;

    browser.press("/sinks/first", "/sinks/first/pause", &[]).await;
    record(&mut app, "d").await;
    let paused = browser.press("/sinks/first", "/sinks/first/attempt", &[]).await;
    assert_eq!(paused.location(), "/sinks/first?done=attempted&n=1&paused=true");
    assert!(browser.page(paused.location()).await.body.contains("nothing is attempted until you resume it"));
    let resumed = browser.press("/sinks/first", "/sinks/first/resume", &[]).await;
    assert!(browser.page(resumed.location()).await.body.contains("All that waited is due now"));
    app.first.wait_for(4).await;
    for missing in ["/sinks/none/attempt", "/deliveries/none/attempt"] {
        assert_eq!(browser.press("/sinks/first", missing, &[]).await.status, 404, "{missing}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_events_are_sent_again_one_or_counted_and_then_by_a_job() {
    let mut app = start_with_tokens().await;
    for context in ["a", "b", "c"] {
        record(&mut app, context).await;
    }
    app.first.wait_for(3).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let operation = browser.page("/operations").await.links("/operations/").remove(0);
    eventually("the delivery is settled", async || browser.page(&operation).await.has("resend-one")).await;
    let one = browser.page(&operation).await.actions("/resend").remove(0);
    let pressed = browser.press(&operation, &one, &[]).await;
    assert!(pressed.location().ends_with("done=resent"), "{}", pressed.location());
    assert!(app.first.wait_for(4).await[3].resend_of.is_some());
    let page = browser.page(pressed.location()).await;
    assert!(page.has("resend-of") && page.body.contains("The event is sent again by a new delivery"));

    assert!(browser.page("/sinks/first").await.has("resend"));
    let counted = browser.page("/resend?since=2h&sink=first").await;
    assert!(counted.has("resend-count") && counted.body.contains("This makes 3 deliveries again"), "{}", counted.body);
    assert_eq!(app.first.delivered().len(), 4, "to count sends nothing");
    for (asked, mistake) in
        [("since=x", "Events received since: expected how long ago"), ("since=2h&to=first", "Choose the sink")]
    {
        assert!(browser.page(&format!("/resend?{asked}")).await.body.contains(mistake), "{asked}");
    }
    assert!(browser.page("/resend?since=2h&sink=second").await.body.contains("No successful delivery matches."));
    let begun = browser.press("/resend?since=2h&sink=first", "/resend", &[]).await;
    assert_eq!((begun.status, begun.location()), (303, "/jobs/1"));
    assert_eq!(app.first.wait_for(7).await.iter().filter(|it| it.resend_of.is_some()).count(), 4);
    eventually("the job is done", async || browser.page("/jobs/1").await.body.contains("done</span>")).await;
    let job = browser.page("/jobs/1").await;
    assert!(job.body.contains("data-test=\"job-done\">3<") && job.header("refresh").is_empty(), "{}", job.body);
    assert!(
        job.body.contains("Resend of the successful deliveries of sink first, of events received since "),
        "{}",
        job.body
    );
    assert_eq!(browser.get("/jobs/2").await.status, 404);
    let reader = Browser::logged_in(&app, "reader-token").await;
    assert!(!reader.page(&operation).await.has("resend-one"));
    assert_eq!(reader.get("/resend").await.status, 403);
    app.stop().await;
}

/// The values of the checkboxes, in order.
pub fn ticks(page: &super::Answer) -> Vec<String> {
    let boxes = page.body.split("name=\"id\" value=\"").skip(1);
    boxes.filter_map(|rest| Some(rest.split('"').next()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ticked_dead_letters_are_replayed_and_then_all_that_match_by_a_job() {
    let mut app = start_with_tokens().await;
    let reject = |reason: &str| DeliveryError::Reject { reason: reason.into() };
    app.first.fail([reject("answered 410"), reject("answered 500"), reject("answered 500"), reject("answered 500")]);
    for context in ["a", "b", "c", "d"] {
        record(&mut app, context).await;
    }
    dead_letters(&app, 4).await;
    let browser = Browser::logged_in(&app, "writer-token").await;
    let page = browser.page("/sinks/first?reason=500").await;
    let ids = ticks(&page);
    assert!(ids.len() == 3 && page.has("replay-matching") && page.count("dead-letter") == 3, "{}", page.body);
    assert!(browser.page("/sinks/first?reason=none").await.has("no-match"));
    let fields = [("sink", "first"), ("id", &*ids[0]), ("id", &*ids[1])];
    let replayed = browser.press("/sinks/first", "/bulk/dead-letters/selected", &fields).await;
    assert_eq!(replayed.location(), "/sinks/first?done=replayed&n=2");
    app.first.wait_for(2).await;
    let none = browser.press("/sinks/first", "/bulk/dead-letters/selected", &[("sink", "first")]).await;
    assert_eq!(none.location(), "/sinks/first?done=none-ticked");
    assert!(browser.page(none.location()).await.text().contains("Nothing was done: no row was ticked."));
    let again = browser.press("/sinks/first", "/bulk/dead-letters/selected", &fields).await;
    assert!(browser.page(again.location()).await.text().contains("these are no dead letters any more"));

    let matching = "/bulk/dead-letters?sink=first&reason=500";
    let asked = browser.page(matching).await;
    assert!(asked.has("confirm-bulk") && asked.body.contains("Replay 1 dead letter?"), "{}", asked.body);
    assert_eq!(app.first.delivered().len(), 2, "to ask replays nothing");
    let begun = browser.press(matching, matching, &[]).await;
    assert_eq!((begun.status, begun.location()), (303, "/jobs/1"));
    app.first.wait_for(3).await;
    eventually("the job is done", async || browser.page("/jobs/1").await.body.contains("data-test=\"job-done\">1<"))
        .await;
    assert!(browser.page(matching).await.body.contains("No dead letter matches the filter."));
    assert_eq!(browser.page("/sinks/first").await.count("dead-letter"), 1);
    let reader = Browser::logged_in(&app, "reader-token").await;
    assert!(!reader.page("/sinks/first").await.has("tick"));
    assert_eq!(reader.get(matching).await.status, 403);
    assert_eq!(browser.get("/bulk/none").await.status, 404);
    assert_eq!(browser.get("/sinks/first?since=yesterday").await.status, 400);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticked_quarantine_entries_and_all_that_match_are_verified_again() {
    let mut app = start_with_tokens().await;
    for _ in 0..3 {
        let item =
            reelhook::simulator::payload::Change::new(&mut app.seed, crate::test_app::TENANT, Some("wrong")).basic();
        assert_eq!(app.post_changes(&[item], false).await.status, 202);
    }
    let browser = Browser::logged_in(&app, "writer-token").await;
    let page = browser.page("/quarantine?reason=client_state&since=1h").await;
    let ids = ticks(&page);
    assert_eq!((ids.len(), page.count("quarantine-row")), (3, 3));
    let offers = |reason: &str| page.body.contains(&format!("<option value=\"{reason}\""));
    assert!(offers("auth_header") && offers("client_state"), "a replay without a token ends with auth_header");
    assert!(!offers("content_type") && !offers("shed"), "nothing is kept of such a request: {}", page.body);
    assert!(browser.page("/quarantine?reason=shape").await.has("no-match"));
    let judged = browser.press("/quarantine", "/bulk/quarantine/selected", &[("id", &*ids[0])]).await;
    assert_eq!(judged.location(), "/quarantine?done=judged-some&n=1");
    assert!(browser.page(judged.location()).await.body.contains("The server verifies 1 entry again"));
    let matching = "/bulk/quarantine?reason=client_state";
    assert!(browser.page(matching).await.body.contains("Replay 3 entries?"));
    assert_eq!(browser.press(matching, matching, &[]).await.location(), "/jobs/1");
    let job = browser.page("/jobs/1").await.body;
    assert!(job.contains("Replay of the quarantine entries with the reason client_state."), "{job}");
    eventually("all were verified again", async || {
        let entries = app.store.quarantine(reelhook::store::Newest::up_to(9)).await.unwrap();
        entries.iter().all(|entry| entry.verified_at.is_some() && !entry.is_wished)
    })
    .await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticked_unmatched_events_and_all_that_match_are_routed() {
    let settings = |context: &str| {
        format!("[[routes]]\nname = \"x\"\nclient_context = {{ prefix = \"{context}\" }}\nsinks = [\"first\"]\n")
    };
    let mut app = TestApp::start_with(Settings { routes: settings("other"), ..Settings::default() }).await;
    for context in ["a-1", "a-2", "a-3", "b-1"] {
        record(&mut app, context).await;
    }
    let app = app.restart_with(|it| it.routes = settings("a-")).await;
    let browser = Browser::new(&app);
    let page = browser.page("/unmatched?type=recordOperation.completed&since=1h").await;
    let ids = ticks(&page);
    assert_eq!(ids.len(), 4);
    assert!(browser.page("/unmatched?type=none").await.has("no-match"));
    let routed = browser.press("/unmatched", "/bulk/unmatched/selected", &[("id", &*ids[0]), ("id", &*ids[1])]).await;
    assert_eq!(routed.location(), "/unmatched?done=routed-some&n=1");
    app.first.wait_for(1).await;
    let again = browser.press("/unmatched", "/bulk/unmatched/selected", &[("id", &*ids[0]), ("id", &*ids[1])]).await;
    let told = browser.page(again.location()).await.body;
    assert!(
        told.contains("Nothing was replayed: the ticked events match no route, or were replayed already."),
        "{told}"
    );
    assert!(browser.page("/bulk/unmatched").await.body.contains("Route 2 events?"));
    assert_eq!(browser.press("/bulk/unmatched", "/bulk/unmatched", &[]).await.location(), "/jobs/1");
    app.first.wait_for(3).await;
    eventually("one is left", async || browser.page("/unmatched").await.count("unmatched-row") == 1).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_far_side_is_looked_at_on_demand() {
    let app = TestApp::start().await;
    let answer = Browser::new(&app).press("/sinks/first", "/sinks/first/probe", &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.has("probe-result") && answer.body.contains("The destination can be reached."));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_letter_is_replayed_and_then_the_others_after_a_count() {
    let mut app = TestApp::start().await;
    app.first.fail(rejected(3));
    for n in 0..3 {
        record(&mut app, &format!("dead-{n}")).await;
    }
    dead_letters(&app, 3).await;
    let browser = Browser::new(&app);
    let page = browser.page("/sinks/first").await;
    assert_eq!((page.count("dead-letter"), page.has("replay-all")), (3, true));
    let one = page.actions("/sinks/first/dead-letters/").remove(0);
    let replayed = browser.press("/sinks/first", &one, &[]).await;
    assert_eq!(replayed.location(), "/sinks/first?done=replayed&n=1");
    app.first.wait_for(1).await;
    let again = browser.press("/sinks/first", &one, &[]).await;
    assert_eq!(again.location(), "/sinks/first?done=replayed&n=0");

    let asked = browser.page("/sinks/first/replay").await;
    assert!(asked.has("replay-count") && asked.body.contains("Replay 2 dead letters?"));
    assert_eq!(app.first.delivered().len(), 1, "to ask replays nothing");
    let all = browser.press("/sinks/first/replay", "/sinks/first/replay", &[]).await;
    assert_eq!(all.location(), "/sinks/first?done=replayed&n=2");
    assert_eq!(app.first.wait_for(3).await.len(), 3);
    assert!(browser.page("/sinks/first").await.has("no-dead-letters"));
    assert!(browser.page("/sinks/first/replay").await.body.contains("has no dead letters"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_entry_is_shown_with_its_reason_and_judged_again_on_demand() {
    let mut app = start_with_tokens().await;
    let item = reelhook::simulator::payload::Change::new(&mut app.seed, crate::test_app::TENANT, Some("wrong")).basic();
    assert_eq!(app.post_changes(&[item], false).await.status, 202);
    let (writer, all) = (Browser::logged_in(&app, "writer-token").await, Browser::logged_in(&app, "all-token").await);
    let list = writer.page("/quarantine").await;
    assert_eq!(list.count("quarantine-row"), 1);
    let path = list.links("/quarantine/").remove(0);
    let page = writer.page(&path).await;
    assert!(
        page.has("body-withheld") && page.has("replay") && !page.has("vouch") && !page.body.contains("resourceData")
    );
    assert!(page.body.contains("It has no clientState, or one that is not configured"));
    let seen = all.page(&path).await;
    assert!(seen.body.contains("subscriptionId") && seen.has("secrets-hidden"), "the scope admin sees the body");
    assert!(seen.body.contains("(hidden)") && !seen.body.contains("wrong"), "but not the secrets in it");
    assert!(seen.body.contains("To see everything, log in with a token that has the scopes"), "{}", seen.body);
    let replay = format!("{path}/replay");
    let vouched = writer.press(&path, &replay, &[("vouch", "yes")]).await;
    assert_eq!(vouched.status, 403, "to vouch needs the scope admin");
    let asked = writer.press(&path, &replay, &[]).await;
    assert_eq!(asked.location(), "/quarantine?done=judged");
    assert!(writer.page(asked.location()).await.has("notice"));
    assert!(writer.page(&path).await.has("checked"), "that it is checked again, or was, and when");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_an_entry_says_how_to_see_what_is_hidden_in_it() {
    let mut app = TestApp::start().await;
    let item = reelhook::simulator::payload::Change::new(&mut app.seed, crate::test_app::TENANT, Some("wrong")).basic();
    assert_eq!(app.post_changes(&[item], false).await.status, 202);
    let browser = Browser::new(&app);
    let page = browser.page(&browser.page("/quarantine").await.links("/quarantine/").remove(0)).await;
    assert!(page.has("secrets-hidden") && page.body.contains("add a token with the scopes"), "{}", page.body);
    assert!(page.body.contains("quarantine show 1 --offline"), "{}", page.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matched_nothing_is_routed_after_the_routes_were_mended() {
    let settings = |context: &str| {
        format!("[[routes]]\nname = \"x\"\nclient_context = {{ prefix = \"{context}\" }}\nsinks = [\"first\"]\n")
    };
    let mut app = TestApp::start_with(Settings { routes: settings("other"), ..Settings::default() }).await;
    record(&mut app, "lost-1").await;
    let browser = Browser::new(&app);
    let page = browser.page("/unmatched").await;
    assert_eq!(page.count("unmatched-row"), 1);
    let action = page.actions("/route").remove(0);
    let tried = browser.press("/unmatched", &action, &[]).await;
    assert_eq!(tried.location(), "/unmatched?done=unrouted");
    let app = app.restart_with(|it| it.routes = settings("lost-1")).await;
    let browser = Browser::new(&app);
    let routed = browser.press("/unmatched", &action, &[]).await;
    assert_eq!(routed.location(), "/unmatched?done=routed&n=1");
    app.first.wait_for(1).await;
    assert!(browser.page("/unmatched").await.has("empty"));
    app.stop().await;
}
