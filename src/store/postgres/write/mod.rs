//! Writing: what a transaction of the writer does, a file for each purpose. Most of them read all rows that they are about,
//! change them in memory, and write all changes at the end.

pub mod accept;
pub mod announce;
pub mod deliveries;
pub mod due;
pub mod ended_calls;
pub mod event_rows;
pub mod exchanges;
pub mod hot;
pub mod lease;
pub mod lists;
pub mod operations;
pub mod own_event;
pub mod placing;
pub mod quarantine;
pub mod redirect;
pub mod removal;
pub mod repeats;
pub mod replay;
pub mod reports;
pub mod resend;
pub mod settle;
pub mod sweep;
pub mod takeover;
pub mod taking;
pub mod unanswered;
pub mod watches;
