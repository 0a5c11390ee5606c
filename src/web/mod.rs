//! Small rules of the web that several modules need: loopback names, bearer tokens, links, texts in addresses, answers of
//! limited length, event streams.

pub mod address;
pub mod answer;
pub mod bearer;
pub mod link;
pub mod loopback;
pub mod sse;
