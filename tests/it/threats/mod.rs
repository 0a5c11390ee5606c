//! What must be withstood: each test bears the number of its threat and a sentence.

mod handshake;
mod http;
mod raw;
