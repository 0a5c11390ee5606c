//! The state of one connection: its phase, since when it is in it, and until when it may stay in it.
//!
//! The stream, the requests and the places of a thread use this state. All of them are on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::framing::Passed;
use super::phase::Phase;
use crate::telemetry::{ConnectionEnd, ThreadConnections};

/// How long a head may take from its first byte, and how long a new connection may be silent.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be idle between requests. This is longer than proxies keep idle connections, so the proxy
/// is the one that closes them.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The same for an unverified connection whose last request was refused.
pub const STRANGERS_REST: Duration = Duration::from_secs(5);
/// How many bytes are read after a head before its request asks for them, and after a request before it is answered.
const READ_AHEAD: usize = 8 * 1024;

/// The keeper of a thread's connections. Connections report their changes to it.
pub(super) trait Keeper {
    /// The metrics.
    fn threads(&self) -> &ThreadConnections;
    /// Whether more requests are in progress than there are places.
    fn is_full(&self) -> bool;
    /// A connection changed: whether it had a request in progress before, and whether it has one now.
    fn busy(&self, was: bool, is: bool);
    /// A connection was verified.
    fn one_more_proven(&self);
    /// A connection was told to end.
    fn one_more_leaves(&self, is_proven: bool);
    /// A connection holds `now` bytes of heads instead of `before`.
    fn hold_heads(&self, before: usize, now: usize);
    /// This many bytes of heads are no longer held.
    fn release_heads(&self, n_bytes: usize);
    /// A connection was closed.
    fn leave(&self, gone: &Progress);
}

/// The state of one connection.
pub struct Progress {
    places: Rc<dyn Keeper>,
    /// Its number in the keeper's list.
    pub slot: Cell<usize>,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    until: Cell<Option<Instant>>,
    is_proven: Cell<bool>,
    is_of_proxy: Cell<bool>,
    has_body_left: Cell<bool>,
    is_last: Cell<bool>,
    rest: Cell<Duration>,
    end: Cell<Option<ConnectionEnd>>,
    is_dismissed: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    is_withheld: Cell<bool>,
    /// Complete heads whose requests have not begun.
    n_waiting: Cell<usize>,
    /// Bytes after the first of the heads that are not answered.
    n_behind: Cell<usize>,
    /// Bytes of the head that is not complete.
    n_unfinished: Cell<usize>,
    /// Bytes of heads that are not answered.
    n_heads_held: Cell<usize>,
}

impl Progress {
    pub(super) fn new(places: Rc<dyn Keeper>, now: Instant) -> Self {
        places.threads().enter(Phase::New.state());
        Self {
            places,
            slot: Cell::new(0),
            phase: Cell::new(Phase::New),
            since: Cell::new(now),
            until: Cell::new(Some(now + HEAD_TIMEOUT)),
            is_proven: Cell::new(false),
            is_of_proxy: Cell::new(false),
            has_body_left: Cell::new(false),
            is_last: Cell::new(false),
            rest: Cell::new(KEEP_ALIVE),
            end: Cell::new(None),
            is_dismissed: Cell::new(false),
            waker: RefCell::new(None),
            is_withheld: Cell::new(false),
            n_waiting: Cell::new(0),
            n_behind: Cell::new(0),
            n_unfinished: Cell::new(0),
            n_heads_held: Cell::new(0),
        }
    }

    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Since when it is in its phase.
    pub fn since(&self) -> Instant {
        self.since.get()
    }

    /// Until when it may stay in its phase; `None`: as long as its request lasts.
    pub fn until(&self) -> Option<Instant> {
        self.until.get()
    }

    /// Whether one of its requests verified the sender.
    pub fn is_proven(&self) -> bool {
        self.is_proven.get()
    }

    /// Why it ends, if it is ending.
    pub fn end(&self) -> Option<ConnectionEnd> {
        self.end.get()
    }

    /// Why it must give way, if it must. Then it ends as soon as it can.
    pub fn is_dismissed(&self) -> Option<ConnectionEnd> {
        self.end.get().filter(|_end| self.is_dismissed.get())
    }

    /// Whether it has a request in progress while more requests are in progress than there are places.
    pub fn is_one_too_many(&self) -> bool {
        self.places.is_full()
    }

    /// Whether a head has begun and is not complete.
    pub fn has_unfinished_head(&self) -> bool {
        self.n_unfinished.get() > 0
    }

    /// Complete heads whose requests have not begun.
    pub fn n_waiting(&self) -> usize {
        self.n_waiting.get()
    }

    /// Bytes of its heads.
    pub fn n_heads_held(&self) -> usize {
        self.n_heads_held.get()
    }

    fn enter(&self, phase: Phase, may_last: Option<Duration>) {
        let (before, now) = (self.phase.replace(phase), Instant::now());
        self.since.set(now);
        self.until.set(may_last.map(|it| now + it));
        if before.state() != phase.state() {
            self.places.threads().leave(before.state());
            self.places.threads().enter(phase.state());
        }
        self.places.busy(before.is_busy(), phase.is_busy());
    }

