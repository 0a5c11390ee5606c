//! The log: one JSON object a line on standard error, so that standard output stays free for the `stdout` sink. Of each kind
//! of line one a second is written (`seldom`).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::seldom::Seldom;

pub use super::seldom::{tell as tell_left_out, tell_at_the_end as tell_left_out_at_the_end};

/// At every start the web server logs how it starts, and it logs an error for each request that it cannot read, with
/// which a stranger could fill the disk. To see these lines, name them in the filter.
const QUIET: &str = "actix_server=warn,actix_http=off";

/// Starts the log. `json`: one object a line; otherwise text for a person, coloured only on a terminal.
///
/// # Errors
/// The filter cannot be read, or a log was started before; the text says which.
pub fn start(filter: &str, json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}"))
        .map_err(|error| format!("log.filter: found {filter:?}: {error}"))?;
    // If the log cannot be written, the complaint about it cannot be written either, and would panic.
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let started = if json {
        let json = subscriber.json().flatten_event(true).with_current_span(false).with_span_list(false);
        json.map_event_format(Seldom::json).try_init()
    } else {
        subscriber.with_ansi(std::io::stderr().is_terminal()).map_event_format(Seldom::text).try_init()
    };
    started.map_err(|error| error.to_string())
}
