//! An access token of OAuth 2.0, asked for once and used until shortly before it expires.
//!
//! **Invariants**
//! 1. One attempt asks at a time. The others wait, and then share what it got.
//! 2. An attempt that is given up while it asks leaves no token, and holds up no other.
//! 3. Time is that of a clock that does not jump.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::DeliveryError;
use crate::clock::Clock;

/// The token that is used now.
pub struct TokenCache<T> {
    clock: Clock,
    held: Mutex<Option<Held<T>>>,
}

struct Held<T> {
    token: T,
    /// In steady time.
    until: Timestamp,
}

impl<T: Clone> TokenCache<T> {
    /// Without a token.
    pub fn new(clock: Clock) -> Self {
        Self { clock, held: Mutex::new(None) }
    }

    /// The token. Where there is none that can be used, `ask` gets one, and says how long it is used.
    ///
    /// # Errors
    /// That of `ask`.
    pub async fn token(
        &self,
        ask: impl AsyncFnOnce() -> Result<(T, SignedDuration), DeliveryError>,
    ) -> Result<T, DeliveryError> {
        let mut held = self.held.lock().await;
        if let Some(Held { token, .. }) = held.as_ref().filter(|held| self.clock.steady() < held.until) {
            return Ok(token.clone());
        }
        *held = None;
        let asked_at = self.clock.steady();
        let (token, lasts) = ask().await?;
        *held = Some(Held { token: token.clone(), until: asked_at.saturating_add(lasts).unwrap_or(asked_at) });
        Ok(token)
    }

    /// Forgets the token, if it still is the one that was refused.
    pub async fn refused(&self, is_it: impl FnOnce(&T) -> bool) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| is_it(&held.token)) {
            *held = None;
        }
    }
}
