//! Google Cloud Pub/Sub: Google's emulator where it is installed, else a stub. `login` is tested against a small server, because the
//! emulator wants none.

mod emulator;
mod login;
mod stub;

/// The kind.
pub const KIND: &str = "pubsub";
