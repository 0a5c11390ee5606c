//! `docs/sinks.md` and the pages of the kinds in `docs/sinks/` held to the code: their tables list what there is, their
//! examples are what comes out, their programs run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reelhook::config::{self, Events, Shown};
use reelhook::domain::{Delivery, Order};
use reelhook::simulator::payload::{Change, Recording, calls};
use reelhook::sinks::cloud_event::{Wanted, schemas};
use reelhook::sinks::{self, KINDS, Kind, cloud_event};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::answering::{Answering, OK, Request};
use super::samples::{TOKEN, build, delivery, mistakes, told};
use crate::test_app::{CLIENT_STATE, Settings, TENANT, TestApp};

const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What stands under `heading` in a page, up to the next heading of any level.
fn section(path: &str, heading: &str) -> String {
    let page = read(path);
    let start = page.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{path}: no heading {heading:?}"));
    let rest = &page[start + heading.len() + 2..];
    rest[..rest.find("\n#").unwrap_or(rest.len())].to_owned()
}

/// The rows of the tables in `section` whose first heading is `column`, each as its cells.
fn rows(section: &str, column: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let after = section.lines().skip_while(|line| !line.starts_with(&format!("| {column} |"))).skip(2);
    let rows: Vec<_> = after.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "no table of {column:?}");
    rows
}

/// What a cell has in `backticks`, if that is all it has.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|code| !code.contains('`'))
}

fn keys_in(rows: &[Vec<String>]) -> BTreeSet<&str> {
    rows.iter().map(|row| code(&row[0]).unwrap_or_else(|| panic!("{row:?}"))).collect()
}

/// The keys of every kind: what is sent.
fn shared_table() -> Vec<Vec<String>> {
    rows(&section("docs/sinks.md", "## What is sent"), "key")
}

/// The table of a kind's own keys; the keys of every kind are told once.
fn table_of(kind: &str) -> Vec<Vec<String>> {
    let page = read(&page_of(kind));
    assert!(page.starts_with(&format!("# The `{kind}` sink\n")), "{page}");
    let own = if page.contains("\n| key |") { rows(&page, "key") } else { Vec::new() };
    own.into_iter().chain(shared_table()).collect()
}

fn page_of(kind: &str) -> String {
    format!("docs/sinks/{kind}.md")
}

/// Every page about sinks.
fn pages() -> Vec<String> {
    KINDS.iter().map(|kind| page_of(kind.name)).chain(["docs/sinks.md".to_owned()]).collect()
}

/// The code blocks of a page in `language`, in order.
pub fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let (page, start) = (read(page), format!("\n```{language}\n"));
    let starts = page.split(&start).skip(1);
    starts.map(|rest| rest.split_once("\n```\n").expect("an end of the block").0.to_owned() + "\n").collect()
}

#[test]
fn each_kind_has_a_table_of_exactly_the_keys_that_it_knows() {
    for kind in KINDS {
        let table = table_of(kind.name);
        assert_eq!(keys_in(&table), kind.keys().iter().map(String::as_str).collect(), "{}", kind.name);
        assert_eq!(table.len(), kind.keys().len(), "{}: a key twice", kind.name);
    }
}

#[test]
fn each_default_is_one() {
    for kind in KINDS {
        let (table, keys) = (table_of(kind.name), kind.described().keys);
        for row in &table {
            let key = keys.iter().find(|key| Some(key.path.as_str()) == code(&row[0])).unwrap();
            let told = (row[1].as_str(), code(&row[1]));
            match (&key.default, told) {
                (_, ("required", _)) => assert!(key.is_required, "{}.{}", kind.name, key.path),
                (Shown::NotSet, ("none", _)) => {}
                (Shown::Value(default), (_, Some(told))) => {
                    let told: toml::Table = toml::from_str(&format!("it = {told}")).unwrap();
                    assert_eq!(serde_json::to_value(&told["it"]).unwrap(), *default, "{}.{}", kind.name, key.path);
                }
                other => panic!("{}.{}: {other:?}", kind.name, key.path),
            }
        }
        let required = keys.iter().filter(|key| key.is_required).map(|key| key.path.as_str());
        let told = table.iter().filter(|row| row[1] == "required").map(|row| code(&row[0]).unwrap());
        assert_eq!(required.collect::<BTreeSet<_>>(), told.collect(), "{}", kind.name);
        let asked_for = match build(kind.name, "") {
            Ok(_) => BTreeSet::new(),
            Err(_) => mistakes(kind.name, "").lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect(),
        };
        let required = keys.iter().filter(|key| key.is_required).map(|key| format!("sinks.crm.{}", key.path));
        assert_eq!(required.collect::<BTreeSet<_>>(), asked_for, "{}", kind.name);
    }
    let told = table_of("file").into_iter().find(|row| row[0] == "`batch_size`").unwrap();
    assert_eq!(code(&told[1]), Some(build("file", "path = 'a'").unwrap().batch_size().to_string().as_str()));
}

