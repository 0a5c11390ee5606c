//! The connection of a sink: made at the first delivery, shared by all that follow, made anew after a failure.
//!
//! **Invariants**
//! 1. A delivery that is cancelled leaves no half-made connection behind.
//! 2. There is no retry here: a delivery tries once, and the dispatcher decides when the next one does.
//! 3. A closed sink connects no more.
//! 4. A connection that an attempt held and did not end is used no more: of a cancelled attempt nobody knows what it still
//!    owes, or whether the server answers at all. Nor is one that was lost, whether in an attempt or between two: servers
//!    close what is idle, and no attempt has to fail for that.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::{DeliveryError, reason};

/// What deliveries share.
pub trait Connected {
    /// Whether another attempt may use it. `None`: it does not know by itself. Then a failure that pauses the sink ends it:
    /// another connection may lead to the server that took its place, and is made with the secrets as they are then.
    fn works(&self) -> Option<bool> {
        None
    }
}

/// A connection that several deliveries share.
pub struct Shared<C> {
    state: Mutex<State<C>>,
}

enum State<C> {
    None,
    Open(Held<C>),
    Closed,
}

/// The connection during one attempt. Unless the attempt says [`Held::end`], the next one makes another.
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

impl<C: Connected> Shared<C> {
    /// Makes an attempt of `n` deliveries over the connection, which `connect` makes where there is none that works. Others
    /// wait for it meanwhile, and then share it. One result for each delivery.
    pub async fn attempt(
        &self,
        n: usize,
        connect: impl AsyncFnOnce() -> Result<C, DeliveryError>,
        deliver: impl AsyncFnOnce(Arc<C>) -> Vec<Result<(), DeliveryError>>,
    ) -> Vec<Result<(), DeliveryError>> {
        let held = match self.hold(connect).await {
            Ok(held) => held,
            Err(error) => return vec![Err(error); n],
        };
        let results = deliver(Arc::clone(&held.connection)).await;
        held.end(&results);
        results
    }

    /// The connection, for one attempt, which must say [`Held::end`].
    ///
    /// # Errors
    /// That of `connect`, or the sink is closed.
    async fn hold(&self, connect: impl AsyncFnOnce() -> Result<C, DeliveryError>) -> Result<Held<C>, DeliveryError> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Open(shared) if shared.is_good() => Ok(shared.again()),
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
            State::Open(mut shared) => {
                shared.is_kept = true;
                Some(Arc::clone(&shared.connection))
            }
            State::None | State::Closed => None,
        }
    }
}

impl<C: Connected> Held<C> {
    fn new(connection: C) -> Self {
        Self { connection: Arc::new(connection), is_doubtful: Arc::default(), is_kept: false }
    }

    /// The same for another attempt.
    fn again(&self) -> Self {
        let (connection, is_doubtful) = (Arc::clone(&self.connection), Arc::clone(&self.is_doubtful));
        Self { connection, is_doubtful, is_kept: false }
    }

    fn is_good(&self) -> bool {
        !self.is_doubtful.load(Ordering::Acquire) && self.connection.works() != Some(false)
    }

    /// Ends the attempt, which had these results. If the connection still works, others go on with it.
    fn end(mut self, results: &[Result<(), DeliveryError>]) {
        let pauses = || results.iter().any(|result| result.as_ref().is_err_and(DeliveryError::pauses));
        self.is_kept = self.connection.works().unwrap_or_else(|| !pauses());
    }
}

impl<C> Drop for Held<C> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.is_doubtful.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection with a number, which can be lost.
    struct Numbered {
        number: usize,
        is_lost: Arc<AtomicBool>,
    }

    impl Connected for Numbered {
        fn works(&self) -> Option<bool> {
            Some(!self.is_lost.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn a_connection_that_was_lost_between_two_attempts_costs_none_of_them() {
        let (shared, is_lost) = (Shared::default(), Arc::new(AtomicBool::new(false)));
        let mut used = Vec::new();
        for number in 1..=3 {
            let connect = async || Ok(Numbered { number, is_lost: Arc::clone(&is_lost) });
            let results = shared.attempt(1, connect, async |it: Arc<Numbered>| {
                used.push(it.number);
                vec![Ok(())]
            });
            assert_eq!(results.await, [Ok(())]);
            // Lost after the second attempt, and before the third.
            is_lost.store(number == 2, Ordering::Relaxed);
        }
        assert_eq!(used, [1, 1, 3]);
    }
}
