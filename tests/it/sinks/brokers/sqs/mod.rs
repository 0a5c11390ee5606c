//! Amazon SQS: `moto`, which verifies signatures where it is told to.

mod fifo;
mod login;
mod server;
mod standard;

/// The kind.
pub const KIND: &str = "sqs";
