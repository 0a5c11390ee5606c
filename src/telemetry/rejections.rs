//! What is turned away: counted whole, and logged as all is ([`super::log`]): a line a second for each reason.

use std::net::IpAddr;
use std::sync::Arc;

use super::Metrics;
use crate::clock::Clock;
use crate::domain::Reason;
use crate::wording::untrusted_text::{Short, cut};

/// The most characters of a method that are logged.
const MAX_METHOD_CHARS: usize = 16;
/// The most characters of a path that are logged.
const MAX_PATH_CHARS: usize = 100;

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
    clock: Clock,
}

impl Rejections {
    /// Counts into `metrics`, by `clock`.
    pub fn new(metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self { metrics, clock }
    }

    /// Counts one rejection on `path` and logs it.
    pub fn note(&self, path: &'static str, reason: Reason, request_id: Option<&str>) {
        self.note_of(path, reason, Sender { request_id, ..Sender::default() });
    }

    /// The same, where more is known of the sender.
    pub fn note_of(&self, path: &'static str, reason: Reason, sender: Sender<'_>) {
        self.metrics.rejected(path, reason, self.clock.steady());
        let request_id = sender.request_id.map(|id| cut(id, 128));
        let source = sender.source.map(tracing::field::display);
        tracing::warn!(path, reason = reason.as_str(), request_id, source, "refused");
    }

    /// Counts and logs a request to a path, or with a method, that is not served. The line has the path without its query,
    /// which may hold a secret.
    pub fn note_not_served(&self, path: &'static str, method: &str, asked: &str, sender: Sender<'_>) {
        let reason = Reason::BadRequest;
        self.metrics.rejected(path, reason, self.clock.steady());
        let request_id = sender.request_id.map(|id| cut(id, 128));
        let source = sender.source.map(tracing::field::display);
        let (method, requested_path) = (Short(method, MAX_METHOD_CHARS), Short(asked, MAX_PATH_CHARS));
        let reason = reason.as_str();
        tracing::warn!(path, reason, %method, %requested_path, request_id, source, "refused");
    }
}
