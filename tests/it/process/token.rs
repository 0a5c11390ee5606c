//! What is told of a token that is refused: in the server's log, and by `reelhook token explain`. And what else a line of
//! the log names: the path that was asked for, the operation of a delivery.

use std::io::Write;
use std::process::Stdio;

use reelhook::simulator::Token;
use reelhook::simulator::client::Post;
use serde_json::Value;

use super::site::{Said, Site};
use super::{PATIENCE, Server};
use crate::sinks::answering::Answering;
use crate::test_app::{APP_ID, TENANT};

/// Explains what stands on standard input.
fn explain(site: &Site, given: &str, arguments: &[&str]) -> Said {
    let mut command = site.command(&[&["token", "explain"], arguments].concat());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    for part in given.split(['.', ' ', '\n']).filter(|part| part.len() > 30) {
        assert!(!said.out.contains(part) && !said.err.contains(part), "the token was printed: {said:?}");
    }
    said
}

fn good(site: &Site) -> Token {
    site.provider.identity().calls_token(APP_ID, TENANT)
}

/// The aspects of the first channel that failed.
fn failed(said: &Said) -> Vec<&str> {
    let lines = said.out.lines().take_while(|line| !line.starts_with("refused") && !line.starts_with("accepted"));
    lines.filter_map(|line| Some(line.strip_prefix("  FAILED  ")?.get(..10)?.trim_end())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_would_accept_is_said_to_be_with_what_people_copy_around_it() {
    let site = Site::new();
    let token = good(&site).sign().unwrap();
    for given in [token.clone(), format!("Bearer {token}\n"), format!("Authorization: Bearer {token}\r\n")] {
        let said = explain(&site, &given, &["--channel", "calls"]);
        assert_eq!((said.code, failed(&said)), (Some(0), Vec::new()), "{said:?}");
        assert!(said.out.ends_with("accepted on the channel calls\n"), "{said:?}");
        assert_eq!(said.out.lines().filter(|line| line.starts_with("  ok      ")).count(), 9, "{said:?}");
    }
    let both = explain(&site, &token, &[]);
    assert_eq!(both.code, Some(0), "one channel accepts it: {both:?}");
    assert!(both.out.contains("refused on the channel subscriptions: jwt_iss"), "{both:?}");
    let validation = site.provider.identity().validation_token_v2(APP_ID, TENANT).sign().unwrap();
    let said = explain(&site, &validation, &["--channel", "subscriptions"]);
    assert_eq!((said.code, failed(&said)), (Some(0), Vec::new()), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_that_fails_is_said_with_what_to_set() {
    let site = Site::new();
    let base = || good(&site);
    let other = "5b2e34e5-1c83-4a36-9e0c-6e0d3b0b7a11";
    for (token, aspects, reason, words) in [
        (base().claim("aud", other), vec!["audience"], "jwt_aud", format!("found {other}, expected {APP_ID}")),
        (base().claim("aud", other), vec!["audience"], "jwt_aud", "add what was found to calls.app_ids".into()),
        (base().claim("iss", "https://x.example"), vec!["issuer"], "jwt_iss", "calls.issuers".into()),
        (base().without("tid"), vec!["tenant"], "jwt_tenant", "calls.tenants".into()),
        (base().shifted("exp", -9000), vec!["expiry"], "jwt_exp", "check the clock".into()),
        (base().shifted("nbf", 9000), vec!["expiry"], "jwt_nbf", "check the clock".into()),
        (base().header("kid", "unknown"), vec!["key"], "jwt_kid_unknown", "calls.openid_configuration".into()),
        (base().without_header("kid"), vec!["key"], "jwt_kid_missing", "found nothing that can be read".into()),
        (base().header("alg", "ES256"), vec!["algorithm"], "jwt_alg", "found ES256, expected RS256".into()),
        (
            base().claim("aud", other).claim("iss", "x").shifted("exp", -9000),
            vec!["issuer", "audience", "expiry"],
            "jwt_exp",
            String::new(),
        ),
    ] {
        let said = explain(&site, &token.sign().unwrap(), &["--channel", "calls"]);
        assert_eq!((said.code, failed(&said)), (Some(1), aspects), "{said:?}");
        assert!(said.out.ends_with(&format!("refused on the channel calls: {reason}\n")), "{said:?}");
        assert!(said.out.contains(&words), "{words}: {said:?}");
    }
    let mut changed = base().sign().unwrap();
    changed.replace_range(changed.len() - 20..changed.len() - 16, "AAAA");
    let said = explain(&site, &changed, &["--channel", "calls"]);
    assert_eq!((said.code, failed(&said)), (Some(1), vec!["signature"]), "{said:?}");
    let noise = explain(&site, "no token at all", &["--channel", "calls"]);
    assert!(noise.code == Some(1) && failed(&noise).contains(&"format"), "{noise:?}");
    let nothing = explain(&site, " \n", &[]);
    assert!(nothing.code == Some(1) && nothing.err.contains("expected a token"), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_reached_leaves_key_and_signature_open() {
    let site = Site::new();
    let token = good(&site).sign().unwrap();
    let config = std::fs::read_to_string(site.config()).unwrap();
    let nowhere = config.replace(site.provider.calls_configuration().as_str(), "http://127.0.0.1:9/nothing");
    std::fs::write(site.config(), nowhere).unwrap();
    let said = explain(&site, &token, &["--channel", "calls"]);
    assert_eq!((said.code, failed(&said)), (Some(1), Vec::new()), "{said:?}");
    assert!(said.out.contains("\n  unknown signature  not checked\n"), "{said:?}");
    assert!(said.err.contains("could not fetch the signing keys: http://127.0.0.1:9/nothing"), "{said:?}");
}

/// The next line of the log with this text.
fn line(server: &Server, message: &str) -> Value {
    loop {
        let line = server.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line {message:?}"));
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"].as_str().is_some_and(|it| it.starts_with(message)) {
            return line;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_what_a_refused_token_says_of_itself_and_what_was_expected() {
    let site = Site::new();
    let server = site.serve();
    let graph = site.graph(&server);
    let token = good(&site).claim("aud", "another\napp").claim("tid", "x".repeat(500)).sign().unwrap();
    assert_eq!(graph.send(graph.calls_with(&format!("Bearer {token}"), "[]")).await.unwrap().status, 401);
    let line = line(&server, "a token was refused");
    assert_eq!((&line["channel"], &line["reason"]), (&"calls".into(), &"jwt_aud".into()), "{line}");
    assert_eq!(line["aud"], "another\\u{a}app");
    assert_eq!(line["expected_aud"], APP_ID);
    assert_eq!(line["iss"], "https://api.botframework.com");
    assert!(line["expected_iss"].as_str().unwrap().contains("https://api.botframework.com"), "{line}");
    assert_eq!(line["expected_tid"], "any");
    assert_eq!(line["tid"].as_str().unwrap().chars().count(), 120);
    assert!(!line["kid"].as_str().unwrap().is_empty(), "{line}");
    for part in token.split('.') {
        assert!(!line.to_string().contains(part), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_a_path_that_is_not_served_without_its_query() {
    let site = Site::new();
    let server = site.serve();
    let graph = site.graph(&server);
    let long = format!("/wp-admin/{}", "a".repeat(500));
    assert_eq!(graph.send(Post::new(format!("{long}?token=secret"), "")).await.unwrap().status, 404);
    let line = line(&server, "refused");
    assert_eq!((&line["method"], &line["path"]), (&"POST".into(), &"other".into()), "{line}");
    let asked = line["requested_path"].as_str().unwrap();
    assert!(asked.starts_with("/wp-admin/aaa") && asked.chars().count() == 100, "{line}");
    assert!(!line.to_string().contains("secret"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_the_operation_and_the_client_context_of_a_delivery() {
    let mut site = Site::new();
    site.hook = Answering::with("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    site.write_for_all("", "");
    let server = site.serve();
    let recording = site.recording("support-1\u{1b}[31m");
    let operation = recording.operation.to_string();
    let graph = site.graph(&server);
    graph.send(graph.calls(&[recording.completed()]).unwrap()).await.unwrap();
    let line = line(&server, "dead letter");
    assert_eq!((&line["operation"], &line["sink"]), (&operation.into(), &"hook".into()), "{line}");
    assert_eq!(line["client_context"], "support-1\\u{1b}[31m");
    assert_eq!(line["attempt"], 1);
}
