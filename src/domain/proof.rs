//! The proof that a notification comes from Microsoft Graph, as a value that cannot be forged by accident.

use super::Notification;

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

    /// Takes the notification out.
    pub fn into_notification(self) -> Notification {
        self.notification
    }
}
