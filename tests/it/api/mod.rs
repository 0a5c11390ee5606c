//! The API on the admin listener, over HTTP.

pub mod operations;
