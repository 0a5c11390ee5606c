//! What must be withstood: each test bears the number of its threat and a sentence.

mod auth;
mod claims;
mod judging;
mod keys;
mod validation_tokens;
