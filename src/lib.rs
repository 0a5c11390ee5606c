//! reelhook: a receiver for Microsoft Graph notifications that carry a `recordOperation`.

pub mod clock;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod graph;
pub mod routing;
pub mod sinks;
pub mod store;
pub mod telemetry;
pub mod tls;
