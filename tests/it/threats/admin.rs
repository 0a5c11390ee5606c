//! Threats 56, 57 and 59 against the API on the admin listener.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::api::operations::{ALL, Reply, announce, announced, ask, completed, get, query, with_tokens};
use crate::test_app::TestApp;

/// Each path and method that the API has.
async fn everything(app: &TestApp, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let document = ask(app, ("GET", "/openapi.json"), headers, None).await.body;
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|it| it.to_uppercase()).collect::<Vec<_>>();
    let named = |path: &str| path.replace("{id}", "x").replace("{callId}", "x");
    // Whether the server lives is open by design, and the metrics have no error of the API.
    let of_api = paths.iter().filter(|(path, _)| !["/livez", "/readyz", "/metrics"].contains(&path.as_str()));
    of_api.flat_map(|(path, item)| methods(item).into_iter().map(move |method| (method, named(path)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_56_nothing_of_the_api_is_open_without_a_token() {
    let app = TestApp::start_with(with_tokens(&[("sesame", "\"read\"")])).await;
    let everything = everything(&app, &[("authorization", "Bearer sesame")]).await;
    assert!(everything.len() >= 12, "{everything:?}");
    for (method, path) in &everything {
        for headers in [
            vec![],
            vec![("authorization", "Bearer sesam")],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "sesame")],
            vec![("authorization", "Basic c2VzYW1lOg==")],
            vec![("authorization", "Bearer sesame"), ("authorization", "Bearer sesame")],
            vec![("cookie", "token=sesame; authorization=sesame"), ("x-forwarded-for", "127.0.0.1")],
        ] {
            let reply = ask(&app, (method, &format!("{path}?access_token=sesame&token=sesame")), &headers, None).await;
            assert_eq!(
                (reply.status, reply.header("www-authenticate")),
                (401, "Bearer"),
                "{method} {path} {headers:?}"
            );
        }
        let at_graphs = ask(&app, (method, &format!("http://{}{path}", app.public)), &[], None).await;
        assert_eq!(at_graphs.status, 404, "the listener for Graph does not have {path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_a_page_of_another_origin_changes_nothing() {
    let app = TestApp::start().await;
    let path = announced(&app, "mine").await;
    let before = get(&app, &path).await.body;
    let own = format!("http://{}", app.admin);
    for foreign in [
        ("origin", "https://evil.example"),
        ("origin", "http://127.0.0.1:1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let create = ask(&app, ("POST", ALL), &[foreign], Some(json!({ "clientContext": "theirs" }))).await;
        let change = ask(&app, ("PATCH", &path), &[foreign], Some(json!({ "metadata": { "x": 1 } }))).await;
        let delete = ask(&app, ("DELETE", &path), &[foreign], None).await;
        for reply in [create, change, delete] {
            assert_eq!((reply.status, reply.codes().0), (403, "accessDenied"), "{foreign:?}");
        }
    }
    // What a form can send without being asked first is no JSON.
    let form = reqwest::Client::new().post(format!("{own}{ALL}")).header("content-type", "text/plain");
    assert_eq!(form.body(r#"{"clientContext":"theirs"}"#).send().await.unwrap().status().as_u16(), 415);
    assert_eq!(get(&app, &path).await.body, before);
    assert_eq!(get(&app, &format!("{ALL}/$count")).await.body, 1);

    let own_page = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
    assert_eq!(ask(&app, ("DELETE", &path), &own_page, None).await.status, 204);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_a_name_that_was_bound_to_this_machine_opens_nothing() {
    let app = TestApp::start().await;
    for (method, path) in everything(&app, &[]).await {
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8081", "10.0.0.1"] {
            let reply = ask(&app, (&method, &path), &[("host", host)], None).await;
            assert_eq!((reply.status, reply.codes().0), (403, "accessDenied"), "{method} {path} at {host}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_no_other_page_may_read_an_answer_and_no_answer_is_a_page() {
    let app = TestApp::start().await;
    let payload = "<script>alert(1)</script>";
    let path = announced(&app, payload).await;
    let evil = [("origin", "https://evil.example"), ("access-control-request-method", "DELETE")];
    let check = |reply: &Reply| {
        assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{reply:?}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cache-control"), "no-store");
    };
    for at in [path.as_str(), ALL, &format!("{ALL}/{payload}"), &format!("{ALL}?$filter={payload}")] {
        let reply = ask(&app, ("GET", at), &evil, None).await;
        check(&reply);
        assert_eq!(reply.header("content-type"), "application/json", "{at}");
    }
    assert_eq!(get(&app, &path).await.body["clientContext"], payload);
    let preflight = ask(&app, ("OPTIONS", &path), &evil, None).await;
    check(&preflight);
    assert!(matches!(preflight.status, 403 | 405), "{preflight:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_59_what_looks_like_sql_is_a_value_or_a_mistake() {
    let mut app = TestApp::start().await;
    let injections = [
        "x' OR '1'='1",
        "x'; DROP TABLE operations; --",
        "%",
        "_",
        "\\",
        "x') UNION SELECT token FROM contents --",
        "\u{0}",
        "💥",
    ];
    for injection in injections {
        completed(&mut app, injection).await;
    }
    let n = injections.len();
    for injection in injections {
        let quoted = injection.replace('\'', "''");
        for function in ["contains", "startsWith", "endsWith"] {
            let filter = format!("{function}(clientContext,'{quoted}')");
            let found = query(&app, ALL, &[("$filter", &filter)]).await;
            let expected = injections.iter().filter(|it| match function {
                "contains" => it.contains(injection),
                "startsWith" => it.starts_with(injection),
                _ => it.ends_with(injection),
            });
            assert_eq!(found.contexts().len(), expected.count(), "{filter}");
        }
        let equal = query(&app, ALL, &[("$filter", &format!("clientContext eq '{quoted}'"))]).await;
        assert_eq!(equal.contexts(), [injection]);
        for option in ["$filter", "$orderby", "$select", "$top", "$skiptoken", "$count"] {
            let refused = query(&app, ALL, &[(option, injection)]).await;
            assert_eq!(
                (refused.status, refused.codes()),
                (400, ("badRequest", "invalidQueryOption")),
                "{option}={injection}"
            );
        }
    }
    for order in ["(SELECT 1)", "seq", "id; DROP TABLE operations", "clientContext collate nocase", "1"] {
        assert_eq!(query(&app, ALL, &[("$orderby", order)]).await.status, 400, "{order}");
    }
    assert_eq!(get(&app, &format!("{ALL}/$count")).await.body, n, "all are still there");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_59_a_filter_is_bounded() {
    let app = TestApp::start().await;
    let long = format!("clientContext eq '{}'", "x".repeat(60 << 10));
    let deep = format!("{}status eq 'x'{}", "(".repeat(21), ")".repeat(21));
    let negated = format!("{}status eq 'x'", "not ".repeat(21));
    let wide = vec!["status eq 'x'"; 1000].join(" or ");
    for filter in [long, deep, negated, wide] {
        let refused = query(&app, ALL, &[("$filter", &filter)]).await;
        assert_eq!((refused.status, refused.codes()), (400, ("badRequest", "invalidQueryOption")), "{refused:?}");
        assert!(refused.message().len() < 500, "{refused:?}");
    }
    // No client builds an address of more than 64 KiB: by hand.
    let mut stream = std::net::TcpStream::connect(app.admin).unwrap();
    let request = format!("GET {ALL}?$filter={} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(64 << 10));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert_eq!(announce(&app, json!({ "clientContext": "x" })).await.status, 201, "it serves on");
    app.stop().await;
}
