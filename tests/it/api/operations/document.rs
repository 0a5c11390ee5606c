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
    for (path, methods) in described(&document) {
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
    assert!(routes.remove("/openapi.json"));
    assert!(routes.len() >= 6, "{routes:?}");
    let described: BTreeSet<String> =
        described(&document).keys().map(|path| path.strip_prefix("/v1.0").unwrap().to_owned()).collect();
    assert_eq!(described, routes);
    app.stop().await;
}
