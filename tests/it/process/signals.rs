//! The signals that end a long command: each ends well, tells its exit code, and leaves nothing behind. So too as the first
//! process of a container, to which the system gives no default action.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::process::Signal;

use super::{PATIENCE, clean, run, wait_until};

/// A command to which every signal has its default action: the tests may run under `nohup`, and a command leaves a SIGHUP
/// that is ignored alone.
fn reelhook() -> Command {
    let mut command = clean(Command::new("env"));
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_reelhook")]);
    command
}

/// A receiver or server that takes connections and never answers.
struct Silent {
    listener: TcpListener,
    url: String,
}

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }
}

/// A command that runs long.
pub(super) struct Long {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Long {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines }
    }

    /// Waits for a line; returns it.
    pub(super) fn said(&self, words: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never said {words:?}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Its exit code, and the lines that nobody waited for.
    pub(super) fn ended(&mut self) -> (Option<i32>, String) {
        let mut code = None;
        wait_until("the command ended", || {
            code = self.child.try_wait().unwrap().map(|status| status.code());
            code.is_some()
        });
        (code.flatten(), self.lines.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Each signal, and the exit code of a command that it ended before its time.
const SIGNALS: [(Signal, i32); 3] = [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)];

fn number_of_entries(folder: &tempfile::TempDir) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

#[test]
fn a_demo_that_is_told_to_end_makes_its_last_deliveries_and_leaves_nothing_behind() {
    for (signal, _) in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = Long::start(reelhook().arg("demo").env("TMPDIR", folder.path()));
        demo.said("open the console at");
        demo.said("  POST ");
        demo.signal(signal);
        let (code, rest) = demo.ended();
        assert_eq!(code, Some(0), "{signal:?}: {rest}");
        assert!(rest.contains("all answered as expected") && rest.contains(" 0 still waiting."), "{signal:?}: {rest}");
        assert_eq!(number_of_entries(&folder), 0, "{signal:?}");
    }
}

#[test]
fn a_demo_ends_at_once_on_a_second_signal_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Long::start(reelhook().arg("demo").env("TMPDIR", folder.path()));
    demo.said("open the console at");
    demo.said("  POST ");
    demo.signal(Signal::TERM);
    demo.signal(Signal::HUP);
    let (code, rest) = demo.ended();
    assert!([Some(0), Some(143), Some(129)].contains(&code), "{code:?}: {rest}");
    assert!(!rest.contains("panicked"), "{rest}");
    assert_eq!(number_of_entries(&folder), 0);
}

#[test]
fn a_command_that_waits_for_an_answer_is_ended_by_each_signal() {
    for (signal, early) in SIGNALS {
        let silent = Silent::new();
        let url = &*silent.url;
        let simulate = ["simulate", "--url", url, "--identity-listen", "127.0.0.1:0", "--seed", "1"];
        let conformance = ["conformance", "--url", url, "--identity-listen", "127.0.0.1:0"];
        for (arguments, expected, told) in [
            (&["tail", "--url", url][..], 0, ""),
            (&["wait", "support-7", "--url", url, "--timeout", "5m"], early, "before support-7 ended"),
            (&simulate, early, "before everything was sent"),
            (&conformance, early, "before all checks were made: no grade"),
        ] {
            let mut command = Long::start(reelhook().args(arguments));
            // It has connected, so it takes signals.
            let (_open, _) = silent.listener.accept().unwrap();
            command.signal(signal);
            let (code, rest) = command.ended();
            assert_eq!(code, Some(expected), "{signal:?} {arguments:?}: {rest}");
            assert!(rest.contains(told), "{signal:?} {arguments:?}: {rest}");
        }
    }
}

#[test]
fn what_serves_until_it_is_told_to_end_ends_with_success() {
    for (signal, _) in SIGNALS {
        let hold = ["simulate", "--hold", "--scenario", "none", "--identity-listen", "127.0.0.1:0"];
        for (arguments, served) in
            [(&hold[..], "serving keys on"), (&["simulate", "--serve-noop", "127.0.0.1:0"], "answering 202")]
        {
            let mut command = Long::start(reelhook().args(arguments));
            command.said(served);
            command.signal(signal);
            let (code, rest) = command.ended();
            assert_eq!(code, Some(0), "{signal:?} {arguments:?}: {rest}");
        }
    }
}

