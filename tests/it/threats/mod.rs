//! What arrives from the internet, one test for each threat, by its number.

mod answers;
mod auth;
mod claims;
mod content;
mod encrypted;
mod handshake;
mod http;
mod json;
mod judging;
mod keys;
mod operations;
mod raw;
mod secrets;
mod undecided;
mod validation_tokens;
