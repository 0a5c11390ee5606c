//! The sections of the config, a file for each group: their keys, defaults and bounds.

pub mod channels;
pub mod expectations;
pub mod listeners;
pub mod reload;
pub mod routes;
pub mod sinks;
pub mod storage;