#[test]
fn the_keys_of_every_sink_are_those_of_the_dispatch_section_with_its_defaults() {
    let table = rows(&section("docs/sinks.md", "## Every sink"), "key");
    let reference: toml::Table = toml::from_str(&read("config/reelhook.toml")).unwrap();
    let mut told = toml::Table::new();
    // What a sink is, and which events it gets, has no value for all sinks.
    let own = ["`kind`", "`events`"];
    for row in table.iter().filter(|row| !own.contains(&row[0].as_str())) {
        let default: toml::Table = toml::from_str(&format!("it = {}", code(&row[1]).unwrap())).unwrap();
        told.insert(code(&row[0]).unwrap().to_owned(), default["it"].clone());
    }
    assert_eq!(&told, reference["dispatch"].as_table().unwrap());
    assert_eq!(told.len() + own.len(), table.len());
}

#[test]
fn the_kinds_are_told_alike_here_and_in_the_readme() {
    let expected = |folder: &str| {
        let row =
            |kind: &Kind| [format!("[`{0}`]({folder}{0}.md)", kind.name), kind.summary.into(), kind.confirmed.into()];
        KINDS.iter().map(row).collect::<BTreeSet<_>>()
    };
    // Not every build has this kind.
    let is_built = |row: &Vec<String>| cfg!(feature = "kafka") || !row[0].starts_with("[`kafka`]");
    let told = |rows: Vec<Vec<String>>| {
        rows.into_iter().filter(is_built).map(|row| row.try_into().unwrap()).collect::<BTreeSet<_>>()
    };
    assert_eq!(told(rows(&read("docs/sinks.md"), "kind")), expected("sinks/"));
    assert_eq!(told(rows(&section("README.md", "## Sinks"), "kind")), expected("docs/sinks/"));
}

const ROUTES: &str = r#"
[[routes]]
name = "support"
client_context = { regex = 'support-(?<ticket>\d+)' }
sinks = ["first"]
[[routes]]
name = "all"
sinks = ["first"]
"#;

/// A recording's end, a call, a rich notification and a lifecycle event, as they come out of a whole reelhook.
async fn delivered() -> Vec<Delivery> {
    let mut app = TestApp::start_with(Settings { routes: ROUTES.into(), ..Settings::default() }).await;
    let recording = Recording::new(&mut app.seed).client_context("support-4711");
    let established = calls::call(&mut app.seed, "established");
    let change = Change::new(&mut app.seed, TENANT, Some(CLIENT_STATE));
    let rich = change.rich(app.graph.certificate.as_ref().unwrap()).unwrap();
    for (n, item) in (1..).zip([recording.running(), recording.completed(), established]) {
        assert_eq!(app.post_calls(&[item]).await.status, 202);
        app.first.wait_for(n).await;
    }
    let lifecycle = app.graph.lifecycle(&[change.lifecycle("reauthorizationRequired")]);
    for (n, post) in (4..).zip([app.graph.notifications(&[rich], true).unwrap(), lifecycle]) {
        assert_eq!(app.send(post).await.status, 202);
        app.first.wait_for(n).await;
    }
    let mut delivered = app.first.delivered();
    app.stop().await;
    delivered.remove(0);
    delivered
}

