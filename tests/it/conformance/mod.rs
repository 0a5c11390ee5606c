//! The grader against receivers with one fault each: it finds that fault, and no other.

mod content;
mod docs;
mod innocent;
mod matrix;
mod proof;
mod receiver;
