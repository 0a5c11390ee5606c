//! The limits for requests: their bodies, and handshakes. A reload replaces them; a body in progress ends under the old
//! limits.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::handshake::Handshakes;
use crate::bodies::{BodyLimits, Room};
use crate::config;
use crate::domain::Channel;

/// The current limits.
pub struct Bounds(ArcSwap<Held>);

/// The limits of one config.
pub(super) struct Held {
    calls: BodyLimits,
    notifications: BodyLimits,
    lifecycle: BodyLimits,
    max_inflight_bytes: usize,
    pub(super) handshakes: Arc<Handshakes>,
    handshakes_per_minute: Option<u32>,
}

impl Bounds {
    /// The limits of a config.
    pub fn new(settings: &config::Server) -> Self {
        Self(ArcSwap::from_pointee(Held::new(settings)))
    }

    /// Uses the limits of another config from now on. If a limit is the same, its memory and counts continue.
    pub fn replace(&self, settings: &config::Server) {
        let now = self.now();
        self.0.store(Arc::new(now.again(settings)));
    }

    pub(super) fn now(&self) -> Arc<Held> {
        self.0.load_full()
    }
}

impl Held {
    fn new(settings: &config::Server) -> Self {
        let limits = || BodyLimits {
            max_bytes: settings.max_body_bytes,
            timeout: settings.body_timeout,
            room: Room::new(settings.max_inflight_bytes),
        };
        Self {
            calls: limits(),
            notifications: limits(),
            lifecycle: limits(),
            max_inflight_bytes: settings.max_inflight_bytes,
            handshakes: Arc::new(Handshakes::new(settings.handshakes_per_minute)),
            handshakes_per_minute: settings.handshakes_per_minute,
        }
    }

    fn again(&self, settings: &config::Server) -> Self {
        let mut again = Self::new(settings);
        if again.max_inflight_bytes == self.max_inflight_bytes {
            again.calls.room = self.calls.room.clone();
            again.notifications.room = self.notifications.room.clone();
            again.lifecycle.room = self.lifecycle.room.clone();
        }
        if again.handshakes_per_minute == self.handshakes_per_minute {
            again.handshakes = Arc::clone(&self.handshakes);
        }
        again
    }

    /// The limits for bodies on a channel's path.
    pub(super) fn of(&self, channel: Channel) -> &BodyLimits {
        match channel {
            Channel::Calls => &self.calls,
            Channel::Subscriptions => &self.notifications,
            Channel::Lifecycle => &self.lifecycle,
        }
    }
}
