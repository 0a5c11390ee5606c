//! The schemas of events: each is right JSON Schema, the files in docs are those that this version makes, and an independent
//! validator takes every event that a test delivers. [`mistake`] is asked by the sink that the tests use, so each
//! scenario, dialect and entry of the corpus is held to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use reelhook::config::{Events, Section};
use reelhook::domain::Delivery;
use reelhook::simulator::payload::Recording;
use reelhook::sinks::cloud_event::{self, Wanted, asyncapi, schemas};
use reelhook::sinks::{Context, Shape, WITH_HEADERS};
use serde_json::{Value, json};

use super::samples::{delivery, table};
use crate::process::run;
use crate::process::site::Said;
use crate::test_app::{Settings, TestApp};

const BASE: &str = "https://reelhook.example/schemas/";

struct Judge {
    schemas: Schemas,
    indices: Vec<(String, SchemaIndex)>,
}

static JUDGE: LazyLock<Judge> = LazyLock::new(|| {
    let (mut compiler, mut compiled) = (Compiler::new(), Schemas::new());
    compiler.enable_format_assertions();
    for (file, schema) in schemas::all() {
        compiler.add_resource(&format!("{BASE}{file}"), schema.clone()).unwrap();
    }
    let index = |file: &&str| {
        let url = format!("{BASE}{file}");
        let index = compiler.compile(&url, &mut compiled).unwrap_or_else(|error| panic!("{file}: {error:#}"));
        (url, index)
    };
    let indices = schemas::all().keys().map(index).collect();
    Judge { schemas: compiled, indices }
});

impl Judge {
    /// What is wrong with a value by a schema.
    fn judge(&self, url: &str, value: &Value) -> Result<(), String> {
        let (_, index) = self.indices.iter().find(|(known, _)| known == url).ok_or(format!("no schema {url}"))?;
        self.schemas.validate(value, *index).map_err(|error| format!("{error:#}\n{value:#}"))
    }
}

fn named() -> Events {
    Events { type_prefix: "com.example.".into(), schema_base: Some(BASE.parse().unwrap()) }
}

/// A delivery's event as a sink is sent it.
fn sent(delivery: &Delivery, include_access_token: bool) -> Value {
    let mut line = Vec::new();
    let wanted = Wanted { include_access_token, events: named(), ..Wanted::default() };
    cloud_event::write_wanted(delivery, &wanted, &mut line);
    serde_json::from_slice(&line).unwrap()
}

/// What is wrong with a delivery's event by its schemas, with and without its token.
pub fn mistake(delivery: &Delivery) -> Option<String> {
    let judge = |event: Value| {
        JUDGE.judge(&format!("{BASE}{}", schemas::EVENT), &event)?;
        let properties = &schemas::all()[schemas::EVENT]["properties"];
        let unknown = event.as_object().unwrap().keys().find(|name| properties.get(name.as_str()).is_none());
        unknown.map_or(Ok(()), |name| Err(format!("the schema of events lacks {name}")))?;
        JUDGE.judge(event["dataschema"].as_str().unwrap_or_default(), &event["data"])
    };
    [true, false].into_iter().find_map(|token| judge(sent(delivery, token)).err())
}

/// A recording's end, as it comes out of a whole reelhook.
async fn completed() -> Delivery {
    let mut app = TestApp::start().await;
    let recording = Recording::new(&mut app.seed).completed();
    assert_eq!(app.post_calls(&[recording]).await.status, 202);
    let delivered = app.first.wait_for(1).await.remove(0);
    app.stop().await;
    delivered
}

