//! Lists: pages, filters, orders, counts.

use serde_json::{Value, json};

use super::{ALL, ask, completed, get, query, recording, with_tokens};
use crate::test_app::TestApp;

/// Follows the links from a page to the last; tells what each page held.
async fn follow(app: &TestApp, first: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(at) = next {
        let page = get(app, &at).await;
        assert_eq!(page.status, 200, "{page:?}");
        pages.push(page.contexts().into_iter().map(str::to_owned).collect());
        next = page.body["@odata.nextLink"].as_str().map(str::to_owned);
    }
    pages
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_from_one_to_the_next_and_show_each_operation_once() {
    let mut app = TestApp::start().await;
    for n in 0..25 {
        app.advance(1);
        completed(&mut app, &format!("paged-{n:02}")).await;
    }
    let all: Vec<String> = (0..25).rev().map(|n| format!("paged-{n:02}")).collect();
    let pages = follow(&app, &format!("{ALL}?$top=10")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(pages.concat(), all);
    assert_eq!(follow(&app, ALL).await.concat(), all);
    let exact = follow(&app, &format!("{ALL}?$top=25")).await;
    assert_eq!(exact.len(), 1, "no link to a page without rows");
    let filtered =
        format!("{ALL}?$top=3&$orderby=clientContext%20asc&$filter=contains(clientContext,%27-1%27)&$count=true");
    let ascending = follow(&app, &filtered).await;
    assert_eq!(ascending.concat(), (10..20).map(|n| format!("paged-{n}")).collect::<Vec<_>>());
    assert_eq!(get(&app, &filtered).await.body["@odata.count"], 10);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_names_the_host_that_was_asked_and_outlives_a_restart() {
    // Through a proxy it takes a token.
    let mut app = TestApp::start_with(with_tokens(&[("sesame", "\"read\"")])).await;
    for n in 0..3 {
        app.advance(1);
        completed(&mut app, &format!("linked-{n}")).await;
    }
    let host = format!("localhost:{}", app.admin.port());
    let headers = [
        ("host", host.as_str()),
        ("authorization", "Bearer sesame"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example"),
    ];
    let first = ask(&app, ("GET", &format!("{ALL}?$top=2")), &headers, None).await;
    let link = first.body["@odata.nextLink"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("https://{host}{ALL}?$top=2&$skiptoken=")), "{link}");
    assert_eq!(first.body["@odata.context"], format!("https://{host}/v1.0/$metadata#communications/recordOperations"));
    let app = app.restart_with(|settings| settings.more = String::new()).await;
    let path = link.strip_prefix(&format!("https://{host}")).unwrap();
    assert_eq!(get(&app, path).await.contexts(), ["linked-0"]);

    let tampered = format!("{}A{}", &path[..path.len() - 10], &path[path.len() - 9..]);
    let of_another_query = path.replace("$top=2", "$top=1");
    let of_another_call = path.replace("recordOperations", "calls/call-1/operations");
    for (at, expected) in
        [(tampered, "was changed"), (of_another_query, "another query"), (of_another_call, "another query")]
    {
        let refused = get(&app, &at).await;
        assert_eq!((refused.status, refused.codes()), (400, ("badRequest", "invalidQueryOption")), "{at}");
        assert!(refused.message().contains(expected), "{refused:?}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_a_page_is_the_smaller_one_that_is_asked_for() {
    let mut app = TestApp::start().await;
    for n in 0..5 {
        completed(&mut app, &format!("sized-{n}")).await;
    }
    for (at, prefer, expected) in [
        (ALL.to_owned(), "odata.maxpagesize=2", 2),
        (format!("{ALL}?$top=3"), "odata.maxpagesize=2", 2),
        (format!("{ALL}?$top=3"), "odata.maxpagesize=4", 3),
        (ALL.to_owned(), "odata.maxpagesize=5000", 5),
    ] {
        let page = ask(&app, ("GET", &at), &[("prefer", prefer)], None).await;
        assert_eq!(page.contexts().len(), expected, "{at} {prefer}");
    }
    assert_eq!(query(&app, ALL, &[("$top", "1001")]).await.status, 400);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_found_by_what_they_are() {
    let mut app = TestApp::start().await;
    completed(&mut app, "it's done").await;
    let failing = recording(&mut app, "failed");
    let running = recording(&mut app, "running");
    app.post_calls(&[failing.failed(), running.running()]).await;
    let of_call = format!("callId eq '{}'", running.call.simple());
    for (filter, expected) in [
        ("clientContext eq 'it''s done'", vec!["it's done"]),
        ("status in ('failed','running')", vec!["failed", "running"]),
        ("not (status eq 'completed') and resultInfo/subcode eq 8508", vec!["failed"]),
        (
            "startsWith(clientContext,'r') or completionReason eq 'maxRecordDurationReached'",
            vec!["it's done", "running"],
        ),
        ("createdDateTime gt 2030-01-01T00:00:00Z", vec![]),
        (&of_call, vec!["running"]),
    ] {
        let options = [("$filter", filter), ("$orderby", "clientContext")];
        assert_eq!(query(&app, ALL, &options).await.contexts(), expected, "{filter}");
        let count = query(&app, &format!("{ALL}/$count"), &options[..1]).await;
        assert_eq!(count.body, json!(expected.len()), "{filter}");
        assert!(count.header("content-type").starts_with("text/plain"));
    }
    let of_call = format!("/v1.0/communications/calls/{}/operations", failing.call.simple());
    for path in [of_call.clone(), of_call.replace("v1.0", "beta")] {
        assert_eq!(get(&app, &path).await.contexts(), ["failed"]);
        assert_eq!(get(&app, &format!("{path}/$count")).await.body, 1);
    }
    assert_eq!(get(&app, &format!("{of_call}/{}", running.operation)).await.status, 404, "it is another call's");
    let selected = query(&app, ALL, &[("$select", "id"), ("$top", "1")]).await;
    let names: Vec<_> = selected.body["value"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["@odata.etag", "@odata.type", "id"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_wrong_is_told_where_and_what_was_expected() {
    let app = TestApp::start().await;
    for (options, expected) in [
        (vec![("$filter", "status eq 'x' andd id eq 'y'")], "$filter: position 15: found \"andd\", expected"),
        (vec![("$filter", "colour eq 'red'")], "$filter: position 1: found \"colour\", expected"),
        (vec![("$orderby", "recordingLocation")], "$orderby: found"),
        (vec![("$select", "secret")], "$select: found \"secret\", expected some of id, callId"),
        (vec![("$expand", "x")], "$expand is not supported"),
        (vec![("page", "2")], "found the parameter \"page\", expected none"),
        (vec![("waitFor", "terminal")], "found the parameter \"waitFor\", expected none"),
    ] {
        let refused = query(&app, ALL, &options).await;
        assert_eq!((refused.status, refused.codes()), (400, ("badRequest", "invalidQueryOption")), "{options:?}");
        assert!(refused.message().starts_with(expected), "{refused:?}");
        assert_eq!(refused.body.get("value"), None::<&Value>);
    }
    app.stop().await;
}
