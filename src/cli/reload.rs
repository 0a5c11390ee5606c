//! `reelhook reload`: makes the running server load its config again, and prints the result.

use std::process::ExitCode;

use serde_json::Value;

use super::EXIT_CONFIG;
use super::print::{remark, say};
use super::remote::Posted;
use super::server::{RemoteArgs, unless_silent};
use super::session::Session;
use super::text;

/// The longest line that is told of a server's answer.
const MAX_LINE: usize = 1000;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook reload --config my.toml               prints what changed
  reelhook reload --url http://127.0.0.1:8081
  kill -HUP \"$(pidof reelhook)\"                  the same; the log says what changed

The server reads its config file and the files of its secrets again. It checks all of it first:
if there is a mistake, it keeps the old config. No request and no delivery is dropped. Some keys
need a restart, such as server.listen and store.path: the output names the changed ones.
Without --url, the command reads the config to find the server. If the config has a mistake,
the command prints the mistake and sends no request.

The token (scope write) is read from the environment or a file, never from the command line.

Exit codes:
  0  the server uses the new config
  1  the server refused, or could not be reached
  2  wrong usage, or the config has mistakes: the server keeps the old one
  3  the server took the request, but did not answer within 30 s")]
pub struct Args {
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Asks the server, and prints its answer: what changed to standard output, mistakes to standard error.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let remote = match args.remote.server()? {
        Ok(remote) => remote,
        Err(code) => {
            remark!("the server was not asked: it keeps the config that it has");
            return Ok(code);
        }
    };
    unless_silent(asked(&Session::with(remote)).await)
}

async fn asked(server: &Session) -> anyhow::Result<ExitCode> {
    match server.try_post(&["reload"]).await? {
        Posted::Done(answer) => {
            tell(&answer);
            Ok(ExitCode::SUCCESS)
        }
        Posted::Refused(mistakes) => {
            mistakes.lines().for_each(|mistake| remark!("{}", text::safe(mistake, MAX_LINE)));
            remark!("the config has mistakes: the server keeps the old one");
            Ok(ExitCode::from(EXIT_CONFIG))
        }
    }
}

fn tell(answer: &Value) {
    let lines = |key: &str| {
        let lines = answer[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        lines.map(|line| text::safe(line, MAX_LINE).to_string()).collect::<Vec<_>>()
    };
    for warning in lines("warnings") {
        remark!("warning: {warning}");
    }
    let changed = lines("changed");
    if changed.is_empty() {
        say!("loaded: nothing changed");
    }
    for key in changed {
        say!("changed: {key}");
    }
    for key in lines("needsRestart") {
        say!("needs a restart: {key}");
    }
}
