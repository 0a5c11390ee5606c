//! The tests that need more than one file: one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so by panicking")]
#![allow(clippy::too_many_lines, reason = "the story that a test tells is not cut for its length")]

mod api;
mod cases;
mod clock;
mod config;
mod config_schema;
mod conformance;
mod console;
mod corpus;
mod deploy;
mod dialects;
mod dispatch;
mod end_to_end;
mod ended_calls;
mod event_choices;
mod facts;
mod floors;
mod graph_wire;
mod identity;
mod metrics;
mod on_disk;
mod operator_events;
mod pauses;
mod process;
mod quarantine;
mod readme;
mod recording_sink;
mod records;
mod reload;
mod repeats;
mod resources;
mod simulator;
mod sinks;
mod stops;
mod store;
mod stories;
mod test_app;
mod threats;
mod watch;
