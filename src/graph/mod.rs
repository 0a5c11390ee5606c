//! Microsoft Graph's side of the wire: tokens, keys, payloads, encryption, the handshake.
//!
//! The two channels are two values, [`Calls`] and [`Subscriptions`]; each reads a request's body into a [`Reading`]:
//! what was proven and what was not, item by item.
//!
//! **Invariants**
//! 1. Nothing becomes [`Verified`] but what proved its origin here.
//! 2. One bad item never costs its neighbours.
//! 3. No bytes from outside make this code panic.

pub mod handshake;
pub mod jwks;
pub mod keys;

mod certificates;
mod change;
mod collection;
mod comms;
mod content;
mod decision;
mod dialects;
mod encrypted;
mod ended_call;
mod envelope;
mod gate;
mod lifecycle;
mod path;
mod payload;
mod pool;
mod provider;
mod readers;
mod record;
mod resource_type;
mod rich;
mod secrets;
mod surrogates;
mod token;
mod undecided;
mod validation;
mod version;
mod walk;
mod withheld;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::domain::{Quarantined, Reason, Verified};

pub use certificates::CertificateError;
pub use change::Subscriptions;
pub use comms::{Calls, Sender};
pub use undecided::Undecided;
pub use withheld::without_secrets;

/// What one POST may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most items.
    pub max_items: usize,
}

/// What was read from one POST.
#[derive(Debug, Default)]
pub struct Reading {
    /// The proven items.
    pub verified: Vec<Verified>,
    /// The others.
    pub quarantined: Vec<Quarantined>,
    /// Subscriptions of which it is new that they send encrypted content. Before the POST is answered they must be
    /// written down, and told to [`Subscriptions::remember_rich`].
    pub learned: Vec<String>,
    /// Those of which it cannot be said yet: they go to the quarantine, and are decided when there are keys
    /// (subscriptions only).
    pub undecided: Vec<Undecided>,
}

/// Why a whole POST was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bearer token proves nothing: 401 (calls only).
    Unauthorized(Reason),
    /// The body is no notification in any dialect: 400.
    Malformed(Reason),
    /// More items than the limit: 413.
    TooLarge(Reason),
    /// The calling platform's old Skype format: 204 makes it send Graph's format (calls only).
    Legacy,
    /// It cannot be decided now (the provider's keys were never reached): 503, later.
    Undecided(Reason),
    /// Too many decryptions wait: 503, later.
    Overloaded,
}
