//! Reading: turns rows into values, a file for each purpose.

pub mod backlogs;
pub mod deliveries;
pub mod delivery_log;
pub mod event_log;
pub mod events;
pub mod exchanges;
pub mod listing;
pub mod operation;
pub mod quarantine;
pub mod selections;
pub mod small;
pub mod views;
pub mod walk;
