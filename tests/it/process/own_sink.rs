//! The program of `examples/own_sink.rs`, built and run: reelhook's whole command line knows its kind.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use super::site::{Said, Site};
use super::{PATIENCE, Server};

/// The route that takes everything.
const ROUTES: &str = "[[routes]]\nname = \"all\"\nsinks = [\"own\"]\n";

/// Builds the example as these tests were built, and returns its program.
fn built() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_reelhook")).parent().unwrap();
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "own_sink", "--profile", profile, "--target-dir"]);
    cargo.arg(folder.parent().unwrap());
    if cfg!(feature = "all-sinks") {
        cargo.args(["--features", "all-sinks"]);
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("examples/own_sink")
}

/// A command of the program, with the config of the site.
fn command(program: &Path, site: &Site, arguments: &[&str]) -> Command {
    let of_reelhook = site.command(arguments);
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in of_reelhook.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_another_program_is_known_to_every_command_and_is_delivered_to() {
    let program = built();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sink = |more: &str| format!("[sinks.own]\nkind = \"lines\"\n{more}\n{ROUTES}");
    let mut site = Site::new();
    site.write(("", ""), &sink("address = 7"));
    let wrong = Said::from(command(&program, &site, &["check"]).output().unwrap());
    assert!(wrong.code == Some(2) && wrong.err.contains("sinks.own.address: found 7"), "{wrong:?}");
    site.write(("", ""), &sink(&format!("address = \"{}\"", listener.local_addr().unwrap())));
    let right = Said::from(command(&program, &site, &["check"]).output().unwrap());
    assert_eq!(right.code, Some(0), "{right:?}");
    let unknown = site.run(&["check"]);
    assert!(unknown.code == Some(2) && unknown.err.contains("sinks.own.kind: found \"lines\""), "{unknown:?}");
    let schema = Said::from(command(&program, &site, &["config", "schema"]).output().unwrap());
    let schema: serde_json::Value = serde_json::from_str(&schema.out).unwrap();
    let address = &schema["$defs"]["lines_sink"]["properties"]["address"];
    assert_eq!(address["description"], "Where the server listens.");

    let server = Server::start_with(&mut command(&program, &site, &["serve"]));
    let (sender, arrived) = mpsc::channel();
    std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        let (mut line, mut answer) = (String::new(), connection.try_clone().unwrap());
        BufReader::new(connection).read_line(&mut line).unwrap();
        answer.write_all(b"ok\n").unwrap();
        sender.send(line).unwrap();
    });
    assert_eq!(site.post(&server, "to my own sink").await.status, 202);
    let line = tokio::task::spawn_blocking(move || arrived.recv_timeout(PATIENCE)).await.unwrap().unwrap();
    assert!(line.contains("\"clientcontext\":\"to my own sink\""), "{line}");
}
