//! The body of the subscription channel, and one item of it with an operator's word for its origin.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use reelhook::domain::{Channel, Event, Raw};

fuzz_target!(|body: &[u8]| {
    let receiver = reelhook_fuzz::receiver();
    let body = Bytes::copy_from_slice(body);
    let _ = receiver.run(receiver.subscriptions.read(body.clone(), Channel::Subscriptions));
    let judged = receiver.run(receiver.subscriptions.judge_again(Raw(body), Channel::Lifecycle, true));
    for verified in judged.and_then(Result::ok).unwrap_or_default() {
        let _ = Event::data_of(verified.notification());
    }
});
