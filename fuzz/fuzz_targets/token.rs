//! The `Authorization` header.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &[u8]| {
    let receiver = reelhook_fuzz::receiver();
    let header = [b"Bearer ".as_slice(), token].concat();
    let _ = receiver.run(receiver.calls.read(&[&header], Bytes::from_static(b"{\"value\":[]}")));
    let _ = receiver.run(receiver.calls.read(&[token], Bytes::new()));
});
