//! The tests that need more than one file: one binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so by panicking")]

mod dispatch;
mod floors;
mod sinks;
