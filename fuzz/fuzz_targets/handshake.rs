//! The query string of the handshake.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reelhook::graph::handshake::token;

fuzz_target!(|query: &str| {
    let _ = token(query);
});
