//! What arrives from the internet, one test for each threat, by its number.

mod answers;
mod content;
mod encrypted;
mod handshake;
mod http;
mod json;
mod operations;
mod raw;
mod secrets;
