//! The engine: connections, migrations, transactions, the writer, the clock, and the epochs of processes.

pub mod beat;
pub mod connections;
pub mod epoch;
pub mod failure;
pub mod key;
pub mod lookups;
pub mod migrations;
pub mod shared;
pub mod sql;
pub mod text;
pub mod time;
pub mod tx;
pub mod writer;
