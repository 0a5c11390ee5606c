//! `reelhook simulate` as its user meets it: what it refuses, what it says, and how it ends.

use super::reelhook;
use super::signals::Long;
use super::site::Said;

/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

fn simulate(arguments: &[&str]) -> Said {
    let keys = ["simulate", "--identity-listen", "127.0.0.1:0"];
    Said::from(super::run(&[&keys[..], arguments].concat()))
}

/// A receiver that answers 202 to everything, and its URL.
fn receiver() -> (Long, String) {
    let receiver = Long::start(reelhook().args(["simulate", "--serve-noop", "127.0.0.1:0"]));
    let url = receiver.said("answering 202").rsplit(' ').next().unwrap().to_owned();
    (receiver, url)
}

fn refused(arguments: &[&str], told: &str) {
    let said = simulate(arguments);
    assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
    assert!(said.err.contains(told) && said.out.is_empty(), "{arguments:?}: {said:?}");
}

#[test]
fn a_url_with_a_path_is_refused_and_the_options_for_paths_are_named() {
    refused(
        &["--url", "http://127.0.0.1:1/graph/calls"],
        "found the path /graph/calls, expected none: name the receiver's paths with --calls-path",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record.jsonl");
    let record = ["simulate", "--record", file.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let said = Said::from(super::run(&[&record[..], &["--url", "http://127.0.0.1:1/graph"]].concat()));
    assert!(said.code == Some(2) && said.err.contains("found the path /graph, expected none"), "{said:?}");
    assert!(!file.exists());
}

#[test]
fn what_has_nothing_to_send_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (arguments, told) in [
        (
            &["--channel", "subscriptions", "--scenario", "plain"][..],
            "nothing to send: --scenario plain has nothing on",
        ),
        (&["--scenario", "encrypted"], "nothing to send: --scenario encrypted needs --certificate-key FILE"),
        (
            &["--channel", "subscriptions", "--scenario", "hangup,changes"],
            "nothing to send of one scenario: --scenario hangup has nothing on --channel subscriptions. Leave it out",
        ),
        (&["--replay", empty], "empty.jsonl: found nothing to send"),
        (&["--count", "2", "--scenario", "plain"], "cannot be used with"),
        (&["--scenario", "all,none"], "--scenario none stands alone"),
    ] {
        refused(&[arguments, &["--url", NOBODY]].concat(), told);
    }
    // Nothing but an encrypted item: it cannot be sent, and that is no success.
    let encrypted = folder.path().join("encrypted.jsonl");
    let line =
        r#"{"after_ms":0,"method":"POST","path":"/n","heads":[],"body":{"encryptedContent":{"data":""}},"answer":202}"#;
    std::fs::write(&encrypted, line).unwrap();
    let said = simulate(&["--replay", encrypted.to_str().unwrap(), "--url", NOBODY]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.contains("0 of 0 POSTs were answered as expected; 1 was not sent"), "{said:?}");
    assert!(said.err.ends_with("nothing was sent: see why above\n"), "{said:?}");
}

#[test]
fn a_token_alone_is_printed_and_nothing_is_sent() {
    let said = simulate(&["--print-token", "--url", NOBODY]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("token ey") && said.out.lines().count() == 1, "{said:?}");
    let said = simulate(&["--print-token", "--scenario", "plain", "--url", NOBODY]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("token ey") && said.err.contains("nobody listens"), "{said:?}");
}

#[test]
fn as_json_the_token_and_the_seed_are_in_the_one_line() {
    let json = |said: &Said| -> serde_json::Value {
        assert!(said.code == Some(0) && said.out.lines().count() == 1, "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    };
    let is_token = |json: &serde_json::Value| json["token"].as_str().is_some_and(|token| token.starts_with("ey"));
    let alone = json(&simulate(&["--print-token", "--json", "--url", NOBODY]));
    assert!(is_token(&alone) && alone.as_object().unwrap().len() == 1, "{alone}");
    let (_receiver, url) = receiver();
    let played = json(&simulate(&["--print-token", "--scenario", "plain", "--json", "--url", &url]));
    assert!(is_token(&played) && played["posts"] == 7, "{played}");
    let load = json(&simulate(&["--print-token", "--count", "2", "--seed", "7", "--json", "--url", &url]));
    assert!(is_token(&load) && load["seed"] == 7 && load["n_2xx"] == 2, "{load}");
    let load = json(&simulate(&["--count", "2", "--json", "--url", &url]));
    assert!(load["seed"].is_u64() && load.get("token").is_none(), "{load}");
}

#[test]
fn the_last_line_names_what_was_left_out_and_what_it_needs() {
    let (_receiver, url) = receiver();
    let said = simulate(&["--channel", "subscriptions", "--url", &url]);
    let expected =
        "left out without --certificate-key: encrypted, two-tenants, the encrypted changes of dialects and resources";
    assert_eq!(said.out.lines().last(), Some(expected), "{said:?}");
    let said = simulate(&["--scenario", "plain,changes", "--url", &url]);
    assert!(said.code == Some(0) && !said.out.contains("left out"), "{said:?}");
}

#[test]
fn beside_a_run_that_serves_its_keys_the_next_one_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().to_str().unwrap();
    let hold = ["simulate", "--hold", "--scenario", "none", "--identity-dir", identity, "--identity-listen"];
    let held = Long::start(reelhook().args([&hold[..], &["127.0.0.1:0"]].concat()));
    let line = held.said("serving keys on");
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let next = ["simulate", "--identity-dir", identity, "--scenario", "none", "--identity-listen"];
    let said = Said::from(super::run(&[&next[..], &[address]].concat()));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains(&format!("cannot listen on {address}: ")), "{said:?}");
    assert!(said.err.contains("the same --identity-dir and another --identity-listen"), "{said:?}");
    assert_eq!(Said::from(super::run(&[&next[..], &["127.0.0.1:0"]].concat())).code, Some(0));
}

#[test]
fn a_record_says_what_is_wrong_with_it_and_a_request_without_answer_is_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (_receiver, url) = receiver();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let line =
        |answer: u16| format!(r#"{{"after_ms":0,"method":"GET","path":"/graph/calls","heads":[],"answer":{answer}}}"#);
    refused(
        &["--replay", &file("cut.jsonl", &line(202)[..40])],
        "cut.jsonl:1: found a line that is not whole: its end is missing",
    );
    refused(
        &["--replay", &file("my.toml", "summary = \"a script\"\n")],
        "my.toml:1: found a text that is not JSON (column 1: expected value), expected a request",
    );
    refused(&["--replay", &file("other.jsonl", "{\"id\": 7}\n")], "other.jsonl:1: found unknown field `id`");
    let said = simulate(&["--replay", &file("dead.jsonl", &line(0)), "--url", &url]);
    let expected = "0 of 0 requests were answered as expected; any answer was right for 1 more";
    assert!(said.code == Some(0) && said.out.contains(expected), "{said:?}");
    let taken = file("taken.jsonl", "mine");
    let record = ["simulate", "--record", &taken, "--listen", "127.0.0.1:0", "--url", NOBODY];
    let said = Said::from(super::run(&record));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("taken.jsonl: it exists already; --record writes a new file"), "{said:?}");
}

