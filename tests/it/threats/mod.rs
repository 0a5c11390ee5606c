//! What arrives from the internet, one test for each threat, by its number.

mod admin;
mod answers;
mod auth;
mod bodies;
mod claims;
mod connections;
mod content;
mod encrypted;
mod far_sides;
mod full_disk;
mod handshake;
mod hang_ups;
mod http;
mod json;
mod judging;
mod keys;
mod operations;
mod places;
mod proof;
mod proxied;
pub mod raw;
mod secrets;
mod shares;
mod surroundings;
mod undecided;
mod validation_tokens;
mod watching;
