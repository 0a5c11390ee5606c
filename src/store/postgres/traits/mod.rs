//! The traits of the store, each method with the file that does it.

mod deliveries;
mod inbox;
mod operations;
mod quarantine;
mod queue;
mod selections;
mod upkeep;
mod views;
