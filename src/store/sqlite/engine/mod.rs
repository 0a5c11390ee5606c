//! The engine: the database file with its log and lock, the threads, and the transactions and reads that run on them.

pub mod answers;
pub mod calls;
pub mod check;
pub mod checkpoint;
pub mod contents;
pub mod failure;
pub mod files;
pub mod frames;
pub mod hashes;
pub mod instants;
pub mod job;
pub mod lock;
pub mod lookups;
pub mod numbers;
pub mod open;
pub mod readers;
pub mod recent;
pub mod schema;
pub mod sealed;
pub mod shared;
pub mod threads;
pub mod time;
pub mod tx;
pub mod unanswered;
pub mod writer;
