//! reelhook: a receiver for Microsoft Graph notifications that carry a `recordOperation`.

pub mod cli;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod graph;
pub mod simulator;
pub mod sinks;
pub mod store;
pub mod telemetry;
pub mod tls;
