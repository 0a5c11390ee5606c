//! reelhook: a receiver for Microsoft Graph notifications that carry a `recordOperation`.

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to whoever started it")]
pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod graph;
pub mod simulator;
pub mod routing;
pub mod sinks;
pub mod store;
pub mod telemetry;
pub mod tls;
