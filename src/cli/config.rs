//! `reelhook config`: prints a config's effective values, and the JSON Schema for editors.
//!
//! **Invariant**: no secret is printed, nor a part of one: it is printed as set or not set.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::check::origin as origin_of;
use super::print::say;
use super::{ConfigArg, load, text};
use crate::config::{Key, Origin, Places, Shown};
use crate::sinks;

/// The longest line that is printed: a list of client contexts may be long.
const MAX_LINE: usize = 4000;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook config print --config my.toml                   every effective value with its origin
  reelhook config print --config my.toml --json | jq .     the same for scripts
  reelhook config schema > reelhook.schema.json            for editors")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Print every effective value with its origin
    #[command(after_help = "\
Examples:
  reelhook config print --config my.toml
  reelhook config print --config my.toml | grep -v '# default$'    only the values that are set
  reelhook config print --config my.toml --json | jq -r 'select(.origin.kind == \"variable\").key'

One line for each key: its value, then its origin: default, file:line, or the environment
variable that overrides it. A sink's key that is not set has the value of [dispatch].
A secret is printed as set or not set. Run it with the same environment
variables as the server.

Exit codes: 0 printed, 2 the config has mistakes")]
    Print {
        #[command(flatten)]
        config: ConfigArg,
        /// Print JSON, one object per line
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the config, for editors
    #[command(after_help = "\
Examples:
  reelhook config schema > reelhook.schema.json

Editors with TOML support (taplo, Even Better TOML) use it if the config begins with
  #:schema ./reelhook.schema.json
They then complete keys, show what each means, and mark mistakes. `reelhook check` finds more.

Exit codes: 0 printed, 2 wrong usage")]
    Schema,
}

/// Prints what was asked for.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Print { config, json } => Ok(print(&config, json)),
        Action::Schema => {
            let kinds: Vec<_> = sinks::kinds().map(sinks::Kind::described).collect();
            say!("{:#}", crate::config::schema(&kinds));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn print(config: &ConfigArg, as_json: bool) -> ExitCode {
    let (loaded, sinks) = match load::with_sinks(&config.config) {
        Ok(checked) => checked,
        Err(code) => return code,
    };
    let places = &loaded.places;
    for key in sinks::effective(loaded.keys, &sinks) {
        match &key.value {
            // A section, whose keys have the values.
            None => {}
            Some(value) if as_json => say!("{}", object(&key, value, places)),
            Some(value) => {
                let line = format!("{} = {value}  # {}", key.path, key.origin.told(places));
                say!("{}", text::safe(&line, MAX_LINE));
            }
        }
    }
    ExitCode::SUCCESS
}

fn object(key: &Key, value: &Shown, places: &Places) -> Value {
    let origin = match &key.origin {
        Origin::Default => json!({ "kind": "default" }),
        Origin::Set(place) => origin_of(place, places.file()),
        Origin::Inherited { key, place } => {
            let mut origin = origin_of(place, places.file());
            origin["key"] = key.as_str().into();
            origin
        }
    };
    match value {
        Shown::Value(value) => json!({ "key": key.path, "value": value, "origin": origin }),
        Shown::Set => json!({ "key": key.path, "secret": "set", "origin": origin }),
        Shown::NotSet => json!({ "key": key.path, "value": null, "origin": origin }),
    }
}
