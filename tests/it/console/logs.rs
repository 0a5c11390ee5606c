//! The pages of events and deliveries, and the pagers of all lists.

use std::collections::BTreeSet;

use reelhook::sinks::DeliveryError;

use super::pages::dead_letters;
use super::{Browser, record};
use crate::recording_sink::PATIENCE;
use crate::test_app::{Settings, TestApp};

/// Follows the pager from a page on; how many rows with a hook each page has, and the links in them.
async fn walk(browser: &Browser, start: &str, (hook, links): (&str, &str)) -> (Vec<usize>, BTreeSet<String>) {
    let (mut path, mut sizes, mut seen) = (start.to_owned(), Vec::new(), BTreeSet::new());
    loop {
        let page = browser.page(&path).await;
        sizes.push(page.count(hook));
        seen.extend(page.links(links));
        assert_eq!(page.has("first"), sizes.len() > 1, "{path}");
        match page.links(start.split('?').next().unwrap()).into_iter().find(|link| link.contains("before=")) {
            Some(older) => path = older,
            None => return (sizes, seen),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_a_pager_that_meets_each_row_once() {
    let routes = "[[routes]]\nname = \"one\"\nclient_context = { prefix = \"one-\" }\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    app.first.fail((0..60).map(|_| DeliveryError::Reject { reason: "no".into() }));
    app.graph.client_state = Some("another state than the configured".into());
    for n in 0..60 {
        record(&mut app, &format!("one-{n}")).await;
        record(&mut app, &format!("another-{n}")).await;
        let item = app.graph.change(&mut app.seed).basic();
        app.post_changes(&[item], false).await;
    }
    dead_letters(&app, 60).await;
    let browser = Browser::new(&app);
    for (path, row, link, sizes) in [
        ("/events", "event-row", "/operations/", vec![50, 50, 20]),
        ("/events?matched=no", "event-row", "/operations/", vec![50, 10]),
        ("/deliveries", "delivery-row", "/operations/", vec![50, 10]),
        ("/sinks/first", "dead-letter", "/operations/", vec![50, 10]),
        ("/sinks/first?reason=NO", "dead-letter", "/operations/", vec![50, 10]),
        ("/unmatched", "unmatched-row", "/operations/", vec![50, 10]),
        ("/quarantine", "quarantine-row", "/quarantine/", vec![50, 10]),
    ] {
        let (found, links) = walk(&browser, path, (row, link)).await;
        assert_eq!((&found, links.len()), (&sizes, sizes.iter().sum()), "{path}");
    }
    for path in ["/events", "/deliveries", "/sinks/first", "/unmatched", "/quarantine"] {
        assert_eq!(browser.get(&format!("{path}?before=x")).await.status, 400, "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_all_types_are_found_and_each_leads_to_its_page() {
    let routes = "[[routes]]\nname = \"all\"\nsinks = [\"first\"]\n";
    let mut app = TestApp::start_with(Settings { routes: routes.into(), ..Settings::default() }).await;
    record(&mut app, "Order-1").await;
    let item = app.graph.change(&mut app.seed).basic();
    app.post_changes(&[item], false).await;
    app.first.wait_for(2).await;
    let browser = Browser::new(&app);
    let settled = async {
        while browser.page("/deliveries?state=delivered").await.count("delivery-row") < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("both are delivered");
    let all = browser.page("/events").await;
    assert_eq!((all.count("event-row"), all.links("/operations/").len(), all.links("/events/").len()), (2, 1, 1));
    assert!(all.body.contains(">delivered</span>"), "{}", all.body);
    let event = browser.page(&all.links("/events/").remove(0)).await;
    assert!(event.has("envelope") && event.has("data") && event.has("delivery-row") && event.has("resend-one"));
    assert!(event.body.contains("Sent by Graph to the subscriptions path."), "{}", event.body);
    let id = all.links("/events/")[0].rsplit('/').next().unwrap().to_uppercase();
    let delivery = event.actions("/resend")[0].split('/').nth(2).unwrap().to_owned();
    for (query, n) in [
        ("q=order", 1),
        ("text=order", 1),
        ("q=nowhere", 0),
        ("matched=true", 2),
        ("matched=false", 0),
        ("type=RECORDOPERATION.completed", 1),
        ("type=recordOperation.completed", 1),
        ("resource=/operations/", 1),
        ("matched=yes", 2),
        ("matched=no", 0),
        ("since=1h", 2),
        ("until=1h", 0),
        (&*format!("q={id}"), 1),
        (&*format!("q={delivery}"), 1),
    ] {
        let page = browser.page(&format!("/events?{query}")).await;
        assert_eq!((page.count("event-row"), page.has("no-match")), (n, n == 0), "{query}");
    }
    for (query, n) in [
        ("q=ORDER", 1),
        ("text=ORDER", 1),
        ("state=any", 2),
        ("state=any&text=ORDER", 1),
        ("sink=first", 2),
        ("sink=second", 0),
        ("state=delivered", 2),
        ("state=waiting", 0),
        ("state=underWay", 0),
        ("state=dead", 0),
        ("type=recordOperation.completed", 1),
        ("since=1h&until=0s", 2),
        (&*format!("q={id}"), 1),
        (&*format!("q={delivery}"), 1),
    ] {
        let page = browser.page(&format!("/deliveries?{query}")).await;
        assert_eq!((page.count("delivery-row"), page.has("no-match")), (n, n == 0), "{query}");
    }
    assert!(browser.page(&format!("/deliveries/{delivery}")).await.has("no-http"), "its sink does not speak HTTP");
    let pressed = browser.press(&all.links("/events/")[0], &format!("/deliveries/{delivery}/resend"), &[]).await;
    assert_eq!(pressed.location(), format!("{}?done=resent", all.links("/events/")[0]));
    let event = browser.page(&all.links("/events/")[0]).await;
    assert_eq!((event.count("delivery-row"), event.count("resend-of")), (2, 1), "{}", event.body);
    for path in ["/events?matched=maybe", "/events?since=soon", "/deliveries?state=gone", "/deliveries?until=soon"] {
        assert_eq!(browser.get(path).await.status, 400, "{path}");
    }
    for path in [
        "/events/7",
        "/deliveries/zzz",
        "/deliveries/00000000-0000-0000-0000-000000000000",
        "/events/00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_list_ignores_a_parameter_or_shows_the_text_of_a_parser() {
    let app = TestApp::start().await;
    let browser = Browser::new(&app);
    for path in ["/operations", "/events", "/deliveries", "/sinks/first", "/quarantine", "/unmatched"] {
        for (query, told) in [
            ("foo=1", "This page has no parameter &#34;foo&#34;. It has these:"),
            ("since=1h&since=2h", "parameter &#34;since&#34;"),
            (
                "since=99999999999d",
                if path == "/operations" {
                    "no parameter"
                } else {
                    "since&#34; has the value &#34;99999999999d&#34;: found a time that is too far from now"
                },
            ),
        ] {
            let page = browser.get(&format!("{path}?{query}")).await;
            assert!(page.status == 400 && page.body.contains(told), "{path}?{query}: {}", page.body);
            assert!(!page.body.contains("deserialize") && !page.body.contains("duplicate field"), "{}", page.body);
        }
        assert_eq!(browser.get(&format!("{path}?done=routed&n=1&paused=true")).await.status, 200, "{path}");
    }
    for path in ["/?range=1h&range=1h", "/resend?sink=a&sink=b", "/operations/x?call=a&call=b"] {
        let page = browser.get(path).await;
        assert!(page.status == 400 && page.body.contains("A parameter occurs twice"), "{path}: {}", page.body);
    }
    for (path, told) in [
        ("/deliveries?since=abc", "The filter \"Event received since\" has the value \"abc\": expected how long ago"),
        ("/deliveries?state=x", "The filter \"State\" has the value \"x\""),
        ("/events?until=abc", "The filter \"Received until\" has the value \"abc\""),
        (
            "/events?matched=x",
            "The filter \"Matches a route\" has the value \"x\": expected one of those that the filter offers",
        ),
        ("/sinks/first?since=abc", "The filter \"Dead since\" has the value \"abc\""),
        ("/quarantine?reason=x", "The filter \"Reason\" has the value \"x\""),
        ("/unmatched?since=abc", "The filter \"Received since\" has the value \"abc\""),
        ("/operations?state=x", "The filter \"Expectation\" has the value \"x\""),
    ] {
        let page = browser.get(path).await;
        assert!(page.status == 400 && page.text().contains("A filter is not valid"), "{path}: {}", page.body);
        assert!(page.text().contains(told) && page.body.contains("href=\"?\""), "{path}: {}", page.body);
    }
    let never = browser.get("/deliveries/zzz").await;
    assert!(never.status == 404 && never.body.contains("There is no delivery with this id"), "{}", never.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_older_rows_has_instants_and_no_time_that_counts_from_now() {
    let mut app = TestApp::start().await;
    app.first.fail((0..60).map(|_| DeliveryError::Reject { reason: "no".into() }));
    for n in 0..60 {
        record(&mut app, &format!("one-{n}")).await;
    }
    dead_letters(&app, 60).await;
    let browser = Browser::new(&app);
    let since = (app.clock.now() - jiff::SignedDuration::from_hours(2)).to_string();
    for path in ["/events", "/deliveries", "/sinks/first"] {
        let page = browser.page(&format!("{path}?since=2h")).await;
        let older = page.links(path).into_iter().find(|link| link.contains("before=")).expect("an older page");
        assert!(older.contains(&since.replace(':', "%3A")), "{older}");
        assert_eq!(browser.page(&older).await.links("/operations/").len(), 10, "{older}");
    }
    app.stop().await;
}

#[test]
fn the_benchmark_of_the_pages_measures_every_page() {
    let route = regex::Regex::new(r#"\.route\("([^"]+)", web::get\(\)"#).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let code: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    // A stream and files are no pages.
    let is_page = |path: &&str| !path.starts_with("/console/");
    let pages = route.captures_iter(&code).map(|it| it.get(1).unwrap().as_str()).filter(is_page);
    let measured = include_str!("../../../scripts/lib/pages.py");
    let listed = regex::Regex::new(r#"(?m)^        "(/[^"]*)": \["#).unwrap();
    let listed: BTreeSet<&str> = listed.captures_iter(measured).map(|it| it.get(1).unwrap().as_str()).collect();
    assert_eq!(listed, pages.collect(), "scripts/lib/pages.py lists the pages of src/console");
    assert!(listed.len() > 15);
}