#[test]
fn a_record_is_whole_when_a_signal_ends_it_and_can_be_played() {
    let mut receiver = Long::start(reelhook().args(["simulate", "--serve-noop", "127.0.0.1:0"]));
    let url = receiver.said("answering 202").rsplit(' ').next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    for (signal, _) in SIGNALS {
        let file = folder.path().join(format!("{signal:?}.jsonl"));
        let file = file.to_str().unwrap();
        let record = ["simulate", "--record", file, "--listen", "127.0.0.1:0", "--url", &url];
        let mut recorder = Long::start(reelhook().args(record));
        let line = recorder.said("recording on");
        let listening = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let keys = ["--identity-listen", "127.0.0.1:0"];
        let play = [&["simulate", "--scenario", "plain", "--url", listening], &keys[..]].concat();
        assert_eq!(run(&play).status.code(), Some(0));
        recorder.signal(signal);
        let (code, rest) = recorder.ended();
        assert!(code == Some(0) && rest.contains("7 requests are in "), "{signal:?} {code:?}: {rest}");
        let said = run(&[&["simulate", "--replay", file, "--url", &url], &keys[..]].concat());
        let out = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success() && out.contains("7 of 7 POSTs were answered as expected"), "{said:?}");
    }
    receiver.signal(Signal::TERM);
    assert_eq!(receiver.ended().0, Some(0));
}

#[test]
fn load_is_ended_with_its_report_and_at_once_on_a_second_signal() {
    let mut receiver = Long::start(reelhook().args(["simulate", "--serve-noop", "127.0.0.1:0"]));
    let line = receiver.said("answering 202");
    let load = ["simulate", "--identity-listen", "127.0.0.1:0", "--connections", "2", "--duration", "10m", "--hold"];
    let url = line.rsplit(' ').next().unwrap();
    for (signal, _) in SIGNALS {
        let mut command = Long::start(reelhook().args(load).args(["--url", url]));
        command.said("The receiver must trust");
        command.signal(signal);
        let (code, rest) = command.ended();
        assert_eq!(code, Some(0), "{signal:?}: {rest}");
        assert!(rest.contains("seed  ") && !rest.contains("serving keys"), "{signal:?}: {rest}");
    }
    receiver.signal(Signal::TERM);
    assert_eq!(receiver.ended().0, Some(0));

    let silent = Silent::new();
    let mut command = Long::start(reelhook().args(load).args(["--url", &silent.url]));
    let _open = silent.listener.accept().unwrap();
    let mut code = None;
    wait_until("a further signal ended it", || {
        command.signal(Signal::TERM);
        std::thread::yield_now();
        code = command.child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(143));
}

#[test]
fn a_hangup_that_nohup_ignores_stays_ignored() {
    let silent = Silent::new();
    let mut shell = Command::new("sh");
    let script = "trap '' HUP; exec \"$0\" tail --url \"$1\"";
    let mut tail = Long::start(shell.args(["-c", script, env!("CARGO_BIN_EXE_reelhook"), &silent.url]));
    let _open = silent.listener.accept().unwrap();
    tail.signal(Signal::HUP);
    tail.signal(Signal::HUP);
    assert!(tail.child.try_wait().unwrap().is_none());
    tail.signal(Signal::TERM);
    assert_eq!(tail.ended().0, Some(0));
}

/// A command as the first process of its own process namespace, as in a container. `None`: this system allows none.
fn as_first_process(arguments: &[&str], folder: &tempfile::TempDir) -> Option<Command> {
    let isolated = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
    let allowed = Command::new("unshare").args(isolated).arg("true").output().is_ok_and(|it| it.status.success());
    let mut command = Command::new("unshare");
    command.args(isolated).arg(env!("CARGO_BIN_EXE_reelhook")).args(arguments);
    command.env_remove("REELHOOK_CONFIG").env("TMPDIR", folder.path());
    allowed.then_some(command)
}

/// The child of `unshare`.
fn child_of(parent: u32) -> u32 {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let mut child = None;
    wait_until("unshare has a child", || {
        child = std::fs::read_to_string(&children).ok().and_then(|it| it.split_whitespace().next()?.parse().ok());
        child.is_some()
    });
    child.unwrap()
}

#[test]
fn the_first_process_of_a_container_is_ended_too() {
    let silent = Silent::new();
    let url = &*silent.url;
    for (arguments, expected) in [
        (&["demo"][..], 0),
        (&["tail", "--url", url], 0),
        (&["wait", "support-7", "--url", url, "--timeout", "5m"], 143),
        (&["conformance", "--url", url, "--identity-listen", "127.0.0.1:0"], 143),
        (&["simulate", "--hold", "--scenario", "none", "--identity-listen", "127.0.0.1:0"], 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut command) = as_first_process(arguments, &folder) else {
            eprintln!("not tried: unshare is not allowed here");
            return;
        };
        let mut command = Long::start(&mut command);
        let mut _open = None;
        match arguments[0] {
            "demo" => drop(command.said("  POST ")),
            "simulate" => drop(command.said("serving keys on")),
            _ => _open = Some(silent.listener.accept().unwrap()),
        }
        send(child_of(command.child.id()), Signal::TERM);
        let (code, rest) = command.ended();
        assert_eq!(code, Some(expected), "{arguments:?}: {rest}");
        assert_eq!(number_of_entries(&folder), 0, "{arguments:?}");
    }
}
