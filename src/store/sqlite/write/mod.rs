//! Writing: what a transaction of the writer does, a file for each purpose.

pub mod accept;
pub mod announce;
pub mod binding;
pub mod change;
pub mod delivery;
pub mod ended_calls;
pub mod entry;
pub mod lease;
pub mod operation;
pub mod pauses;
pub mod prepare;
pub mod quarantine;
pub mod redirect;
pub mod removal;
pub mod repeats;
pub mod replay;
pub mod reports;
pub mod rich;
pub mod schedule;
pub mod sweep;
pub mod tokens;
pub mod waiting;
pub mod watches;
mod work;
