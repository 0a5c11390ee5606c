//! The connection of a sink: made at the first delivery, shared by all that follow, made anew after a failure.
//!
//! **Invariants**
//! 1. A delivery that is cancelled leaves no half-made connection behind.
//! 2. There is no retry here: a delivery tries once, and the dispatcher decides when the next one does.
//! 3. A closed sink connects no more.
//! 4. A connection that an attempt held and did not keep is used no more: of a cancelled attempt nobody knows what it still
//!    owes, or whether the server answers at all.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::{DeliveryError, reason};

/// A connection that several deliveries share.
pub struct Shared<C> {
    state: Mutex<State<C>>,
}

enum State<C> {
    None,
    Open(Held<C>),
    Closed,
}

/// The connection during one attempt. Unless the attempt says [`Held::keep`] at its end, the next one makes another.
pub struct Held<C> {
    connection: Arc<C>,
    is_doubtful: Arc<AtomicBool>,
    is_kept: bool,
}

impl<C> Default for Shared<C> {
    fn default() -> Self {
        Self { state: Mutex::new(State::None) }
    }
}

impl<C> Shared<C> {
    /// The connection, for one attempt, which must say at its end that it is still good. `connect` makes it where there is
    /// none. Others wait for it meanwhile, and then share it.
    ///
    /// # Errors
    /// That of `connect`, or the sink is closed.
    pub async fn hold(
        &self,
        connect: impl AsyncFnOnce() -> Result<C, DeliveryError>,
    ) -> Result<Held<C>, DeliveryError> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(shared) if !shared.is_doubtful.load(Ordering::Acquire) => Ok(shared.again()),
            State::Closed => Err(reason::retry("the sink is closed")),
            State::Open(_) | State::None => {
                *state = State::None;
                let shared = Held::new(connect().await?);
                let held = shared.again();
                *state = State::Open(shared);
                Ok(held)
            }
        }
    }

    /// Ends it for good. Returns the connection, if there is one, for its own farewell.
    pub async fn close(&self) -> Option<Arc<C>> {
        match std::mem::replace(&mut *self.state.lock().await, State::Closed) {
            State::Open(shared) => Some(shared.keep()),
            State::None | State::Closed => None,
        }
    }
}

impl<C> Held<C> {
    fn new(connection: C) -> Self {
        Self { connection: Arc::new(connection), is_doubtful: Arc::default(), is_kept: false }
    }

    /// The same for another attempt.
    fn again(&self) -> Self {
        let (connection, is_doubtful) = (Arc::clone(&self.connection), Arc::clone(&self.is_doubtful));
        Self { connection, is_doubtful, is_kept: false }
    }

    /// Ends the attempt with a connection that others may go on with.
    pub fn keep(mut self) -> Arc<C> {
        self.is_kept = true;
        Arc::clone(&self.connection)
    }
}

impl<C> Deref for Held<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C> Drop for Held<C> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.is_doubtful.store(true, Ordering::Release);
        }
    }
}
