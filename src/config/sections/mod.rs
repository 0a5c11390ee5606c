//! One file for each section: its keys as types, and how they are read.

pub mod admin;
pub mod channels;
pub mod conditions;
pub mod events;
pub mod expectations;
pub mod log;
pub mod reload;
pub mod routes;
pub mod server;
pub mod sinks;
pub mod storage;
pub mod words;
