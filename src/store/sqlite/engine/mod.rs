//! The engine: the database file with its log and lock, the threads, and the transactions and reads that run on them.

pub mod answers;
pub mod check;
pub mod checkpoint;
pub mod contents;
pub mod failure;
pub mod files;
pub mod frames;
pub mod ids;
pub mod job;
pub mod lock;
pub mod lookups;
pub mod open;
pub mod readers;
pub mod schema;
pub mod threads;
pub mod time;
pub mod tx;
pub mod unanswered;
pub mod writer;
