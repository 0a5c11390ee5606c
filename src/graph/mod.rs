//! Microsoft Graph's formats and proofs: tokens, keys, payloads, encryption, the handshake.
//!
//! The two channels are two types, [`Calls`] and [`Subscriptions`]. Each reads a request's body into a [`Reading`]: the
//! verified items and the others.
//!
//! **Invariants**
//! 1. Only an item whose origin was verified here becomes [`Verified`].
//! 2. A bad item never affects the other items of its POST.
//! 3. No bytes from outside make this code panic.

pub mod handshake;
pub mod jwks;
pub mod keys;

mod certificates;
mod change;
mod claims;
mod collection;
mod comms;
mod content;
mod decision;
mod demands;
mod dialects;
mod encryption;
mod ended_call;
mod envelope;
mod gate;
mod inspection;
mod lifecycle;
mod nesting;
mod path;
mod payload;
mod pool;
mod provider;
mod readers;
mod record;
mod redaction;
mod refused_token;
mod resource_type;
mod rich_subscriptions;
mod secrets;
mod surrogates;
mod token;
mod undecided_item;
mod validation;
mod version;
mod walk;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::domain::{Quarantined, Reason, Verified};

pub use certificates::CertificateError;
pub use change::Subscriptions;
pub use comms::{Calls, Sender};
pub use demands::Demands;
pub use inspection::{Aspect, Check, Inspection, Outcome, inspect};
pub use redaction::without_secrets;
pub use undecided_item::Undecided;

/// The limits of one POST.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most items.
    pub max_items: usize,
}

/// The items of one POST.
#[derive(Debug, Default)]
pub struct Reading {
    /// The verified notifications.
    pub verified: Vec<Verified>,
    /// The others.
    pub quarantined: Vec<Quarantined>,
    /// Subscriptions that are newly known to send encrypted content. Before the POST is answered, they must be stored
    /// and passed to [`Subscriptions::remember_rich`].
    pub learned: Vec<String>,
    /// Items that cannot be verified yet: they go to the quarantine, and are verified when there are keys
    /// (subscriptions only).
    pub undecided: Vec<Undecided>,
}

/// Why a whole POST was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bearer token is not valid: 401 (calls only).
    Unauthorized(Reason),
    /// The body is no notification in any dialect: 400.
    Malformed(Reason),
    /// More items than the limit: 413.
    TooLarge(Reason),
    /// The calling platform's old Skype format: 204 makes it send Graph's format (calls only).
    Legacy,
    /// It cannot be verified now, because the provider's keys could not be fetched: 503, retry later.
    Undecided(Reason),
    /// Too many decryptions wait: 503, retry later.
    Overloaded,
}
