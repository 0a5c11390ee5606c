//! Reading: rows as values, and the questions of the API, the console and the dispatchers.

pub mod backlogs;
pub mod conditions;
pub mod counts;
pub mod delivered;
pub mod delivery_log;
pub mod event_log;
pub mod exchanges;
pub mod history;
pub mod listing;
pub mod newest_events;
pub mod operation;
pub mod pauses;
pub mod quarantine;
pub mod rich;
pub mod rows;
pub mod stream;
pub mod tallies;
pub mod told;
pub mod views;
pub mod waiting;
pub mod walk;
pub mod watches;
