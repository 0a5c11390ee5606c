//! The sinks: a contract that every kind keeps, then what each kind promises besides.

pub mod answering;
mod contract;
mod docs;
mod events;
mod exchanges;
mod file;
mod guard;
mod http;
pub mod samples;
mod stdout;
mod tables;