fn event(delivery: &Delivery, token: bool) -> Value {
    let mut out = Vec::new();
    cloud_event::write(delivery, token, &mut out);
    serde_json::from_slice(&out).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_what_comes_out() {
    let examples: Vec<Value> =
        blocks_of("docs/sinks.md", "json").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let delivered = delivered().await;
    assert_eq!(examples.len(), delivered.len());
    for (example, delivery) in examples.iter().zip(&delivered) {
        serde_json::from_value::<cloudevents::Event>(example.clone()).unwrap();
        let mut event = event(delivery, false);
        event["id"] = example["id"].clone(); // made of chance
        let chain = event["data"]["reelhook"].get("chainId").cloned();
        assert!(chain.is_none() || chain.as_ref() == event.get("correlationid"), "{event}");
        for (at, name) in [
            ("/data/reelhook", "messageId"), // likewise
            ("/data/reelhook", "chainId"),
            ("/data/reelhook", "correlationId"),
            ("/data/reelhook", "scenarioId"),
            ("", "correlationid"),
        ] {
            let value = example.pointer(at).and_then(|it| it.get(name));
            let told = event.pointer_mut(at).and_then(|it| it.get_mut(name));
            if let (Some(value), Some(told)) = (value, told) {
                *told = value.clone();
            }
        }
        assert_eq!(&event, example);
    }
}

#[test]
fn every_attribute_and_every_member_is_told() {
    let page = read("docs/sinks.md");
    let mut announced = delivery(1);
    Arc::make_mut(&mut announced.event).metadata = Some("{}".into());
    Arc::make_mut(&mut announced.event).possible_repeat = true;
    Arc::make_mut(&mut announced.event).envelope.carried.accepted_at = Some(announced.event.time);
    let cause = announced.event.id;
    Arc::make_mut(&mut announced.event).envelope.carried.caused_by = Some(cause);
    announced.resend_of = Some(announced.id);
    let base = Some("https://example.com/schemas/".parse().unwrap());
    let wanted = Wanted { events: Events { schema_base: base, ..Events::default() }, ..Wanted::all(true) };
    let mut line = Vec::new();
    cloud_event::write_wanted(&announced, &wanted, &mut line);
    let event: Value = serde_json::from_slice(&line).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let told = |column: &str| keys_in(&rows(&page, column)).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(told("attribute"), names(&event));
    assert_eq!(told("attribute"), names(&schemas::all()[schemas::EVENT]["properties"]));
    let of_schemas = rows(&page, "schema").into_iter().map(|row| row[0].clone());
    assert!(of_schemas.eq(schemas::all().keys().map(|file| format!("[`{file}`](schemas/{file})"))));
    assert_eq!(told("member"), names(&event["data"]["reelhook"]));
    assert_eq!(event["data"]["recordingAccessToken"], TOKEN);
    assert!(page.contains("`data.recordingAccessToken`"));
    let orders = told("order");
    assert!(orders.iter().all(|order| Order::parse(order).is_some()) && orders.len() == 6, "{orders:?}");
}

#[tokio::test]
async fn the_headers_that_it_lists_are_those_that_are_sent() {
    let request = posted(&[OLD_SECRET]).await;
    let table = rows(&read("docs/sinks/http.md"), "header");
    for name in keys_in(&table) {
        assert!(request.header(name).is_some(), "{name}");
    }
    let of_the_spec = request.headers().filter(|(name, _)| name.starts_with("webhook-")).count();
    assert_eq!(keys_in(&table).iter().filter(|name| name.starts_with("webhook-")).count(), of_the_spec);
    assert!(table.iter().any(|row| code(&row[1]) == request.header("content-type")), "{table:?}");
}

/// A request that the http sink made, signed with these secrets.
async fn posted(secrets: &[&str]) -> Request {
    let (far_side, folder) = (Answering::with(OK), tempfile::tempdir().unwrap());
    let table = far_side.table() + &super::http::secrets(&folder, secrets);
    build("http", &table).unwrap().deliver(&delivery(1)).await.unwrap();
    far_side.requests().remove(0)
}

/// What a receiver is shown, and whether it must be content.
#[derive(Clone)]
struct Case {
    secret: String,
    id: String,
    timestamp: i64,
    signature: Option<String>,
    body: Vec<u8>,
    is_good: bool,
}

impl Case {
    fn json(&self) -> Value {
        let mut headers = json!({ "webhook-id": self.id, "webhook-timestamp": self.timestamp.to_string() });
        if let Some(signature) = &self.signature {
            headers["webhook-signature"] = json!(signature);
        }
        json!({ "secret": self.secret, "headers": headers, "body": STANDARD.encode(&self.body) })
    }

    /// Signed by an independent library, `seconds` from now.
    fn signed_at(&self, seconds: i64, is_good: bool) -> Self {
        let timestamp = self.timestamp + seconds;
        let signature = Webhook::new(&self.secret).unwrap().sign(&self.id, timestamp, &self.body).unwrap();
        Self { timestamp, signature: Some(signature), is_good, ..self.clone() }
    }
}

/// A request that is signed with two secrets, as during a change; then everything that is wrong with one.
async fn cases() -> Vec<Case> {
    let new_secret = format!("whsec_{}", STANDARD.encode([9; 32]));
    let request = posted(&[&new_secret, OLD_SECRET]).await;
    let header = |name| request.header(name).unwrap().to_owned();
    let good = Case {
        secret: new_secret,
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signature: Some(header("webhook-signature")),
        body: request.body.clone(),
        is_good: true,
    };
    let bad = Case { is_good: false, ..good.clone() };
    let body = [&*request.body, b" "].concat();
    let other_secret = format!("whsec_{}", STANDARD.encode([8; 32]));
    vec![
        Case { secret: OLD_SECRET.into(), ..good.clone() },
        good.signed_at(-200, true),
        good.signed_at(-400, false),
        good.signed_at(400, false),
        Case { secret: other_secret, ..bad.clone() },
        Case { body, ..bad.clone() },
        Case { id: "other".into(), ..bad.clone() },
        Case { timestamp: good.timestamp - 1, ..bad.clone() },
        Case { signature: None, ..bad.clone() },
        Case { signature: Some(String::new()), ..bad.clone() },
        Case { signature: Some("v1,é v1".into()), ..bad.clone() },
        good,
    ]
}

/// Runs the page's program in a language over the cases: it must be content with the good ones alone.
#[allow(clippy::print_stderr, reason = "whoever runs the tests must see that one was not made")]
async fn judge((language, command): (&str, &str), file: &str, main: &str) {
    if Command::new(command).arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no {command} here to run the example of docs/sinks.md");
        return;
    }
    let blocks = blocks_of("docs/sinks.md", language);
    assert_eq!(blocks.len(), 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::write(&path, format!("{}{main}", blocks[0])).unwrap();
    let cases = cases().await;
    let shown = Value::Array(cases.iter().map(Case::json).collect()).to_string();
    let input = folder.path().join("cases.json");
    fs::write(&input, shown).unwrap();
    let input = fs::File::open(&input).unwrap();
    let output = Command::new(command).arg(&path).stdin(input).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let event = delivery(1).event.id.to_string();
    let expected: Vec<&str> = cases.iter().map(|case| if case.is_good { event.as_str() } else { "refused" }).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn the_python_example_takes_what_is_signed_and_nothing_else() {
    let main = r#"
import sys
for case in json.load(sys.stdin):
    try:
        print(verify(case["secret"], case["headers"], base64.b64decode(case["body"]))["id"])
    except Exception:
        print("refused")
"#;
    judge(("python", "python3"), "verify.py", main).await;
}

#[tokio::test]
async fn the_node_example_takes_what_is_signed_and_nothing_else() {
    let main = r#"
import { readFileSync } from "node:fs";
for (const { secret, headers, body } of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    console.log(verify(secret, headers, Buffer.from(body, "base64")).id);
  } catch {
    console.log("refused");
  }
}
"#;
    judge(("js", "node"), "verify.mjs", main).await;
}

#[test]
fn the_secret_that_it_tells_to_make_is_one() {
    let text = section("docs/sinks.md", "### Keys of signatures");
    let commands: Vec<&str> = text.split('`').filter(|code| code.starts_with("echo ")).collect();
    assert_eq!(commands.len(), 2, "one for each kind of key");
    for command in commands {
        let made = Command::new("sh").args(["-c", command]).output().unwrap().stdout;
        let (folder, made) = (tempfile::tempdir().unwrap(), String::from_utf8(made).unwrap());
        let table = "url = 'https://example.com/'\n".to_owned() + &super::http::secrets(&folder, &[&made]);
        assert!(build("http", &table).is_ok(), "{command}");
    }
}

#[test]
fn the_tables_that_it_shows_load_without_a_mistake() {
    let mut n_sinks = 0;
    for page in pages() {
        let text = blocks_of(&page, "toml").concat();
        let loaded = config::parse(&format!("{text}\n[calls]\napp_ids = ['x']\n"), std::iter::empty());
        for sink in &loaded.unwrap_or_else(|mistakes| panic!("{page}: {mistakes}")).config.sinks {
            n_sinks += 1;
            // Secrets and certificates are not there to be read: that alone may be amiss.
            let context = sinks::Context { allow_exec: true, ..sinks::Context::default() };
            let told = sinks::build(sink, &context).err().map(|wrong| told(&wrong)).unwrap_or_default();
            let is_a_file_that_is_not_there = |line: &str| {
                line.contains("env: found an environment variable's name that is not set")
                    || line.contains("found No such file or directory")
            };
            assert!(told.lines().all(is_a_file_that_is_not_there), "{page}: {told}");
        }
    }
    assert!(n_sinks >= KINDS.len(), "{n_sinks}");
}

#[test]
fn every_place_in_a_page_that_it_links_to_is_there() {
    let mut n_inside = 0;
    for name in pages().into_iter().chain(["docs/own-sink.md".to_owned()]) {
        let page = read(&name);
        let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let folder = Path::new(&name).parent().unwrap();
            let target = if file.is_empty() { page.clone() } else { read(folder.join(file).to_str().unwrap()) };
            let names = target.lines().filter_map(|line| line.strip_prefix('#'));
            let mut places = names.map(|name| name.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
            assert!(place.is_empty() || places.any(|it| it.replace(['`', '\'', ','], "") == place), "{name}: {link}");
            n_inside += 1;
        }
    }
    assert!(n_inside >= 5);
}

#[tokio::test]
async fn the_receiver_of_the_page_on_own_sinks_keeps_what_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let verify = blocks_of("docs/sinks.md", "python");
    let receiver = blocks_of("docs/own-sink.md", "python");
    assert_eq!((verify.len(), receiver.len()), (1, 1));
    fs::write(folder.path().join("verify.py"), &verify[0]).unwrap();
    fs::write(folder.path().join("receiver.py"), &receiver[0]).unwrap();
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    let address = crate::process::site::free_address();
    let (host, port) = address.split_once(':').unwrap();
    let text = receiver[0].replace("127.0.0.1", host);
    fs::write(folder.path().join("receiver.py"), text).unwrap();
    let mut command = Command::new("python3");
    command.arg(folder.path().join("receiver.py")).arg(&kept).arg(port).env("EVENTS_SECRET", OLD_SECRET);
    let mut running = command.stderr(Stdio::null()).spawn().unwrap();
    crate::process::wait_until("the receiver listens", || std::net::TcpStream::connect(&address).is_ok());
    let sink = |secret: &str| {
        let folder = tempfile::tempdir().unwrap();
        let table = format!("url = 'http://{address}/'\nallow_private = ['127.0.0.0/8']\n");
        build("http", &(table + &super::http::secrets(&folder, &[secret]))).unwrap()
    };
    let signed = sink(OLD_SECRET).deliver(&delivery(1)).await;
    let other_secret = format!("whsec_{}", STANDARD.encode([8; 32]));
    let wrong = sink(&other_secret).deliver(&delivery(2)).await;
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(signed, Ok(()));
    assert!(matches!(wrong, Err(sinks::DeliveryError::Retry { .. })), "{wrong:?}");
    let files: Vec<_> = fs::read_dir(&kept).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [kept.join(format!("{}.json", delivery(1).event.id))]);
    let event: Value = serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(event["clientcontext"], "support-1");
}
