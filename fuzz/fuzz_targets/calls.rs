//! The body of the calling channel, as if its token had been proven.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use reelhook::domain::{Event, Raw};

fuzz_target!(|body: &[u8]| {
    let calls = &reelhook_fuzz::receiver().calls;
    let judged = calls.judge_again(Raw(Bytes::copy_from_slice(body)), None, true);
    for verified in judged.unwrap_or_default() {
        let _ = Event::data_of(verified.notification());
    }
    let _ = reelhook::graph::without_secrets(body);
});
