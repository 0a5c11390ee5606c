//! The proof that a notification comes from Microsoft Graph, as a value that cannot be forged by accident.

use std::sync::Arc;

use super::{Notification, Request};

/// A notification whose origin was proven. Only `graph::token` (and the operator's explicit word, on replay)
/// makes one; everything behind the intake takes nothing else.
#[derive(Clone, Debug)]
pub struct Verified {
    notification: Notification,
}

impl Verified {
    /// Declares `notification` proven. Call it where the proof was checked, and nowhere else: the floors test
    /// lists its callers.
    pub fn declare(notification: Notification) -> Self {
        Self { notification }
    }

    /// The notification.
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// Notes what the head of its POST said.
    pub fn came_with(&mut self, request: &Arc<Request>) {
        self.notification.request = Arc::clone(request);
    }

    /// Takes the notification out.
    pub fn into_notification(self) -> Notification {
        self.notification
    }
}
