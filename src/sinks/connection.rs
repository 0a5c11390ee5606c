//! The connection of a sink: made at the first delivery, shared by all that follow, made anew after a failure.
//!
//! **Invariants**
//! 1. A delivery that is cancelled leaves no half-made connection behind.
//! 2. There is no retry here: a delivery tries once, and the dispatcher decides when the next one does.
//! 3. A closed sink connects no more.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{DeliveryError, reason};

/// A connection that several deliveries share.
pub struct Shared<C> {
    state: Mutex<State<C>>,
}

enum State<C> {
    None,
    Open(Arc<C>),
    Closed,
}

impl<C> Default for Shared<C> {
    fn default() -> Self {
        Self { state: Mutex::new(State::None) }
    }
}

impl<C> Shared<C> {
    /// The connection; `connect` makes it where there is none. Others wait for it meanwhile, and then share it.
    ///
    /// # Errors
    /// That of `connect`, or the sink is closed.
    pub async fn get(&self, connect: impl AsyncFnOnce() -> Result<C, DeliveryError>) -> Result<Arc<C>, DeliveryError> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(connection) => Ok(Arc::clone(connection)),
            State::Closed => Err(reason::retry("the sink is closed")),
            State::None => {
                let connection = Arc::new(connect().await?);
                *state = State::Open(Arc::clone(&connection));
                Ok(connection)
            }
        }
    }

    /// Gives a connection up, if it is still the shared one: the next delivery makes another.
    pub async fn give_up(&self, failed: &Arc<C>) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Open(connection) if Arc::ptr_eq(connection, failed)) {
            *state = State::None;
        }
    }

    /// Ends it for good. Returns the connection, if there is one, for its own farewell.
    pub async fn close(&self) -> Option<Arc<C>> {
        match std::mem::replace(&mut *self.state.lock().await, State::Closed) {
            State::Open(connection) => Some(connection),
            State::None | State::Closed => None,
        }
    }
}
