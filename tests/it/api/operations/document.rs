//! `/openapi.json` and the API are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use super::{ask, get};
use crate::test_app::TestApp;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The methods of each path of a document.
fn described(document: &Value) -> BTreeMap<&str, BTreeSet<String>> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| -> BTreeSet<String> {
        let names = item.as_object().unwrap().keys().map(|name| name.to_uppercase());
        names.filter(|name| METHODS.contains(&name.as_str())).collect()
    };
    paths.iter().map(|(path, item)| (path.as_str(), methods(item))).collect()
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(members) => members.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole() {
    let app = TestApp::start().await;
    let reply = get(&app, "/openapi.json").await;
    let document = &reply.body;
    assert_eq!(reply.status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut found = Vec::new();
    references(document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
    }
    let mut ids = BTreeSet::new();
    let placeholder = Regex::new(r"\{(\w+)\}").unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let named: BTreeSet<&str> = placeholder.captures_iter(path).map(|it| it.extract::<1>().1[0]).collect();
        for operation in item.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().into_iter().flatten().filter(|it| it["in"] == "path");
            let told: BTreeSet<&str> = parameters.map(|it| it["name"].as_str().unwrap()).collect();
            assert_eq!(told, named, "{path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}: an id is used twice");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{path} is not explained");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_that_the_document_names_is_served_and_no_other() {
    let app = TestApp::start().await;
    let document = get(&app, "/openapi.json").await.body;
    for (path, methods) in described(&document).into_iter().filter(|(path, _)| path.starts_with("/v1.0/")) {
        let at = path.replace("{id}", "x").replace("{callId}", "x");
        for version in ["/v1.0", "/beta"] {
            // TRACE is served nowhere: the answer names what is.
            let reply = ask(&app, ("TRACE", &at.replace("/v1.0", version)), &[], None).await;
            assert_eq!(reply.status, 405, "{path}");
            let allowed: BTreeSet<String> = reply.header("allow").split(", ").map(str::to_owned).collect();
            let allowed: BTreeSet<String> =
                allowed.into_iter().filter(|name| METHODS.contains(&name.as_str())).collect();
            assert_eq!(allowed, methods, "{path}");
        }
    }
    app.stop().await;
}

/// The paths that sources of the API give to `resource`; one that is made from `path` is one in each collection of operations.
fn routed(folder: &Path, collections: &[String], found: &mut BTreeSet<String>) {
    let named = Regex::new(r#"\bresource\(\s*"(/[^"]*)""#).unwrap();
    let of_operations = Regex::new(r#"\bresource\(\s*(?:path,|&format!\("\{path\}([^"]*)")"#).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routed(&path, collections, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if !path.ends_with("api/mod.rs") {
            assert!(
                !text.contains("web::resource(") && !text.contains(".route(\""),
                "{}: use resource",
                path.display()
            );
        }
        found.extend(named.captures_iter(&text).map(|it| it[1].to_owned()));
        for rest in of_operations.captures_iter(&text) {
            let rest = rest.get(1).map_or("", |rest| rest.as_str()).replace("{{", "{").replace("}}", "}");
            found.extend(collections.iter().map(|collection| format!("{collection}{rest}")));
        }
    }
}

/// Where operations are, as the sources say.
fn collections(api: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(api.join("collections.rs")).unwrap();
    let named = Regex::new(r#"const COLLECTIONS: \[&str; 2\] =\s*\["([^"]+)", "([^"]+)"\];"#).unwrap();
    let named = named.captures(&text).expect("the collections are named");
    vec![named[1].to_owned(), named[2].to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_api_is_in_the_document() {
    let app = TestApp::start().await;
    let document = get(&app, "/openapi.json").await.body;
    let mut routes = BTreeSet::new();
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    routed(&api, &collections(&api), &mut routes);
    for outside_of_versions in ["/asyncapi.json", "/openapi.json", "/schemas/{file}"] {
        assert!(routes.remove(outside_of_versions), "{outside_of_versions}");
    }
    assert!(routes.len() >= 6, "{routes:?}");
    let described = described(&document);
    let (of_api, others): (Vec<&str>, Vec<&str>) = described.keys().partition(|path| path.starts_with("/v1.0/"));
    let of_api: BTreeSet<String> = of_api.iter().map(|path| path.strip_prefix("/v1.0").unwrap().to_owned()).collect();
    assert_eq!(of_api, routes);
    assert_eq!(others, ["/asyncapi.json", "/livez", "/metrics", "/openapi.json", "/readyz", "/schemas/{file}"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_has_its_server_and_the_answers_that_every_path_may_give() {
    let app = TestApp::start().await;
    let document = get(&app, "/openapi.json").await.body;
    assert_eq!(document["servers"][0]["url"], "/");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for (path, item) in document["paths"].as_object().unwrap() {
        if ["/livez", "/readyz", "/metrics"].contains(&path.as_str()) {
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let of_bodies = if operation["requestBody"].is_null() { &[][..] } else { &["408", "413", "415"] };
            for status in ["400", "401", "403", "500", "503"].iter().chain(of_bodies) {
                assert!(!operation["responses"][status].is_null(), "{method} {path}: {status}");
            }
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_wherever_get_is_with_the_same_head_and_no_body() {
    let mut app = TestApp::start().await;
    let recording = super::recording(&mut app, "one");
    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    let document = get(&app, "/openapi.json").await.body;
    let got = described(&document).into_iter().filter(|(_, methods)| methods.contains("GET")).map(|(path, _)| path);
    let pages = ["/", "/operations", "/sinks/first", "/nothing", "/v1.0/nothing"];
    for path in got.chain(pages).filter(|path| *path != "/v1.0/events") {
        let path = path.replace("{id}", &recording.operation.to_string());
        let path = path.replace("{callId}", &recording.call.to_string()).replace("{name}", "first");
        let (get, head) = (get(&app, &path).await, ask(&app, ("HEAD", &path), &[], None).await);
        assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{path}");
        assert_eq!(head.body, Value::String(String::new()), "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        let other = ask(&app, ("POST", path), &[], None).await;
        assert_eq!((other.status, other.header("allow")), (405, "GET, HEAD"), "{path}");
    }
    let stream = ask(&app, ("HEAD", "/v1.0/events"), &[], None).await;
    assert_eq!((stream.status, stream.header("content-type")), (200, "text/event-stream"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_of_an_answer_leads_to_the_description() {
    let app = TestApp::start().await;
    let list = get(&app, "/v1.0/communications/recordOperations").await;
    let context = list.body["@odata.context"].as_str().unwrap();
    let (address, _) = context.split_once('#').unwrap();
    let answer = reqwest::get(address).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/xml".parse().unwrap())
    );
    assert!(answer.text().await.unwrap().contains("<EntityType Name=\"recordOperation\">"));
    assert_eq!(get(&app, "/beta/$metadata").await.status, 200);
    assert_eq!(get(&app, "/v1.0/$metadata?x=1").await.status, 400);
    app.stop().await;
}