    /// Whether the client is a trusted proxy.
    pub fn is_of_proxy(&self, is: bool) {
        self.is_of_proxy.set(is);
    }

    /// Bytes arrived. `n_unfinished` of all bytes so far belong to a head that is not complete.
    pub fn heard(&self, n_bytes: usize, passed: Passed, n_unfinished: usize) {
        if matches!(self.phase.get(), Phase::New | Phase::Rest) {
            self.enter(Phase::Head, Some(HEAD_TIMEOUT));
        }
        let is_behind = self.n_waiting.get() > 0 || self.phase.get().is_busy();
        let n_behind = if is_behind { n_bytes } else { passed.behind };
        self.n_behind.set(self.n_behind.get() + n_behind);
        self.n_waiting.set(self.n_waiting.get() + passed.n_heads);
        self.n_unfinished.set(n_unfinished);
        self.hold(self.n_heads_held.get() + passed.head_bytes);
    }

    fn hold(&self, n_bytes: usize) {
        let before = self.n_heads_held.replace(n_bytes);
        if before != n_bytes {
            self.places.hold_heads(before, n_bytes);
        }
    }

    /// Whether more may be read now. If not, [`Progress::wake`] reports when.
    pub fn may_read(&self) -> bool {
        self.phase.get() == Phase::Body || self.n_behind.get() < READ_AHEAD
    }

    /// A request begins, with or without a body.
    pub fn begins(&self, has_body: bool) {
        self.n_waiting.set(self.n_waiting.get().saturating_sub(1));
        self.has_body_left.set(has_body);
        self.is_last.set(false);
        self.enter(Phase::Answering, None);
    }

    /// The request waits for its body.
    pub fn wants_body(&self) {
        if self.phase.get() == Phase::Answering {
            self.enter(Phase::Body, None);
            self.n_behind.set(0);
            self.go_on_reading();
        }
    }

    /// The request has its body, or as much as will arrive.
    pub fn has_body(&self, is_whole: bool) {
        self.has_body_left.set(!is_whole);
        if self.phase.get() == Phase::Body {
            self.enter(Phase::Answering, None);
        }
    }

    /// The request verified its sender.
    pub fn proves(&self) {
        if !self.is_proven.replace(true) && !self.is_dismissed.get() {
            self.places.one_more_proven();
        }
    }

    /// The request is answered. The answer may go on as a stream.
    pub fn answers(&self, is_refusal: bool, is_last: bool) {
        self.is_last.set(is_last);
        let is_strangers = is_refusal && !self.is_proven.get() && !self.is_of_proxy.get();
        self.rest.set(if is_strangers { STRANGERS_REST } else { KEEP_ALIVE });
        self.enter(Phase::Streaming, Some(KEEP_ALIVE));
    }

    /// Bytes of an answer were sent. A stream may last as long as it sends.
    pub fn told(&self) {
        if self.phase.get() == Phase::Streaming {
            self.until.set(Some(Instant::now() + KEEP_ALIVE));
        }
    }

    /// The answer is complete.
    pub fn rests(&self) {
        let n_unfinished = self.n_unfinished.get();
        if self.is_last.get() || self.has_body_left.get() {
            self.enter(Phase::Over, Some(HEAD_TIMEOUT));
        } else if n_unfinished > 0 {
            self.enter(Phase::Head, Some(HEAD_TIMEOUT));
        } else {
            self.enter(Phase::Rest, Some(self.rest.get()));
        }
        if self.n_waiting.get() == 0 {
            self.n_behind.set(0);
            self.hold(n_unfinished);
            self.go_on_reading();
        }
    }

    /// The connection got an answer that no request made, and gets no other. It ends within `may_last`.
    pub fn is_over(&self, may_last: Duration) {
        self.enter(Phase::Over, Some(may_last));
    }

    /// Notes why the connection ends; the first reason counts.
    pub fn ends(&self, end: ConnectionEnd) {
        if self.end.get().is_none() {
            self.end.set(Some(end));
        }
    }

    /// Tells the connection to end.
    pub fn dismiss(&self, end: ConnectionEnd) {
        self.ends(end);
        if !self.is_dismissed.replace(true) {
            self.places.one_more_leaves(self.is_proven.get());
        }
        // Its memory counts as free from now on.
        self.places.release_heads(self.n_heads_held.replace(0));
        self.wake();
    }

    /// Stores whom to wake when the connection must give way, or when reading may go on.
    pub fn waits(&self, waker: &Waker, is_withheld: bool) {
        self.is_withheld.set(is_withheld);
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    fn go_on_reading(&self) {
        if self.is_withheld.replace(false) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// The connection was closed.
    pub(super) fn leaves(&self) {
        self.places.threads().leave(self.phase.get().state());
        self.places.leave(self);
    }
}
