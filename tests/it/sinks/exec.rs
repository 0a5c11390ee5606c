//! The `exec` sink: what a command gets, what its end means, and that it ends with its attempt.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reelhook::domain::Delivery;
use reelhook::sinks::{self, DeliveryError, Sink};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::docs::blocks_of;
use super::samples::{TOKEN, build, delivery, dispatch, mistakes, retried, table, told, with_client_context};
use crate::process::eventually;

/// A sink that runs this command; `more` are other keys.
fn sink(command: &[&str], more: &str) -> Arc<dyn Sink> {
    build("exec", &format!("command = {}\n{more}", json!(command))).unwrap_or_else(|wrong| panic!("{}", told(&wrong)))
}

/// A sink that runs a shell script with these arguments.
fn script(text: &str, arguments: &[&str], more: &str) -> Arc<dyn Sink> {
    sink(&[&["sh", "-c", text, "sh"], arguments].concat(), more)
}

/// The reason of a delivery that no later attempt mends.
fn rejected(result: Result<(), DeliveryError>) -> String {
    match result {
        Err(DeliveryError::Reject { reason }) => reason,
        other => panic!("expected a reject, found {other:?}"),
    }
}

fn in_folder(folder: &tempfile::TempDir, name: &str) -> (String, impl Fn() -> String) {
    let path = folder.path().join(name);
    let text = path.to_str().unwrap().to_owned();
    (text, move || fs::read_to_string(&path).unwrap_or_default())
}

#[tokio::test]
async fn each_argument_stays_one_argument_whatever_a_value_contains() {
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = in_folder(&folder, "arguments");
    let nasty = "a b; touch $HOME `id` $(id) \"q' * \\ \n é {call_id}";
    let write = "out=$1; shift; printf '<%s>' \"$@\" > \"$out\"";
    let sink = script(write, &[&file, "{client_context}", "call {call_id}!", "", "{{}}"], "");
    sink.deliver(&with_client_context(1, nasty)).await.unwrap();
    assert_eq!(written(), format!("<{nasty}><call call-1!><><{{}}>"));
}

#[tokio::test]
async fn a_value_that_cannot_be_an_argument_or_would_be_an_option_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = in_folder(&folder, "arguments");
    let write = "printf '<%s>' \"$@\" > \"$0\"";
    let with = |words: &[&str]| sink(&[&["sh", "-c", write, &file], words].concat(), "");
    let value = with(&["{client_context}"]);
    let reason = rejected(value.deliver(&with_client_context(1, "a\0b")).await);
    assert!(reason.contains("argument 4") && reason.contains("NUL"), "{reason}");
    let reason = rejected(value.deliver(&with_client_context(1, "--config=/etc/passwd")).await);
    assert!(reason.contains("argument 4") && reason.contains("option"), "{reason}");
    let reason = rejected(with(&["{capture.ticket}"]).deliver(&with_ticket(1 << 17)).await);
    assert!(reason.contains("131071"), "{reason}");
    let reason = rejected(with(&["{capture.ticket}"; 120]).deliver(&with_ticket(1 << 16)).await);
    assert!(reason.contains("longer than the system allows"), "{reason}");
    assert_eq!(written(), "", "nothing was run");
    let allowed = with(&["--name={client_context}", "--", "{client_context}"]);
    allowed.deliver(&with_client_context(1, "-x")).await.unwrap();
    assert_eq!(written(), "<--name=-x><--><-x>");
    let absent = Delivery { event: Arc::new(without_context(&delivery(1))), ..delivery(1) };
    value.deliver(&absent).await.unwrap();
    assert_eq!(written(), "<->");
}

/// A delivery whose route captured a text of this length.
fn with_ticket(n_bytes: usize) -> Delivery {
    Delivery { captures: [("ticket".to_owned(), "x".repeat(n_bytes))].into(), ..delivery(1) }
}

fn without_context(delivery: &Delivery) -> reelhook::domain::Event {
    reelhook::domain::Event { client_context: None, ..(*delivery.event).clone() }
}

#[tokio::test]
async fn the_exit_code_says_what_became_of_the_event() {
    let ended = |text: &str| {
        let sink = script(text, &[], "");
        async move { sink.deliver(&delivery(1)).await }
    };
    assert_eq!(ended("cat > /dev/null").await, Ok(()));
    let (reason, pause, after) = retried(ended("echo first >&2; echo 'not now' >&2; exit 75").await);
    assert_eq!(reason, "the command ended with exit code 75: not now");
    assert_eq!((pause, after), (false, None));
    assert_eq!(rejected(ended("exit 3").await), "the command ended with exit code 3");
    let reason = rejected(ended("printf 'no \\033[31mway\\n\\n' >&2; exit 1").await);
    assert_eq!(reason, "the command ended with exit code 1: no \\u{1b}[31mway");
    let (reason, pause, _) = retried(ended("echo oh >&2; kill -TERM $$").await);
    assert_eq!((&*reason, pause), ("the command was killed by signal 15: oh", false));
}

