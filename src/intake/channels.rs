//! What Graph posts to, as one config has it. A reload replaces it as a whole; a request ends by what it began with.

use std::time::Duration;

use crate::config::Config;
use crate::graph::{Calls, CertificateError, Limits, Subscriptions};

/// The configured channels.
pub struct Channels {
    /// The calling bot's channel, where configured.
    pub calls: Option<Calls>,
    /// The subscription channel, where configured.
    pub subscriptions: Option<Subscriptions>,
    /// The longest that a request waits for the store.
    pub answer_timeout: Duration,
}

impl Channels {
    /// The same channels by another config, which has the same ones.
    ///
    /// # Errors
    /// A certificate's key cannot be used; the text names it.
    pub fn again(&self, config: &Config) -> Result<Self, CertificateError> {
        let limits = Limits { max_items: config.server.max_items };
        let calls = self.calls.as_ref().zip(config.calls.as_ref()).map(|(calls, config)| calls.again(config, limits));
        let subscriptions = self.subscriptions.as_ref().zip(config.subscriptions.as_ref());
        let subscriptions = subscriptions.map(|(it, config)| it.again(config, limits)).transpose()?;
        Ok(Self { calls, subscriptions, answer_timeout: config.server.answer_timeout })
    }
}
