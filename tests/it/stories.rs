//! Each call that the simulator knows, played against a server: what it becomes is written down in `stories/NAME.txt`, and
//! was checked by hand against docs/graph.md. A line that begins with `#` says why it is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use reelhook::domain::{Event, GraphId};
use reelhook::simulator::payload::{Recording, Seed};
use reelhook::simulator::scenario::{Channels, Play, Scenario, play};
use reelhook::simulator::script::{Run, Script};
use reelhook::store::operations::{Created, NewOperation};
use reelhook::store::{DeliveryFilter, Newest, Phase};
use regex::{Captures, Regex};
use serde_json::Value;

use crate::ended_calls::pass;
use crate::process::eventually;
use crate::test_app::{Settings, TENANT, TestApp, announcement};

const SEED: u64 = 1;
/// Longer than `lost_after`: what is lost is told by then.
const UNTIL_LOST: i64 = 31;

/// The recordings that the bot announces: of each call that ends in a recording, and one that is never reported.
fn announced(name: &str, run: &Run) -> Vec<(String, String)> {
    let call_of = |recording: &Recording| recording.call.to_string();
    let mut all: Vec<_> = run.recordings.iter().map(|it| (it.client_context.clone(), call_of(it))).collect();
    if name == "hangup" {
        all.push(("support-1006".into(), run.calls[0].id.to_string()));
    }
    all.sort();
    all
}

async fn announce(app: &TestApp, context: &str, call: &str) {
    let new = NewOperation { call_id: GraphId::new(call), ..announcement(context) };
    assert!(matches!(app.operations.create(new).await.unwrap(), Created::New(_)));
}

async fn get(app: &TestApp, path: &str, of: &str) -> Value {
    let url = format!("http://{}/v1.0/{path}?of={of}", app.admin);
    let answer = reqwest::Client::new().get(url).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// Names for the ids of a run, and for those that the server makes.
struct Names(BTreeMap<String, String>);

impl Names {
    fn of(run: &Run) -> Self {
        let plain = |id: &uuid::Uuid| id.simple().to_string();
        let calls = run.calls.iter().map(|call| (plain(&call.id), format!("{{call {}}}", call.name)));
        let chains = run.calls.iter().map(|call| (plain(&call.chain), format!("{{chain {}}}", call.name)));
        let tenant = [(TENANT.replace('-', ""), "{tenant}".to_owned())];
        let operations =
            run.recordings.iter().map(|it| (plain(&it.operation), format!("{{recording {}}}", it.client_context)));
        Self(calls.chain(chains).chain(tenant).chain(operations).collect())
    }

    /// A text without what differs from run to run.
    fn put(&self, text: &str) -> String {
        let ids = Regex::new(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}").unwrap();
        let name = |found: &Captures<'_>| {
            let id = found[0].replace('-', "").to_lowercase();
            self.0.get(&id).cloned().unwrap_or_else(|| "{id}".into())
        };
        let took = Regex::new(r" in [0-9.]+ ?(ms|s|µs) \(attempt").unwrap();
        took.replace_all(&ids.replace_all(text, name), " (attempt").into_owned()
    }
}

fn described(event: &Event, names: &Names) -> String {
    let subject = event.subject.as_deref().unwrap_or("no subject");
    let call = event.envelope.carried.call_id.as_deref().unwrap_or("no call");
    let context = event.client_context.as_ref().map(|it| format!("  {}", it.as_str())).unwrap_or_default();
    let repeat = if event.possible_repeat { "  possible repeat" } else { "" };
    names.put(&format!("{:<26} {call}{context}{repeat}  {subject}", event.kind))
}

/// Resolves once each outcome is stored: the clock may be moved, and what is told does not change any more.
async fn settled(app: &TestApp) {
    eventually("each outcome is stored", async || {
        let unsettled = DeliveryFilter { phase: Some(Phase::Unsettled), ..DeliveryFilter::default() };
        app.store.delivery_log(&unsettled, Newest::up_to(1)).await.unwrap().rows.is_empty()
    })
    .await;
}

