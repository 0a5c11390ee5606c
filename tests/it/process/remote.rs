//! The commands that ask a running server over its admin listener: `tail`, `wait`, and the token that opens it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reelhook::simulator::payload::calls;
use rustix::process::Signal;
use serde_json::Value;

use super::site::{Said, Site};
use super::{PATIENCE, Server, wait_until};
use crate::test_app::{CLIENT_STATE, TENANT};

/// A command that goes on, and its lines.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("another line")
    }

    /// Presses Ctrl-C; returns how it ended.
    fn interrupted(mut self) -> Said {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        wait_until("the command ended", || self.child.try_wait().unwrap().is_some());
        assert!(self.lines.recv().is_err(), "no line was left");
        Said::from(self.child.wait_with_output().unwrap())
    }
}

/// A server whose admin listener is at an address of its own, also after a restart.
fn serve_at(site: &Site, address: &str) -> Server {
    Server::start_with(site.command(&["serve"]).env("REELHOOK__ADMIN__LISTEN", address))
}

fn free_address(ip: &str) -> String {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_each_event_once_also_over_a_restart_of_the_server() {
    let mut site = Site::new();
    let address = free_address("127.81.0.1");
    let server = serve_at(&site, &address);
    assert_eq!(site.post(&server, "a\u{1b}[2J").await.status, 202);
    let url = format!("http://{address}");
    let tail = Running::start(&mut site.command(&["tail", "--url", &url, "--from-start"]));
    let json = Running::start(&mut site.command(&["tail", "--url", &url, "--from-start", "--json"]));
    let one = Running::start(&mut site.command(&[
        "tail",
        "--url",
        &url,
        "--from-start",
        "--client-context",
        "c",
        "--client-context",
        "a\u{1b}[2J",
    ]));
    one.line();
    let line = tail.line();
    assert!(line.contains(" UTC  recordOperation.completed   a\\u{1b}[2J  "), "{line}");
    let event: Value = serde_json::from_str(&json.line()).unwrap();
    assert_eq!((&event["specversion"], &event["data"]["tenantId"]), (&"1.0".into(), &TENANT.into()));
    assert!(line.ends_with(event["data"]["id"].as_str().unwrap()), "{line}");

    server.kill();
    let server = serve_at(&site, &address);
    for context in ["b", "c"] {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    for context in ["b", "c"] {
        assert!(tail.line().contains(&format!("  {context}  ")));
        let event: Value = serde_json::from_str(&json.line()).unwrap();
        assert_eq!(event["clientcontext"], context);
    }
    assert!(one.line().contains("  c  "));
    for running in [tail, json, one] {
        let said = running.interrupted();
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("lost the stream") && said.err.ends_with("connected again\n"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_tells_the_end_by_its_words_and_its_exit_code() {
    let mut site = Site::new();
    let server = site.serve();
    let url = server.admin_url("");
    let wait = |context: &str| Running::start(&mut site.command(&["wait", context, "--url", &url, "--timeout", "60s"]));
    let (good, bad) = (wait("it's good"), wait("bad"));
    let (good_end, bad_end) = (site.recording("it's good"), site.recording("bad"));
    let graph = site.graph(&server);
    let items = [good_end.running(), bad_end.running(), good_end.completed(), bad_end.failed()];
    for item in items {
        assert_eq!(graph.send(graph.calls(&[item]).unwrap()).await.unwrap().status, 202);
    }
    let ended = |mut running: Running| {
        wait_until("the command ended", || running.child.try_wait().unwrap().is_some());
        (running.child.wait().unwrap().code(), running.line())
    };
    let (code, line) = ended(good);
    assert_eq!(code, Some(0), "{line}");
    assert!(line.starts_with("it's good: completed, ") && line.contains("; the recording is at https://"), "{line}");
    let (code, line) = ended(bad);
    assert_eq!(code, Some(1), "{line}");
    assert!(line.starts_with("bad: failed, ") && line.contains("subcode "), "{line}");

    // What has ended is told at once.
    let said = site.run(&["wait", "bad", "--url", &url, "--json"]);
    let operation: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &operation["status"]), (Some(1), &"failed".into()), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_ends_in_time_whatever_has_not_happened() {
    let mut site = Site::new();
    let server = site.serve();
    let url = server.admin_url("");
    let nothing = site.run(&["wait", "nobody", "--url", &url, "--timeout", "1s"]);
    assert_eq!((nothing.code, &*nothing.out), (Some(3), ""), "{nothing:?}");
    assert_eq!(
        nothing.err,
        "no operation with the clientContext or id nobody, or with an event of this id, appeared within 1 s\n"
    );

    let graph = site.graph(&server);
    let running = site.recording("slow").running();
    graph.send(graph.calls(&[running]).unwrap()).await.unwrap();
    let slow = site.run(&["wait", "slow", "--url", &url, "--timeout", "1s"]);
    assert_eq!((slow.code, &*slow.out), (Some(3), ""), "{slow:?}");
    assert_eq!(slow.err, "not ended after 1 s: slow: running\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_takes_an_operations_id_in_any_spelling_and_an_events_id_for_its_operation() {
    let mut site = Site::new();
    let server = site.serve();
    let graph = site.graph(&server);
    let recording = site.recording("by id");
    let id = recording.operation.to_string();
    let plain = id.replace('-', "").to_uppercase();
    // It is waited for before it is heard of.
    let waiting = [&id, &plain].map(|id| Running::start(&mut site.command(&["wait", id, "--timeout", "60s"])));
    for item in [recording.running(), recording.completed()] {
        assert_eq!(graph.send(graph.calls(&[item]).unwrap()).await.unwrap().status, 202);
    }
    for running in waiting {
        assert!(running.line().contains(": completed, "));
    }
    let explained = site.run(&["explain", &id]);
    let event = explained.out.split("(event ").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
    let by_event = site.run(&["wait", event, "--json"]);
    let operation: Value = serde_json::from_str(&by_event.out).unwrap();
    assert_eq!((by_event.code, operation["id"].as_str()), (Some(0), Some(&*id)), "{by_event:?}");
}

/// A recording's item as whoever knows the clientState can send it.
fn by_client_state(item: &str) -> String {
    let item: Value = serde_json::from_str(item).unwrap();
    let (resource, data) = (&item["resourceUrl"], &item["resourceData"]);
    serde_json::json!({
        "id": "1", "subscriptionId": "0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f", "changeType": "updated",
        "subscriptionExpirationDateTime": "2099-03-20T11:00:00Z", "clientState": CLIENT_STATE, "tenantId": TENANT,
        "resource": resource, "resourceData": data
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_takes_no_operation_of_weaker_proof_for_the_answer() {
    let mut site = Site::new();
    let server = site.serve();
    let url = server.admin_url("");
    let graph = site.graph(&server);
    let (one, two) = (site.recording("one"), site.recording("two"));
    for item in [one.running(), two.running()] {
        assert_eq!(graph.send(graph.calls(&[item]).unwrap()).await.unwrap().status, 202);
    }
    let foreign =
        [site.recording("one").completed(), site.recording("two").failed(), site.recording("weak").completed()];
    let foreign = foreign.map(|item| by_client_state(&item));
    assert_eq!(graph.send(graph.notifications(&foreign, false).unwrap()).await.unwrap().status, 202);
    // One of weak proof is the answer where there is no other, and that is said.
    wait_until("the foreign ones are taken in", || {
        let weak = site.run(&["wait", "weak", "--url", &url, "--timeout", "1s"]);
        weak.code == Some(0) && weak.out.contains("; its proof is clientState alone")
    });
    for context in ["one", "two"] {
        let said = site.run(&["wait", context, "--url", &url, "--timeout", "1s"]);
        assert_eq!(
            (said.code, &*said.err),
            (Some(3), &*format!("not ended after 1 s: {context}: running\n")),
            "{said:?}"
        );
    }
    assert_eq!(graph.send(graph.calls(&[one.completed()]).unwrap()).await.unwrap().status, 202);
    let said = site.run(&["wait", "one", "--url", &url, "--json"]);
    let operation: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &operation["proof"]), (Some(0), &"bearerToken".into()), "{said:?}");
    assert_eq!(operation["recordingLocation"], one.location);
    let explained = site.run(&["explain", &one.operation.to_string()]);
    assert!(explained.out.contains("\nproof          the POST's bearer token\n"), "{explained:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_takes_up_the_stronger_operation_that_comes_beside_a_weak_one() {
    let mut site = Site::new();
    let server = site.serve();
    let url = server.admin_url("");
    let graph = site.graph(&server);
    let foreign = by_client_state(&site.recording("a").running());
    assert_eq!(graph.send(graph.notifications(&[foreign], false).unwrap()).await.unwrap().status, 202);
    wait_until("the foreign one is taken in", || {
        site.run(&["wait", "a", "--url", &url, "--timeout", "1s"]).err.contains("; its proof is clientState alone")
    });
    let waiting = Running::start(&mut site.command(&["wait", "a", "--url", &url, "--timeout", "60s"]));
    let own = site.recording("a");
    assert_eq!(graph.send(graph.calls(&[own.completed()]).unwrap()).await.unwrap().status, 202);
    assert!(waiting.line().ends_with(&format!("; the recording is at {}", own.location)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_told_from_one_that_heard_nothing() {
    let mut site = Site::new();
    site.write(("", ""), "[[routes]]\nname = \"none\"\nclient_context = { prefix = \"x-\" }\nsinks = [\"hook\"]\n");
    let server = site.serve();
    let url = server.admin_url("");
    assert_eq!(site.post(&server, "sales-1").await.status, 202);
    server.signal(Signal::STOP);
    let said = site.run(&["wait", "a", "--url", &url, "--timeout", "1s"]);
    assert_eq!((said.code, &*said.out), (Some(5), ""), "a script must not take it for a failed operation: {said:?}");
    assert!(
        said.err.starts_with("reelhook: no answer from ") && said.err.contains(" in 1 s (it is running, "),
        "{said:?}"
    );

    std::thread::scope(|both| {
        let commands: [&[&str]; 2] = [&["unmatched", "replay", "--all"], &["reload"]];
        for running in commands.map(|command| both.spawn(|| site.run(command))) {
            let said = running.join().unwrap();
            assert_eq!(said.code, Some(3), "{said:?}");
            assert!(said.err.starts_with("waiting for the server to answer\nno answer from "), "{said:?}");
            assert!(said.err.contains(" in 30 s (it is running, "), "{said:?}");
            assert!(said.err.contains("may still be done later"), "{said:?}");
        }
    });
    server.signal(Signal::CONT);
    assert_eq!(site.run(&["unmatched", "list"]).out.lines().count(), 1);
}

/// A server that waits two seconds for the recordings of a call that has ended.
fn serve_hasty(site: &Site) -> Server {
    Server::start_with(site.command(&["serve"]).env("REELHOOK__EXPECTATIONS__LOST_AFTER", "2s"))
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_ends_at_lost_unless_told_to_go_on_and_explain_tells_why() {
    let mut site = Site::new();
    let server = serve_hasty(&site);
    let url = server.admin_url("");
    let graph = site.graph(&server);
    let hung_up = site.recording("hung up");
    let mut end: Value = serde_json::from_str(&calls::call_of(hung_up.call, "terminated")).unwrap();
    end["resultInfo"] = Value::Null;
    end["resourceData"]["resultInfo"] = serde_json::json!({ "code": 487, "subcode": 7000, "message": "Bye\u{7}." });
    end["resourceData"]["terminationSender"] = serde_json::json!({ "phone": { "id": "+4512345678" } });
    for item in [hung_up.running(), end.to_string()] {
        assert_eq!(graph.send(graph.calls(&[item]).unwrap()).await.unwrap().status, 202);
    }
    let lost = site.run(&["wait", "hung up", "--url", &url, "--timeout", "60s"]);
    assert_eq!(lost.code, Some(4), "{lost:?}");
    assert!(lost.out.starts_with("not ended: hung up: running, lost: its call ended at "), "{lost:?}");
    assert!(lost.out.contains("result 487, subcode 7000: the call ended or was transferred"), "{lost:?}");
    let json = site.run(&["wait", "hung up", "--url", &url, "--json"]);
    let operation: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &operation["expectation"]["state"]), (Some(4), &"lost".into()), "{json:?}");
    let explained = site.run(&["explain", &hung_up.operation.to_string()]);
    assert!(explained.out.contains("\nexpectation    lost\n"), "{explained:?}");
    let why = "\ncall ended     its call ended at ";
    let sender = "\"Bye\\u{7}.\"; ended by phone +4512345678)\n";
    assert!(explained.out.contains(why) && explained.out.contains(sender), "{explained:?}");

    let later = site.run(&["wait", "hung up", "--url", &url, "--timeout", "1s", "--past-lost"]);
    assert_eq!((later.code, &*later.out), (Some(3), ""), "{later:?}");
    let past_lost = ["wait", "hung up", "--url", &url, "--timeout", "60s", "--past-lost"];
    let mut waiting = Running::start(&mut site.command(&past_lost));
    assert_eq!(graph.send(graph.calls(&[hung_up.completed()]).unwrap()).await.unwrap().status, 202);
    wait_until("the command ended", || waiting.child.try_wait().unwrap().is_some());
    assert_eq!(waiting.child.wait().unwrap().code(), Some(0));
    let explained = site.run(&["explain", &hung_up.operation.to_string()]);
    assert!(explained.out.contains("  the operation completed, later than expected\n"), "{explained:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_because_the_process_stood_still() {
    let mut site = Site::new();
    let server = serve_hasty(&site);
    let graph = site.graph(&server);
    let (hung_up, good) = (site.recording("hung up"), site.recording("good"));
    let ends = [&hung_up, &good].map(|recording| calls::call_of(recording.call, "terminated"));
    for item in [hung_up.running(), good.running()].into_iter().chain(ends) {
        assert_eq!(graph.send(graph.calls(&[item]).unwrap()).await.unwrap().status, 202);
    }
    server.signal(Signal::STOP);
    // Time must pass for a process that stands still.
    std::thread::sleep(Duration::from_secs(4));
    server.signal(Signal::CONT);
    let completed = graph.send(graph.calls(&[good.completed()]).unwrap()).await.unwrap();
    assert_eq!(completed.status, 202);
    server.said("the process was suspended");
    wait_until("the other is lost", || {
        site.run(&["explain", &hung_up.operation.to_string()]).out.contains("recordOperation.lost")
    });
    let explained = site.run(&["explain", &good.operation.to_string()]);
    assert!(!explained.out.contains("recordOperation.lost"), "{explained:?}");
}

#[test]
fn an_answer_that_does_not_end_is_given_up() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut head = String::new();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut head).unwrap();
                let kind = if head.contains("/events") { "text/event-stream" } else { "application/json" };
                let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
                while !head.contains("/events") && stream.write_all(&[b' '; 1 << 16]).is_ok() {}
                // The events go on, without any, until the command has had enough.
                let _ = stream.read(&mut [0]);
            });
        }
    });
    let said = Said::from(super::run(&["wait", "a", "--url", &url, "--timeout", "60s"]));
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("found an answer of more than "), "{said:?}");
}

#[test]
fn a_server_that_is_not_there_is_told_with_a_hint() {
    for (arguments, code) in [(&["tail"][..], 1), (&["wait", "a"], 5)] {
        let said = Said::from(super::run(&[arguments, &["--url", "http://127.0.0.1:1"]].concat()));
        assert_eq!((said.code, &*said.out), (Some(code), ""), "{said:?}");
        assert!(said.err.starts_with("reelhook: no answer from http://127.0.0.1:1/ (is it running?"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_opens_what_its_lines_in_the_config_say() {
    let mut site = Site::new();
    let made = site.run(&["token", "new", "--name", "ops", "--scopes", "read"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let token = made.out.trim_end();
    let secret = token.strip_prefix("rhk_").expect("a prefix");
    assert_eq!((secret.len(), made.out.lines().count()), (43, 1));
    assert!(!made.err.contains(secret), "{made:?}");
    assert_ne!(site.run(&["token", "new", "--name", "ops", "--scopes", "read"]).out, made.out);

    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), config + &made.err).unwrap();
    assert_eq!(site.run(&["check"]).code, Some(0));
    let server = site.serve();
    assert_eq!(site.post(&server, "a").await.status, 202);
    let arguments = ["tail", "--url", &server.admin_url(""), "--from-start"];
    let without = site.run(&arguments);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.err.contains("401") && without.err.contains("REELHOOK_TOKEN"), "{without:?}");
    let wrong = Said::from(site.command(&arguments).env("REELHOOK_TOKEN", "rhk_wrong").output().unwrap());
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("it does not know the token") && !wrong.err.contains("rhk_wrong"), "{wrong:?}");
    let right = [&arguments[..], &["--token-env", "OPS_TOKEN"]].concat();
    let tail = Running::start(site.command(&right).env("OPS_TOKEN", token));
    assert!(tail.line().contains("  a  "));
    assert_eq!(tail.interrupted().code, Some(0));
}

#[test]
fn a_token_without_a_name_or_with_a_scope_that_is_none_is_wrong_usage() {
    for arguments in [
        &["--scopes", "read"][..],
        &["--name", "ops"],
        &["--name", "ops", "--scopes", "reed"],
        &["--name", "ops", "--scopes", ""],
        &["--name", " ", "--scopes", "read"],
        &["--name", "a\nb", "--scopes", "read"],
    ] {
        let said = Said::from(super::run(&[&["token", "new"], arguments].concat()));
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{arguments:?}: {said:?}");
    }
}
