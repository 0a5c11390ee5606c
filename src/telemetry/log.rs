//! The log: one JSON object a line on standard error, so that standard output stays free for the `stdout` sink. Of each kind
//! of line one a second is written (`seldom`).

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use super::seldom::Seldom;

pub use super::seldom::{tell as tell_left_out, tell_at_the_end as tell_left_out_at_the_end};

/// At every start the web server logs how it starts, and it logs an error for each request that it cannot read, with
/// which a stranger could fill the disk. `lapin` logs messages that come back, with all that is in them, and errors that the
/// sink tells as its reason. To see these lines, name them in the filter.
const QUIET: &str = "actix_server=warn,actix_http=off,lapin=off";

/// Replaces the filter of the log that was started.
type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;
static SET_FILTER: OnceLock<SetFilter> = OnceLock::new();

/// Starts the log. `json`: one object a line; otherwise text for a person, coloured only on a terminal.
///
/// # Errors
/// The filter cannot be read, or a log was started before; the text says which.
pub fn start(filter: &str, json: bool) -> Result<(), String> {
    let filter = read(filter)?;
    // If the log cannot be written, the complaint about it cannot be written either, and would panic.
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let (started, set): (_, SetFilter) = if json {
        let json = subscriber.json().flatten_event(true).with_current_span(false).with_span_list(false);
        let json = json.map_event_format(Seldom::json).with_filter_reloading();
        let handle = json.reload_handle();
        (json.try_init(), Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
    } else {
        let text = subscriber.with_ansi(std::io::stderr().is_terminal()).map_event_format(Seldom::text);
        let text = text.with_filter_reloading();
        let handle = text.reload_handle();
        (text.try_init(), Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string())))
    };
    started.map_err(|error| error.to_string())?;
    let _ = SET_FILTER.set(set);
    Ok(())
}

/// Has the log that was started go by another filter. Where none was started, nothing is done.
///
/// # Errors
/// The filter cannot be read; the text says why.
pub fn set_filter(filter: &str) -> Result<(), String> {
    let filter = read(filter)?;
    SET_FILTER.get().map_or(Ok(()), |set| set(filter))
}

fn read(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|error| format!("log.filter: found {filter:?}: {error}"))
}