#[tokio::test]
async fn a_command_that_does_not_read_its_input_is_judged_by_its_exit_code_alone() {
    let large = with_client_context(1, &"x".repeat(1 << 20));
    assert_eq!(script("exec 0<&-; exit 0", &[], "").deliver(&large).await, Ok(()));
    assert_eq!(script("exit 0", &[], "").deliver(&large).await, Ok(()));
    assert_eq!(rejected(script("exit 4", &[], "").deliver(&large).await), "the command ended with exit code 4");
}

#[tokio::test]
async fn of_very_long_messages_the_last_line_is_kept() {
    let much = "head -c 30000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; echo last >&2; exit 3";
    assert_eq!(rejected(script(much, &[], "").deliver(&delivery(1)).await), "the command ended with exit code 3: last");
    let one_line = "head -c 100000 /dev/zero | tr '\\0' 'x' >&2; exit 3";
    let reason = rejected(script(one_line, &[], "").deliver(&delivery(1)).await);
    assert!(reason.ends_with("xxx…") && reason.chars().count() <= sinks::MAX_REASON_CHARS, "{reason}");
}

#[tokio::test]
async fn the_environment_is_what_the_config_says_and_four_variables() {
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = in_folder(&folder, "environment");
    let dir = folder.path().canonicalize().unwrap();
    let more = format!("dir = {dir:?}\nenv = {{ TEAM = 'a b', LANG = 'xx' }}");
    script("env > \"$1\"; pwd >> \"$1\"", &[&file], &more).deliver(&delivery(1)).await.unwrap();
    let (text, of_the_shell) = (written(), ["PWD", "OLDPWD", "SHLVL", "_"]);
    let lines: Vec<&str> = text.lines().collect();
    let names = lines.iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let mut names: Vec<&str> = names.filter(|name| !of_the_shell.contains(name)).collect();
    names.sort_unstable();
    let inherited = ["HOME", "PATH", "TZ"].into_iter().filter(|name| std::env::var_os(name).is_some());
    let mut expected: Vec<&str> = inherited.chain(["LANG", "TEAM"]).collect();
    expected.sort_unstable();
    assert_eq!(names, expected, "{text}");
    assert!(lines.contains(&"TEAM=a b") && lines.contains(&"LANG=xx"), "{text}");
    assert_eq!(lines.last(), Some(&dir.to_str().unwrap()));
    assert!(std::env::vars().any(|(name, _)| !names.contains(&&*name)), "there is something that is not inherited");
}

#[tokio::test]
async fn no_secret_is_in_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "canary-of-the-config").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!("include_access_token = true\nenv = {{ KEY = {{ file = {secret:?} }}, TEAM = 'crm' }}");
    let say = "read -r event; echo \"$TEAM $KEY $event\" >&2; exit 1";
    let reason = rejected(script(say, &[], &more).deliver(&delivery(1)).await);
    assert!(reason.starts_with("the command ended with exit code 1: crm *** {"), "{reason}");
    let say = format!("cat > /dev/null; echo {TOKEN} $KEY >&2; exit 1");
    let reason = rejected(script(&say, &[], &more).deliver(&delivery(1)).await);
    assert_eq!(reason, "the command ended with exit code 1: *** ***");
}

/// The state of a process, as `/proc` has it; `None` if there is no such process.
fn state_of(process: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("State:\t")).map(str::to_owned)
}

#[tokio::test]
async fn an_attempt_that_is_given_up_ends_the_whole_process_group_and_leaves_no_zombie() {
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = in_folder(&folder, "processes");
    let sink = script("sleep 1000 & echo \"$$ $!\" > \"$1\"; wait", &[&file], "");
    let event = delivery(1);
    {
        let mut attempt = std::pin::pin!(sink.deliver(&event));
        let started = eventually("the command runs", async || written().ends_with('\n'));
        tokio::select! {
            ended = &mut attempt => panic!("{ended:?}"),
            () = started => {}
        }
    }
    let processes = written();
    let (command, child) = processes.trim().split_once(' ').unwrap();
    // The child of the command belongs to another parent now, which may be late to see its end.
    eventually("both have ended", async || {
        state_of(command).is_none() && state_of(child).is_none_or(|state| state.starts_with('Z'))
    })
    .await;
}

