//! Who a sink is for a service of Google: by the key of a service account, a token in a file, or the machine that it runs on.

#![cfg_attr(
    not(feature = "default"),
    allow(dead_code, unused_imports, reason = "a build without some kinds does not use all")
)]

mod service_account;
mod token;

pub use token::{METHODS, SERVICE_ACCOUNT, TokenSource, Tokens};
