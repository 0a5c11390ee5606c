//! What `simulate` and `conformance` refuse before anything is sent, and what they tell of it.

use super::site::Said;

const GUID: &str = "0efc74f7-41c3-47a4-8775-7259bfef4241";

/// A command with keys that nobody asks for, and a receiver where nobody listens.
fn said(command: &str, arguments: &[&str]) -> Said {
    let common = [command, "--identity-listen", "127.0.0.1:0", "--url", "http://127.0.0.1:1"];
    Said::from(super::run(&[&common[..], arguments].concat()))
}

fn refused(command: &str, arguments: &[&str], told: &str) {
    let said = said(command, arguments);
    assert_eq!(said.code, Some(2), "{command} {arguments:?}: {said:?}");
    assert!(said.err.contains(told) && said.out.is_empty(), "{command} {arguments:?}: {said:?}");
}

#[test]
fn a_path_of_the_receiver_that_cannot_be_posted_to_is_refused_with_its_option() {
    for command in ["simulate", "conformance"] {
        for option in ["--calls-path", "--notifications-path", "--lifecycle-path"] {
            let told =
                format!("'{option} <PATH>': found no slash at its beginning, expected a path such as /graph/calls");
            refused(command, &[option, "graph/calls"], &told);
            refused(
                command,
                &[option, "/graph calls"],
                &format!("'{option} <PATH>': found a character that no path has"),
            );
        }
    }
}

#[test]
fn an_application_and_a_tenant_that_are_no_guids_are_refused() {
    for command in ["simulate", "conformance"] {
        for option in ["--app-id", "--tenant"] {
            refused(command, &[option, "contoso.com"], &format!("'{option} <GUID>': expected a GUID such as {GUID}"));
        }
    }
}

#[test]
fn a_load_of_nothing_is_refused() {
    refused("simulate", &["--count", "0"], "nothing would be sent: expected 1 or more");
    refused("simulate", &["--duration", "0s"], "nothing would be sent: expected more than 0s");
}

#[test]
fn an_option_that_would_be_ignored_is_refused_whatever_stands_beside_it() {
    for (arguments, told) in [
        (&["--listen", "127.0.0.1:0"][..], "--listen is for --record FILE"),
        (&["--longest-pause", "3s", "--scenario", "hangup"], "--longest-pause is for --replay FILE"),
        (&["--replay", "calls.jsonl", "--tenant", GUID], "cannot be used with"),
        (&["--channel", "calls", "--notifications-path", "/n"], "--notifications-path has no effect"),
        (&["--channel", "subscriptions", "--calls-path", "/c"], "--calls-path has no effect"),
    ] {
        refused("simulate", arguments, told);
    }
    for (only, option) in
        [("calls", "--notifications-path"), ("calls", "--lifecycle-path"), ("subscriptions", "--calls-path")]
    {
        let told = format!("{option} has no effect with --channel {only}");
        refused("conformance", &["--channel", only, option, "/x"], &told);
    }
}

#[test]
fn an_address_to_observe_has_a_port_and_no_path() {
    for (place, told) in [
        ("http://127.0.0.1:9500/hook", "found the path /hook, expected http://HOST:PORT"),
        ("http://127.0.0.1:9500?x", "found the path ?x, expected http://HOST:PORT"),
        ("http://127.0.0.1", "found no port, expected http://HOST:PORT"),
        ("http://[::1]/", "found no port, expected http://HOST:PORT"),
    ] {
        refused("conformance", &["--observe", place], told);
    }
    let taken = said("conformance", &["--observe", "http://127.0.0.1:0/"]);
    assert!(taken.code != Some(2) && taken.err.contains("nothing was checked"), "{taken:?}");
}