#[tokio::test]
async fn what_a_command_leaves_running_does_not_hold_up_the_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let (file, written) = in_folder(&folder, "process");
    let large = with_client_context(1, &"x".repeat(1 << 20));
    let begun = Instant::now();
    let leaves = |code: u8| script(&format!("sleep 1000 & echo $! > \"$1\"; echo left >&2; exit {code}"), &[&file], "");
    let end_it = || {
        let process = Pid::from_raw(written().trim().parse().unwrap()).unwrap();
        kill_process(process, Signal::KILL).unwrap();
    };
    assert_eq!(leaves(0).deliver(&large).await, Ok(()));
    end_it();
    assert_eq!(rejected(leaves(5).deliver(&large).await), "the command ended with exit code 5: left");
    end_it();
    assert!(begun.elapsed() < Duration::from_secs(100));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_pauses_the_sink_and_the_probe_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let plain = plain.to_str().unwrap();
    let missing = format!("{plain}-missing");
    for (sink, words) in [
        (sink(&["no-such-program"], ""), "found no program no-such-program"),
        (sink(&["sh"], "env = { PATH = '/no/such/folder' }"), "in PATH=/no/such/folder"),
        (sink(&[&missing], ""), "found no file"),
        (sink(&[plain], ""), "chmod +x"),
        (sink(&["sh"], "dir = '/no/such/folder'"), "found no folder /no/such/folder"),
    ] {
        let (reason, pause, _) = retried(sink.probe().await);
        assert!(reason.contains(words) && pause, "{reason}");
        let (reason, pause, _) = retried(sink.deliver(&delivery(1)).await);
        assert!(reason.starts_with("could not start ") && pause, "{reason}");
    }
    fs::set_permissions(plain, fs::Permissions::from_mode(0o700)).unwrap();
    for sink in [sink(&[plain], ""), sink(&["./plain"], &format!("dir = {:?}", folder.path())), sink(&["sh"], "")] {
        assert_eq!(sink.probe().await, Ok(Vec::new()));
    }
}

#[test]
fn a_config_that_does_not_allow_commands_is_told_what_to_do() {
    let table = table("command = ['true']");
    let configured = reelhook::config::Sink {
        name: reelhook::domain::SinkName::new("crm"),
        kind: "exec".into(),
        events: Default::default(),
        dispatch: dispatch(),
        table,
    };
    let told = told(&sinks::build(&configured, &sinks::Context::default()).err().unwrap());
    assert!(told.starts_with("sinks.crm.kind: found \"exec\", which runs commands"), "{told}");
    assert!(told.contains("allow_exec = true in the section [server]") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_command_that_could_not_be_meant_is_a_mistake() {
    for (keys, words) in [
        ("", "command: found nothing, expected a program and its arguments"),
        ("command = []", "command: found nothing"),
        ("command = 'true'", "command: found \"true\", expected a list"),
        ("command = ['']", "command: found \"\" as the program"),
        ("command = ['{call_id}']", "command: found \"{call_id}\" as the program"),
        ("command = ['a', '{call}']", "command[1]: found {call}, expected one of"),
        ("command = ['a', \"\\u0000\"]", "command[1]: found a NUL"),
        ("command = ['sh', '-c', 'echo {call_id}']", "which a shell runs"),
        ("command = ['a']\nenv = { 'A=B' = 'c' }", "env.A=B: found a name that no variable can have"),
        ("command = ['a']\nenv = { A = \"canary\\u0000\" }", "env.A: found a NUL"),
        ("command = ['a']\nformat = 'cloudevents-binary'", "format: found \"cloudevents-binary\""),
    ] {
        let told = mistakes("exec", keys);
        assert!(told.contains(words) && told.lines().count() == 1 && !told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn the_example_of_its_page_keeps_each_event_once_and_asks_for_another_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("keep_event.py");
    fs::write(&program, &blocks_of("docs/sinks/exec.md", "python")[0]).unwrap();
    let (program, database) = (program.to_str().unwrap(), folder.path().join("events.sqlite"));
    let at = |path: &Path| sink(&["python3", program, path.to_str().unwrap()], "");
    let sink = at(&database);
    for event in [delivery(1), delivery(1), delivery(2)] {
        sink.deliver(&event).await.unwrap();
    }
    let kept = rusqlite::Connection::open(&database).unwrap();
    let mut statement = kept.prepare("SELECT context, data FROM events ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    let rows: Vec<(String, String)> = rows.map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(), ["support-1", "support-2"]);
    assert_eq!(serde_json::from_str::<Value>(&rows[1].1).unwrap()["id"], "op-2");
    let (reason, ..) = retried(at(Path::new("/no/such/folder/events.sqlite")).deliver(&delivery(1)).await);
    assert_eq!(reason, "the command ended with exit code 75: unable to open database file");
}
