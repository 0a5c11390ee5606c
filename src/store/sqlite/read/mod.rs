//! Reading: rows as values, and the questions of the API, the console and the dispatchers.

pub mod kept;
pub mod listing;
pub mod rows;
pub mod stream;
pub mod views;