/// Plays a scenario on a server of its own, and writes down what it became.
async fn told(name: &str) -> String {
    let mut app = TestApp::start_with(Settings::default()).await;
    let Some(Scenario::Script(script)) = Scenario::find(name).unwrap() else { panic!("{name} is no script") };
    let run = script.run(&app.graph, &mut Seed::new(SEED));
    let names = Names::of(&run);
    let announced = announced(name, &run);
    for (context, call) in &announced {
        announce(&app, context, call).await;
    }
    let scenarios = [Scenario::Script(script)];
    let channels = Channels { calls: true, subscriptions: true };
    let mut told = String::from("posts\n");
    let all_well = play(&app.graph, Play { scenarios: &scenarios, channels, seed: SEED }, |step| {
        let status = step.outcome.as_ref().map_or(0, |answer| answer.status);
        told += &format!("  {status}  {}\n", step.what);
    });
    assert!(all_well.await.unwrap(), "{name}: {told}");
    settled(&app).await;
    pass(&mut app, UNTIL_LOST).await;
    let mut events: Vec<Arc<Event>> = app.first.delivered().into_iter().map(|delivery| delivery.event).collect();
    events.retain(|event| event.client_context.as_ref().is_none_or(|it| !it.as_str().starts_with("marker ")));
    events.sort_by_key(|event| event.number);
    told += "events\n";
    for event in &events {
        told += &format!("  {}\n", described(event, &names));
        let text = String::from_utf8_lossy(event.data.as_bytes());
        assert!(!text.contains("join-token-") && !text.contains("recording-token-"), "{name}: a secret in {text}");
    }
    settled(&app).await;
    told += "explain\n";
    for (context, _) in &announced {
        let stories = get(&app, "explain", context).await;
        for story in stories["value"].as_array().unwrap() {
            for line in story["story"].as_array().unwrap() {
                told += format!("  {}", names.put(line.as_str().unwrap())).trim_end();
                told += "\n";
            }
        }
    }
    app.stop().await;
    told
}

/// What is written down of a scenario, without its reasons.
fn expected(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// Compares; a new text is left in `target/stories`, to be read and checked before it is written down.
async fn check(name: &str, text: &str) {
    let found = told(name).await;
    if found != expected(text) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stories");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), &found).unwrap();
        assert_eq!(found, expected(text), "{name}: what was found is in target/stories/{name}.txt");
    }
}

/// A test for each story, and the names of all.
macro_rules! stories {
    ($($test:ident: $name:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            check($name, include_str!(concat!("stories/", $name, ".txt"))).await;
        })*
        const STORIES: &[&str] = &[$($name,)*];
    };
}

stories! {
    a_plain_call: "plain",
    a_cancelled_recording: "failed",
    two_recordings_in_a_call: "two-recordings",
    a_caller_who_hangs_up: "hangup",
    a_result_after_the_call: "late-result",
    a_bot_that_hangs_up: "bot-hangup",
    a_call_on_hold: "hold",
    a_transfer: "transfer",
    a_transfer_that_fails: "transfer-failed",
    a_redirected_call: "redirect",
    a_meeting: "meeting",
    several_calls_at_once: "several-calls",
    a_post_with_several_items: "together",
    repeats: "repeats",
    another_order: "reordering",
    the_dialect_of_2019: "running-2019",
}

#[test]
fn every_script_of_the_simulators_has_its_story() {
    let scripts: Vec<String> = Scenario::all()
        .unwrap()
        .iter()
        .filter(|scenario| matches!(scenario, Scenario::Script(_)))
        .map(|scenario| scenario.name().to_owned())
        .collect();
    assert_eq!(scripts, STORIES);
}

#[test]
fn the_simulators_page_names_every_scenario_and_its_example_can_be_played() {
    let page = include_str!("../../docs/simulate.md");
    for scenario in Scenario::all().unwrap().into_iter().chain(Scenario::others().unwrap()) {
        let row = format!("| `{}` | {} |\n", scenario.name(), scenario.summary());
        assert!(page.contains(&row), "docs/simulate.md has no row {row}");
    }
    let (_, example) = page.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    Script::read("example", "docs/simulate.md", example).unwrap_or_else(|mistakes| panic!("{mistakes}"));
}
