//! The engine: the database file with its log and lock, the threads, and the transactions and reads that run on them.

pub mod answers;
pub mod backlogs;
pub mod check;
pub mod checkpoint;
pub mod failure;
pub mod files;
pub mod frames;
pub mod job;
pub mod layout;
pub mod lock;
pub mod lookups;
pub mod numbers;
pub mod open;
pub mod readers;
pub mod recent;
pub mod schema;
pub mod shared;
pub mod tail;
pub mod threads;
pub mod time;
pub mod tx;
pub mod unanswered;
pub mod writer;