#[test]
fn only_an_address_that_refuses_is_said_to_have_no_listener() {
    let (_receiver, url) = receiver();
    let hint = |url: &str| {
        let said = simulate(&["--scenario", "plain", "--url", url]);
        assert_eq!(said.code, Some(1), "{said:?}");
        said.err.lines().last().unwrap().to_owned()
    };
    assert!(hint(NOBODY).starts_with("hint: nobody listens at that address"));
    let without_tls = hint(&url.replace("http:", "https:"));
    assert!(without_tls.contains("without TLS: should --url begin with http://?"), "{without_tls}");
    // A name that no resolver needs to be asked for: a part of it is too long.
    let nowhere = hint(&format!("http://{}.invalid", "a".repeat(64)));
    assert!(nowhere.contains("leads to no address: see --url"), "{nowhere}");
}

#[test]
fn a_certificate_that_is_made_is_told_once() {
    for command in ["simulate", "conformance"] {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        let key = key.to_str().unwrap();
        let run = || {
            let arguments = ["--certificate-key", key, "--url", NOBODY, "--identity-listen", "127.0.0.1:0", "--json"];
            Said::from(super::run(&[&[command][..], &arguments].concat()))
        };
        let made = |said: &Said| said.err.matches("made a new certificate: give it to the receiver").count();
        let (first, second) = (run(), run());
        assert!(made(&first) == 1 && first.err.contains(key), "{command}: {first:?}");
        assert_eq!(made(&second), 0, "{command}: {second:?}");
    }
}

#[test]
fn a_recording_of_a_script_is_called_by_its_client_context_if_it_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_receiver, url) = receiver();
    let script = folder.path().join("my-call.toml");
    let steps = "[[steps]]\nsend = 'recording'\n[[steps]]\nsend = 'recording'\nclient_context = 'order-17'\n";
    std::fs::write(&script, steps).unwrap();
    let said = simulate(&["--script", script.to_str().unwrap(), "--url", &url]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].ends_with("my-call          recording completed"), "{said:?}");
    assert!(lines[1].ends_with("my-call          recording order-17 completed"), "{said:?}");
}

#[test]
fn a_mistake_of_a_script_is_told_once_and_says_where_the_key_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("my-call.toml");
    let file = script.to_str().unwrap();
    std::fs::write(&script, "[[steps]]\nsend = \"terminated\"\ntone = \"1\"\n").unwrap();
    refused(
        &["--script", file],
        "tone: found it in a step that sends \"terminated\", expected it only in one that sends \"tone\"",
    );
    for broken in ["send = \"incoming", "send = incoming\"", "send = \"incoming\"\nexpect = [202"] {
        std::fs::write(&script, format!("[[steps]]\n{broken}\n[[steps]]\nsend = \"hold\"\n")).unwrap();
        refused(&["--script", file], &format!("{file}:"));
        let said = simulate(&["--script", file]);
        assert_eq!(said.err.matches("is not TOML").count(), 1, "{broken}: {said:?}");
    }
}
