//! Small rules of the web that several rooms need, each once: loopback names, bearer tokens, texts in addresses, streams of
//! events.

pub mod address;
pub mod bearer;
pub mod loopback;
pub mod sse;
