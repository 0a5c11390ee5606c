//! The news of one notification about its operation.

use crate::domain::{ClientContext, Notification, Proof, RecordOperation};

/// The facts of one notification about its operation.
pub struct News<'a> {
    /// The notification.
    pub notification: &'a Notification,
    /// The operation in it.
    pub operation: &'a RecordOperation,
    /// Its proof.
    pub proof: Proof,
    /// The event that it makes.
    pub event: i64,
    /// When it became known, in microseconds.
    pub known_at: i64,
}

impl News<'_> {
    /// Its client context.
    pub fn client_context(&self) -> Option<&str> {
        self.notification.client_context.as_ref().map(ClientContext::as_str)
    }

    /// The result's code.
    pub fn code(&self) -> Option<i64> {
        self.operation.result_info.as_ref().map(|result| result.code)
    }

    /// The result's subcode.
    pub fn subcode(&self) -> Option<i64> {
        self.operation.result_info.as_ref().map(|result| result.subcode)
    }
}
