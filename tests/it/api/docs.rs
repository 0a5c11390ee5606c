//! docs/api.md is held to the API: its tables name every path and method, and each of its commands works.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use reelhook::sinks::DeliveryError;
use serde_json::Value;

use super::{completed, with_tokens};
use crate::store::InState;
use crate::test_app::TestApp;

const PAGE: &str = include_str!("../../../docs/api.md");

/// Each path in the tables of the page, with its methods.
fn told() -> BTreeMap<String, BTreeSet<String>> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `/")?.split_once("` | "));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    rows.map(|(path, rest)| (format!("/{path}"), words(rest.split(" | ").next().unwrap()))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_every_path_with_its_methods() {
    let app = TestApp::start().await;
    let document = reqwest::get(format!("http://{}/openapi.json", app.admin)).await.unwrap().text().await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut served = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods: BTreeSet<String> = item.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
        match path.strip_prefix("/v1.0") {
            Some(path) => drop(served.insert(path.to_owned(), methods)),
            None => {
                // A path with a parameter is shown with a value.
                let (fixed, quote) = path.split_once('{').map_or((path.as_str(), "\""), |(fixed, _)| (fixed, ""));
                assert!(PAGE.contains(&format!("\"$API{fixed}{quote}")), "{path}");
            }
        }
    }
    assert_eq!(told(), served);
    app.stop().await;
}

/// Runs a block of commands in a shell.
fn run(script: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("sh").args(["-e", "-c", script]).envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    // 28: the time that the test gives to a stream is over.
    let is_stream = script.contains("curl -fsSN");
    assert!(output.status.success() || (is_stream && output.status.code() == Some(28)), "{script}\n{error}\n{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_works() {
    let tokens = with_tokens(&[("token", "\"read\", \"write\"")]);
    let mut app = TestApp::start_with(tokens).await;
    app.first.fail([DeliveryError::Reject { reason: "no".into() }]);
    completed(&mut app, "order-1").await;
    completed(&mut app, "order-2").await;
    let dead = reelhook::store::DeliveryState::Dead;
    crate::process::eventually("there is a dead letter", async || {
        app.store.deliveries(dead, None, reelhook::store::Newest::up_to(1)).await.unwrap().len() == 1
    })
    .await;
    let api = format!("http://{}", app.admin);
    let operations = super::ask(&app, ("GET", "communications/recordOperations"), Some("token"), None).await;
    let id = operations.body["value"][0]["id"].as_str().unwrap().to_owned();
    let variables = [("API", &*api), ("TOKEN", "token"), ("CALL_ID", "call-1"), ("ID", &*id), ("SINK", "first")];
    let blocks: Vec<&str> = PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 10 && blocks[0].starts_with("API=http://127.0.0.1:8081\nTOKEN="), "{blocks:?}");
    let mut said = BTreeMap::new();
    for block in &blocks[1..] {
        let script = block.replace("curl -fsSN", "curl -fsSN --max-time 3");
        let text = run(&script, &variables);
        assert!(!text.is_empty(), "{block}");
        said.insert(*block, text);
    }
    let of = |words: &str| said.iter().find(|(block, _)| block.contains(words)).unwrap().1;
    assert!(of("expectWithin").contains("\"clientContext\":\"order-17\""));
    assert!(of("startsWith").contains("order-17") && !of("startsWith").contains("order-1\""));
    assert!(of("waitFor").contains("reelhook-waited: terminal"));
    assert!(of("PATCH").contains("Contoso"));
    assert_eq!(of("deadLetters/replay"), "{\"replayed\":1}");
    assert!(of("/events?").contains("\"type\":\"recordOperation.completed\""), "{}", of("/events?"));
    app.stop().await;
}
