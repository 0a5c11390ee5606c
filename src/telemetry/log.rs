//! The log: one JSON object a line on standard error, so that standard output stays free for the `stdout` sink.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts the log. `json`: one object a line; otherwise text for a person, coloured only on a terminal.
///
/// # Errors
/// The filter cannot be read, or a log was started before; the text says which.
pub fn start(filter: &str, json: bool) -> Result<(), String> {
    // The web server tells at every start how it starts; who wants it names it in the filter.
    let filter = EnvFilter::try_new(format!("actix_server=warn,{filter}"))
        .map_err(|error| format!("log.filter: found {filter:?}: {error}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        subscriber.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        subscriber.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    started.map_err(|error| error.to_string())
}
