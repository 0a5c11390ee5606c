//! Plays Microsoft Graph: keys, tokens, a key provider, notifications in every dialect, encryption, load, grading.
//!
//! It is the other side of the wire. It shares only the clock, outgoing TLS and the reader of TOML files with the
//! receiver, so that one mistake on the wire cannot be made on both sides and go unnoticed.
//!
//! **Invariants**
//! 1. The same seed makes the same bodies, except for signatures and encrypted contents, which need fresh random
//!    numbers, and for instants: when a subscription ends, and when a resource was made.
//! 2. Every task has an owner: servers are returned as futures, load runs in a `JoinSet`.

pub mod client;
pub mod conformance;
pub mod graph;
pub mod heads;
pub mod identity;
pub mod load;
pub mod noop;
pub mod payload;
mod pem;
pub mod provider;
pub mod record;
pub mod scenario;
pub mod script;
mod signing_key;
pub mod token;
mod unreachable;

use std::path::PathBuf;

pub use self::client::{Answer, Client, ClientError};
pub use self::graph::{Graph, Paths};
pub use self::identity::{Identity, Reach};
pub use self::payload::encryption::Certificate;
pub use self::provider::{Mode, Provider};
pub use self::token::Token;
pub use self::unreachable::Unreachable;

/// The application that notifications are for, unless another is named: the one of Microsoft's sample token.
pub const DEMO_APP_ID: &str = "0efc74f7-41c3-47a4-8775-7259bfef4241";
/// The tenant that they come from.
pub const DEMO_TENANT: &str = "1fdd12d0-4620-44ed-baec-459b611f84b2";
/// Another tenant, whose notifications may come in the same POST: the one of Microsoft's sample of a v2 token.
pub const DEMO_OTHER_TENANT: &str = "9f4ebab6-520d-49c0-85cc-7b25c78d4a93";

/// Why the simulator cannot run. Each text is complete and includes the system's error.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// A key file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file holds no key that can be used.
    #[error("{path}: expected an RSA private key in PEM (PKCS#8 or PKCS#1) of 2048 bits or more: {found}")]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// The cryptography library refused; trying again may help.
    #[error("the cryptography library failed to {0}")]
    Crypto(&'static str),
    /// A line of a record cannot be read.
    #[error("{at}: found {found}, expected a request as simulate --record writes it")]
    Record {
        /// The file and the line.
        at: String,
        /// What was found.
        found: String,
    },
    /// A script has mistakes.
    #[error("{0}")]
    Script(#[from] crate::config::Mistakes),
    /// A record would be written to a file that exists.
    #[error("{path}: it exists already; --record writes a new file: name another, or remove it")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
}
