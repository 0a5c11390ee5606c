//! What arrives from the internet, one test for each threat, by its number.

mod answers;
mod auth;
mod claims;
mod content;
mod encrypted;
mod json;
mod judging;
mod keys;
mod undecided;
mod validation_tokens;
