//! The sinks: a contract that every kind keeps, then what each kind promises besides.

pub mod answering;
mod bearer;
pub mod brokers;
mod contract;
mod docs;
mod events;
mod exchanges;
mod exec;
mod file;
mod guard;
mod http;
mod object;
mod object_batches;
pub mod samples;
pub mod schemas;
mod shapes;
mod stdout;
mod tables;
