//! `reelhook schemas`: the JSON Schemas of the events, and the AsyncAPI document, as files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use super::print::say;
use crate::config::Events;
use crate::sinks::cloud_event::{asyncapi, schemas};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook schemas --out docs     write docs/asyncapi.json and docs/schemas/*.json

A running server serves the same files: /asyncapi.json and /schemas/. Serve them from somewhere
else if receivers cannot reach its admin listener, and set events.schema_base to that address.
The command prints the path of each file that it wrote.

Exit codes: 0 done, 1 a file could not be written, 2 wrong usage")]
pub struct Args {
    /// The folder to write into; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes them.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let folder = args.out.join("schemas");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    write(&args.out.join("asyncapi.json"), &asyncapi::document(&Events::default()))?;
    for (file, schema) in schemas::all() {
        write(&folder.join(file), schema)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, json: &Value) -> anyhow::Result<()> {
    std::fs::write(path, format!("{json:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    say!("{}", path.display());
    Ok(())
}
