//! The embedded store as each of the traits: every method names the file that does it.

mod deliveries;
mod history;
mod inbox;
mod logs;
mod operations;
mod quarantine;
mod queue;
mod reports;
mod rules;
mod selections;
mod upkeep;
mod views;
