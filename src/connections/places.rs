//! The places for connections on one thread, and which connection gives way when they run out.
//!
//! A new connection is always accepted. If there is no free place, the connection gives way that has been longest in
//! its phase: idle, or sending a head or a body. Verified senders give way last. An honest sender needs its place for
//! milliseconds; to take it away, an attacker must open as many connections as there are places within that time.
//!
//! **Invariants**
//! 1. A connection with a request in progress keeps its place.
//! 2. A verified connection gives way only if idle verified connections hold more than three quarters of the places.
//!    The others need some places, or no new sender could be verified.
//! 3. Some places are reserved for connections without a request in progress: see [`Keeper::is_full`].
//! 4. The heads of all connections together have a limit in bytes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::phase::Phase;
use super::progress::{Keeper, Progress};
use crate::telemetry::{ConnectionEnd, ThreadConnections};

/// How many connections are told to give way at a time, as a part of all. Choosing them means looking at all
/// connections, so it is done for many at once.
const AT_ONCE: usize = 64;
/// The part of the memory for heads that is freed at a time.
const MEMORY_AT_ONCE: usize = 8;

/// The limits of one thread.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections.
    pub max: usize,
    /// Unauthenticated connections.
    pub max_strangers: usize,
    /// Connections above `max`, for those without a request in progress.
    pub spare: usize,
    /// Bytes of all heads.
    pub head_memory_bytes: usize,
}

/// The connections of one thread.
pub struct Places {
    bounds: Bounds,
    /// The metrics.
    pub threads: Arc<ThreadConnections>,
    held: RefCell<Vec<Rc<Progress>>>,
    n_leaving: Cell<usize>,
    n_busy: Cell<usize>,
    n_proven: Cell<usize>,
    n_head_bytes: Cell<usize>,
}

impl Places {
    /// Free places.
    pub fn new(bounds: Bounds, threads: Arc<ThreadConnections>) -> Self {
        Self {
            bounds,
            threads,
            held: RefCell::default(),
            n_leaving: Cell::new(0),
            n_busy: Cell::new(0),
            n_proven: Cell::new(0),
            n_head_bytes: Cell::new(0),
        }
    }

    /// Takes a place for a new connection.
    pub fn take(self: &Rc<Self>) -> Rc<Progress> {
        self.make_room();
        let keeper: Rc<dyn Keeper> = Rc::<Self>::clone(self);
        let progress = Rc::new(Progress::new(keeper, Instant::now()));
        let mut held = self.held.borrow_mut();
        progress.slot.set(held.len());
        held.push(Rc::clone(&progress));
        progress
    }

    /// Makes room for one more connection.
    fn make_room(&self) {
        let n = self.held.borrow().len() + 1 - self.n_leaving.get();
        let max = self.bounds.max.max(self.n_busy.get() + self.bounds.spare);
        let n_strangers = n.saturating_sub(self.n_proven.get());
        let n_too_many = n.saturating_sub(max).max(n_strangers.saturating_sub(self.bounds.max_strangers));
        if n_too_many > 0 {
            self.dismiss(n_too_many, max);
        }
    }

    fn dismiss(&self, n: usize, max: usize) {
        let held = self.held.borrow();
        let (mut proven, mut strangers): (Vec<_>, Vec<_>) =
            held.iter().filter(|it| may_give_way(it)).map(Rc::as_ref).partition(|it| it.is_proven());
        let are_proven_too_many = proven.len() * 4 > (max - self.n_busy.get()) * 3;
        let dismissed = if strangers.is_empty() || are_proven_too_many {
            longest(&mut proven, n)
        } else {
            longest(&mut strangers, n + max / AT_ONCE)
        };
        dismissed.iter().for_each(|it| it.dismiss(ConnectionEnd::GaveWay));
    }

    /// Frees memory of heads. First go connections that were refused and whose sender is only waited for; then the
    /// heads that have been arriving longest. Connections with a request in progress stay.
    fn free_heads(&self) {
        let held = self.held.borrow();
        let may_go = |it: &&Rc<Progress>| match it.phase() {
            Phase::Head => it.has_unfinished_head(),
            phase => phase == Phase::Over,
        };
        let candidates = held.iter().filter(|it| it.is_dismissed().is_none() && may_go(it));
        let mut candidates: Vec<&Progress> = candidates.map(Rc::as_ref).collect();
        candidates.sort_unstable_by_key(|it| (it.phase() != Phase::Over, it.is_proven(), it.since()));
        let enough = self.bounds.head_memory_bytes - self.bounds.head_memory_bytes / MEMORY_AT_ONCE;
        for longest in candidates {
            if self.n_head_bytes.get() <= enough {
                break;
            }
            longest.dismiss(ConnectionEnd::HeadMemory);
        }
    }
}

impl Keeper for Places {
    fn threads(&self) -> &ThreadConnections {
        &self.threads
    }

    fn leave(&self, gone: &Progress) {
        let mut held = self.held.borrow_mut();
        held.swap_remove(gone.slot.get());
        if let Some(moved) = held.get(gone.slot.get()) {
            moved.slot.set(gone.slot.get());
        }
        drop(held);
        self.release_heads(gone.n_heads_held());
        self.busy(gone.phase().is_busy(), false);
        if gone.is_dismissed().is_some() {
            less(&self.n_leaving, 1);
        } else {
            less(&self.n_proven, usize::from(gone.is_proven()));
        }
    }

    fn busy(&self, was: bool, is: bool) {
        self.n_busy.set(self.n_busy.get() + usize::from(is) - usize::from(was));
    }

    fn one_more_proven(&self) {
        self.n_proven.set(self.n_proven.get() + 1);
    }

    fn one_more_leaves(&self, is_proven: bool) {
        self.n_leaving.set(self.n_leaving.get() + 1);
        less(&self.n_proven, usize::from(is_proven));
    }

    /// Whether every place has a request in progress. Then further requests are refused, but a connection without a
    /// request can still be accepted and asked for `/livez`.
    fn is_full(&self) -> bool {
        self.n_busy.get() > self.bounds.max
    }

    fn hold_heads(&self, before: usize, now: usize) {
        self.n_head_bytes.set((self.n_head_bytes.get() + now).saturating_sub(before));
        if now > before && self.n_head_bytes.get() > self.bounds.head_memory_bytes {
            self.free_heads();
        }
    }

    fn release_heads(&self, n_bytes: usize) {
        less(&self.n_head_bytes, n_bytes);
    }
}

fn may_give_way(progress: &Progress) -> bool {
    let may = match progress.phase() {
        Phase::Answering | Phase::Streaming => false,
        Phase::Body => !progress.is_proven(),
        Phase::New | Phase::Head | Phase::Rest | Phase::Over => true,
    };
    may && progress.is_dismissed().is_none()
}

/// The `n` connections that have been longest in their phase.
fn longest<'a, 'b>(held: &'b mut [&'a Progress], n: usize) -> &'b [&'a Progress] {
    if n < held.len() {
        // A connection that got its last answer needs no place.
        held.select_nth_unstable_by_key(n, |it| (it.phase() != Phase::Over, it.since()));
        &held[..n]
    } else {
        held
    }
}

fn less(count: &Cell<usize>, n: usize) {
    count.set(count.get().saturating_sub(n));
}