/// Fails unless the schema refuses `good` without each of these members, and with each of another type.
fn refuses_without(url: &str, good: &Value, names: &[&str]) {
    JUDGE.judge(url, good).unwrap();
    for name in names {
        let mut bad = good.clone();
        assert!(bad.as_object_mut().unwrap().remove(*name).is_some(), "{name}");
        assert!(JUDGE.judge(url, &bad).is_err(), "without {name}");
        bad[name] = json!(["wrong"]);
        assert!(JUDGE.judge(url, &bad).is_err(), "another {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_find_what_is_wrong() {
    let delivery = completed().await;
    assert_eq!(mistake(&delivery), None);
    let good = sent(&delivery, true);
    let event = format!("{BASE}{}", schemas::EVENT);
    refuses_without(&event, &good, &["specversion", "id", "source", "type", "time", "sequence"]);
    for (name, wrong) in [("time", "today"), ("id", "7"), ("sequence", "7"), ("dataschema", "a b")] {
        let mut bad = good.clone();
        bad[name] = wrong.into();
        assert!(JUDGE.judge(&event, &bad).is_err(), "{name}: {wrong}");
    }
    let operation = good["dataschema"].as_str().unwrap();
    assert_eq!(operation, format!("{BASE}recordOperation.v1.json"));
    let names = ["@odata.type", "id", "callId", "tenantId", "changeType", "status", "reelhook"];
    refuses_without(operation, &good["data"], &names);
    for name in ["sequence", "channel", "previousState"] {
        let mut bad = good["data"].clone();
        assert!(bad["reelhook"].as_object_mut().unwrap().remove(name).is_some(), "{name}");
        assert!(JUDGE.judge(operation, &bad).is_err(), "without reelhook.{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_the_asyncapi_document_takes_the_events_of_its_type_and_no_others() {
    let event = sent(&completed().await, false);
    let document = asyncapi::document(&named());
    let (mut compiler, mut compiled) = (Compiler::new(), Schemas::new());
    for (file, schema) in schemas::all() {
        compiler.add_resource(&format!("{BASE}{file}"), schema.clone()).unwrap();
    }
    let mut takes = Vec::new();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        // Its references are relative to the document, which is beside the folder of the schemas.
        let url = format!("{}{name}", BASE.strip_suffix("schemas/").unwrap());
        compiler.add_resource(&url, message["payload"]["schema"].clone()).unwrap();
        let index = compiler.compile(&url, &mut compiled).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        if compiled.validate(&event, index).is_ok() {
            takes.push(name.as_str());
        }
    }
    // The message for all other types does not say what they are.
    assert_eq!(takes, ["recordOperation.completed", "resource"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_could_not_be_read_is_allowed_as_graph_sent_it() {
    let mut app = TestApp::start().await;
    let mut item: Value = serde_json::from_str(&Recording::new(&mut app.seed).completed()).unwrap();
    for name in ["@odata.etag", "completionReason", "resultInfo", "recordingLocation"] {
        item["resourceData"][name] = json!(["another", "type"]);
    }
    assert_eq!(app.post_calls(&[item.to_string()]).await.status, 202);
    let delivered = app.first.wait_for(1).await.remove(0);
    assert_eq!(sent(&delivered, false)["data"]["resultInfo"], json!(["another", "type"]));
    assert_eq!(mistake(&delivered), None);
    app.stop().await;
}

#[test]
fn data_that_is_not_whole_names_no_schema() {
    let context = Context { events: named(), ..Context::default() };
    let names = |keys: &str| {
        let read = |section: &mut Section<'_>| Some(Shape::read(section, WITH_HEADERS, &context));
        let message = table(keys).read("sinks.crm", read).unwrap().0.message(&delivery(1));
        let of_body = serde_json::from_slice::<Value>(&message.body).unwrap().get("dataschema").cloned();
        let of_head = message.attributes.iter().find(|(name, _)| *name == "dataschema").map(|(_, it)| json!(it));
        of_body.or(of_head)
    };
    let whole = Some(json!(format!("{BASE}recordOperation.v1.json")));
    assert_eq!((names(""), names("format = 'cloudevents-binary'")), (whole.clone(), whole));
    for keys in ["fields = ['id']", "format = 'cloudevents-binary'\nfields = ['id']", "format = 'data'"] {
        assert_eq!(names(keys), None, "{keys}");
    }
    assert_eq!(names("format = 'cloudevents-binary'\npayload = '{}'"), None);
}

/// The files below a folder, and what they contain.
fn files(folder: &Path) -> Vec<(String, Value)> {
    let schemas = fs::read_dir(folder.join("schemas")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    };
    let mut files: Vec<_> = schemas.chain([folder.join("asyncapi.json")]).map(read).collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

#[test]
fn the_files_in_docs_are_those_that_this_version_makes() {
    let folder = tempfile::tempdir().unwrap();
    let said = Said::from(run(&["schemas", "--out", folder.path().to_str().unwrap()]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let made = files(folder.path());
    assert_eq!(said.out.lines().count(), made.len());
    let stored = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"));
    assert!(stored == made, "run: cargo run -- schemas --out docs");
    assert_eq!(made.len(), schemas::all().len() + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_serves_them_with_the_names_of_its_config() {
    let more = format!("[events]\ntype_prefix = \"com.example.\"\nschema_base = \"{BASE}\"\n");
    let app = TestApp::start_with(Settings { more, ..Settings::default() }).await;
    let get = async |path: &str| reqwest::get(format!("http://{}{path}", app.admin)).await.unwrap();
    for (file, schema) in schemas::all() {
        let answer = get(&format!("/schemas/{file}")).await;
        assert_eq!(answer.status(), 200, "{file}");
        assert_eq!(answer.headers()["content-type"], "application/schema+json");
        assert_eq!(serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap(), *schema);
    }
    for path in ["/schemas/recordOperation.v0.json", "/schemas/", "/schemas/..%2fasyncapi.json"] {
        assert_eq!(get(path).await.status(), 404, "{path}");
    }
    let text = get("/asyncapi.json").await.text().await.unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document, asyncapi::document(&named()));
    app.stop().await;
}
