//! reelhook: a receiver for Microsoft Graph notifications that carry a `recordOperation`.
//!
//! **The path of one notification.** Microsoft Graph posts it. [`http`] bounds the request; [`intake`] has it verified
//! and parsed by [`graph`], routed by [`routing`], and made durable by the [`store`]; only then is the answer 202.
//! [`dispatch`] leases each delivery from the store, hands it to one of the [`sinks`], and settles the outcome. The
//! [`watch`] reports announced operations that do not end in time; [`odata`] reads the queries of the API. The
//! [`operator`] does what people ask for, once; [`api`] and [`console`] are its listener, to which [`access`] grants
//! access; [`cli`] is the command line. [`app`] assembles the modules and owns every task; [`running`] is
//! the config that runs. The [`simulator`] plays
//! Microsoft Graph, for the demo, the tests and everybody who builds a receiver.
//!
//! **Words.** *notification*: one item of a Graph POST. *operation*: the recordOperation that it is about. *client
//! context*: the operation's `clientContext`. *route*: a configured rule from a client context to sinks. *sink*: a
//! configured destination. *event*: a notification on its way to the sinks. *delivery*: one event for one sink.
//! *lease*: the right to attempt a delivery now. *settle*: to record an attempt's outcome. *dead letter*: a delivery
//! that reelhook gave up. *quarantine*: notifications that failed verification. *accept*: to make durable.
//! *expectation*: an operation that a client announced before Graph notified of it; [`watch`] reports it if it does not
//! end in time. `docs/architecture.md` has the drawing.

pub mod http;
pub mod intake;

pub mod graph;
pub mod routing;
pub mod store;

pub mod dispatch;
pub mod running;
pub mod sinks;
pub mod watch;

pub mod operator;
pub mod operator_events;

pub mod access;
pub mod api;
pub mod app;
pub mod cli;
pub mod console;

pub mod bodies;
pub mod clock;
pub mod config;
pub mod connections;
pub mod domain;
pub mod odata;
pub mod sources;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod web;
pub mod wording;

pub mod simulator;
