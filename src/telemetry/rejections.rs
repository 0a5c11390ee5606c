//! What is turned away: counted whole, and logged as all is ([`super::log`]): a line a second for each reason.

use std::net::IpAddr;
use std::sync::Arc;

use super::Metrics;
use crate::domain::Reason;
use crate::wording::untrusted_text::cut;

/// What is known of who was turned away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender<'a> {
    /// The id by which the sender knows the request.
    pub request_id: Option<&'a str>,
    /// Where the request comes from.
    pub source: Option<IpAddr>,
}

/// Counts and logs rejections.
#[derive(Debug)]
pub struct Rejections {
    metrics: Arc<Metrics>,
}

impl Rejections {
    /// Counts into `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Counts one rejection on `path` and logs it.
    pub fn note(&self, path: &'static str, reason: Reason, request_id: Option<&str>) {
        self.note_of(path, reason, Sender { request_id, ..Sender::default() });
    }

    /// The same, where more is known of the sender.
    pub fn note_of(&self, path: &'static str, reason: Reason, sender: Sender<'_>) {
        self.metrics.rejected(path, reason);
        let request_id = sender.request_id.map(|id| cut(id, 128));
        let source = sender.source.map(tracing::field::display);
        tracing::warn!(path, reason = reason.as_str(), request_id, source, "refused");
    }
}
