//! The memory for the bodies of one path or listener, and which body gives way when it runs out.
//!
//! A body takes memory as its bytes arrive, so a sender that announces much and sends little holds little. If no memory
//! is left, the body gives way that has been arriving longest. Graph's bodies are complete within milliseconds; a body
//! that a sender holds back is older than all of those.
//!
//! **Invariants**
//! 1. A complete body keeps its memory until its request is answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::domain::Reason;

/// The memory for the bodies of one path or listener.
#[derive(Clone, Debug)]
pub struct Room {
    memory: Arc<Semaphore>,
    coming: Arc<Coming>,
}

/// The bodies that have begun and are not complete, oldest first. Bodies that arrive in one piece are never among them.
#[derive(Debug, Default)]
struct Coming {
    bodies: Mutex<BTreeMap<u64, Arc<Body>>>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Body {
    /// `None`: it gave way.
    memory: Mutex<Option<OwnedSemaphorePermit>>,
    gives_way: Notify,
}

/// The memory of an arriving body. It is freed when this is dropped.
pub struct Share {
    room: Room,
    memory: Option<OwnedSemaphorePermit>,
    coming: Option<(u64, Arc<Body>)>,
}

impl Room {
    /// Makes room for this many bytes.
    pub fn new(n_bytes: usize) -> Self {
        Self { memory: Arc::new(Semaphore::new(n_bytes)), coming: Arc::default() }
    }

    /// Starts a body of which nothing has arrived.
    pub fn share(&self) -> Share {
        Share { room: self.clone(), memory: None, coming: None }
    }

    fn take(&self, n_bytes: u32, of: Option<u64>) -> Result<OwnedSemaphorePermit, Reason> {
        loop {
            if let Ok(taken) = Arc::clone(&self.memory).try_acquire_many_owned(n_bytes) {
                return Ok(taken);
            }
            let mut bodies = self.coming.bodies.lock();
            let oldest = bodies.first_entry().filter(|oldest| Some(*oldest.key()) != of).ok_or(Reason::Shed)?;
            let oldest = oldest.remove();
            drop(oldest.memory.lock().take());
            oldest.gives_way.notify_one();
        }
    }
}

impl Share {
    /// Takes memory for the next piece, which may not be the last.
    ///
    /// # Errors
    /// [`Reason::Shed`]: there is no memory, or this body has given way. The caller must drop it.
    pub fn add(&mut self, n_bytes: usize) -> Result<(), Reason> {
        let n_bytes = u32::try_from(n_bytes).map_err(|_too_long| Reason::BodyTooLarge)?;
        let taken = self.room.take(n_bytes, self.coming.as_ref().map(|(id, _body)| *id))?;
        match &self.coming {
            None => match &mut self.memory {
                None => self.memory = Some(taken),
                Some(memory) => memory.merge(taken),
            },
            Some((_id, body)) => match body.memory.lock().as_mut() {
                None => return Err(Reason::Shed),
                Some(memory) => memory.merge(taken),
            },
        }
        Ok(())
    }

    /// Resolves when the body must be dropped. That can happen from the first wait on.
    pub async fn gives_way(&mut self) {
        let (_id, body) = self.coming.get_or_insert_with(|| {
            let id = self.room.coming.next.fetch_add(1, Ordering::Relaxed);
            let body = Arc::new(Body { memory: Mutex::new(self.memory.take()), ..Body::default() });
            self.room.coming.bodies.lock().insert(id, Arc::clone(&body));
            (id, body)
        });
        body.gives_way.notified().await;
    }

    /// The body is complete, and keeps its memory.
    ///
    /// # Errors
    /// [`Reason::Shed`]: it gave way before.
    pub fn whole(mut self) -> Result<Option<OwnedSemaphorePermit>, Reason> {
        match self.leave() {
            None => Ok(self.memory.take()),
            Some(body) => body.memory.lock().take().map(Some).ok_or(Reason::Shed),
        }
    }

    fn leave(&mut self) -> Option<Arc<Body>> {
        let (id, body) = self.coming.take()?;
        self.room.coming.bodies.lock().remove(&id);
        Some(body)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn must_go(share: &mut Share) -> bool {
        share.gives_way().now_or_never().is_some()
    }

    #[test]
    fn the_body_that_has_been_coming_longest_gives_way() {
        let room = Room::new(10);
        let (mut old, mut young, mut new) = (room.share(), room.share(), room.share());
        old.add(4).unwrap();
        assert!(!must_go(&mut old));
        young.add(4).unwrap();
        assert!(!must_go(&mut young));
        new.add(4).unwrap();
        assert!(must_go(&mut old) && !must_go(&mut young) && !must_go(&mut new));
        assert_eq!(old.add(1), Err(Reason::Shed));
        assert!(old.whole().is_err() && young.whole().unwrap().is_some() && new.whole().unwrap().is_some());
        assert_eq!(room.memory.available_permits(), 10, "all is free again");
    }

    #[test]
    fn what_is_whole_does_not_give_way_and_what_comes_then_is_shed() {
        let room = Room::new(10);
        let mut whole = room.share();
        whole.add(8).unwrap();
        let kept = whole.whole().unwrap();
        let mut coming = room.share();
        coming.add(2).unwrap();
        assert!(!must_go(&mut coming));
        assert_eq!(coming.add(1), Err(Reason::Shed), "it is the oldest that is coming");
        drop(coming);
        assert_eq!(room.share().add(3), Err(Reason::Shed));
        drop(kept);
        assert!(room.share().add(10).is_ok());
    }

    #[test]
    fn a_body_that_is_let_go_leaves_nothing_behind() {
        let room = Room::new(10);
        let mut share = room.share();
        share.add(10).unwrap();
        assert!(!must_go(&mut share));
        drop(share);
        assert!(room.coming.bodies.lock().is_empty());
        assert_eq!(room.memory.available_permits(), 10);
    }
}
