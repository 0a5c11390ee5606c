//! A provider's key document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reelhook::graph::jwks::KeySet;

fuzz_target!(|document: &[u8]| {
    let _ = KeySet::read(document, None);
});
