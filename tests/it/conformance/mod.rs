//! The grader against receivers with one fault each: it finds that fault, and no other.

mod content;
mod docs;
mod durability;
mod ends;
mod innocent;
mod losses;
mod matrix;
mod proof;
mod receiver;
mod reports;
mod restarts;
