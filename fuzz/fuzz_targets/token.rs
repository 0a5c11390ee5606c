//! The `Authorization` header.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &[u8]| {
    let receiver = reelhook_fuzz::receiver();
    let header = [b"Bearer ".as_slice(), token].concat();
    let _ = receiver.run(receiver.calls.prove(&[&header]));
    let _ = receiver.run(receiver.calls.prove(&[token]));
});
