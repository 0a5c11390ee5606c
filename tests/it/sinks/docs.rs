//! `docs/sinks.md` held to the code.

use std::io::Write;
use std::process::{Command, Stdio};

use reelhook::sinks::{KINDS, cloud_event};
use serde_json::json;

use super::answering::{Answering, OK};
use super::samples::{build, delivery};

const DOCS: &str = include_str!("../../../docs/sinks.md");
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The code blocks in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let blocks = DOCS.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The first cells of the first table under a heading, and the second ones.
fn table(heading: &str) -> Vec<(&'static str, &'static str)> {
    let (_, section) = DOCS.split_once(&format!("\n## {heading}\n")).expect(heading);
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        (cells.next().unwrap().trim_matches('`'), cells.next().unwrap())
    })
    .collect()
}

#[test]
fn every_kind_is_listed_with_its_summary() {
    for kind in KINDS {
        assert!(DOCS.contains(&format!("| `{}` | {} |", kind.name, kind.summary)), "{}", kind.name);
    }
}

#[test]
fn every_key_of_every_kind_is_listed_and_no_other() {
    for kind in KINDS {
        let keys: Vec<&str> = table(&format!("`{}`", kind.name)).iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, kind.keys(), "{}", kind.name);
    }
}

#[test]
fn every_default_is_as_listed() {
    // A sink that needs nothing more than what is listed as required can be built, and says its batch size itself.
    let sink = build("file", "path = 'events.jsonl'").unwrap();
    let listed = table("`file`");
    let batch_size = listed.iter().find(|(key, _)| *key == "batch_size").unwrap().1;
    assert_eq!(batch_size, format!("`{}`", sink.batch_size()));
    assert!(build("http", "url = 'https://example.com/'").is_ok() && build("stdout", "").is_ok());
    for kind in KINDS {
        let required = table(&format!("`{}`", kind.name)).into_iter().filter(|(_, default)| *default == "required");
        let told = build(kind.name, "").err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(required.clone().count(), told.lines().count());
        assert!(required.clone().all(|(key, _)| told.contains(&format!("sinks.crm.{key}: found nothing"))), "{told}");
    }
}

#[test]
fn the_example_of_an_operation_is_what_is_sent() {
    let mut sent = Vec::new();
    cloud_event::write(&delivery(7), false, &mut sent);
    assert_eq!(blocks("json")[0].as_bytes(), sent);
}

#[test]
fn every_example_is_a_cloud_event() {
    assert_eq!(blocks("json").len(), 4);
    for block in blocks("json") {
        serde_json::from_str::<cloudevents::Event>(block).expect(block);
        let attributes = serde_json::from_str::<serde_json::Map<_, _>>(block).unwrap();
        for name in
            attributes.keys().filter(|name| !["specversion", "datacontenttype", "data"].contains(&name.as_str()))
        {
            assert!(DOCS.contains(&format!("\n| `{name}` |")), "{name}");
        }
    }
}

#[test]
fn the_tables_of_the_examples_have_only_known_keys() {
    for block in blocks("toml") {
        let config: toml::Table = toml::from_str(block).unwrap();
        for (_, sink) in config["sinks"].as_table().unwrap() {
            let mut table = sink.as_table().unwrap().clone();
            let kind = table.remove("kind").unwrap();
            let kind = KINDS.iter().find(|it| Some(it.name) == kind.as_str()).unwrap();
            assert!(table.keys().all(|key| kind.keys().contains(&key.as_str())), "{block}");
        }
    }
}

/// Runs an example's `verify` on a request that the sink sent; returns what it says of it, and of one that was changed.
async fn verified_by(program: &str, code: &str) -> String {
    let (far_side, folder) = (Answering::with(OK), tempfile::tempdir().unwrap());
    let table = far_side.table() + &super::http::secrets(&folder, &["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SECRET]);
    build("http", &table).unwrap().deliver(&delivery(1)).await.unwrap();
    let request = far_side.requests().remove(0);
    let headers: serde_json::Map<_, _> =
        request.headers().map(|(name, value)| (name.to_lowercase(), json!(value))).collect();
    let input = json!({ "headers": headers, "body": String::from_utf8(request.body).unwrap(), "secret": SECRET });
    let mut child = Command::new(program).args(["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = code.replace("INPUT", &serde_json::to_string(&input.to_string()).unwrap());
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_python_example_verifies_what_is_sent() {
    let check = "\nimport json\nit = json.loads(INPUT)\nbody = it['body'].encode()\n\
        print(verify(it['headers'], body, it['secret']), verify(it['headers'], body + b' ', it['secret']))\n";
    assert_eq!(verified_by("python3", &format!("{}{check}", blocks("python")[0])).await, "True False");
}

#[tokio::test]
async fn the_node_example_verifies_what_is_sent() {
    if Command::new("node").arg("--version").output().is_err() {
        return; // the example is for those who have it
    }
    let check = "\nconst it = JSON.parse(INPUT);\nconst body = Buffer.from(it.body);\n\
        console.log(verify(it.headers, body, it.secret), verify(it.headers, Buffer.concat([body, body]), it.secret));\n";
    assert_eq!(verified_by("node", &format!("{}{check}", blocks("js")[0])).await, "true false");
}
