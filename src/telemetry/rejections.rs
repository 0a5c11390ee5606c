//! What is turned away: counted whole, and logged as all is ([`super::log`]): a line a second for each reason.

use std::sync::Arc;

use super::Metrics;
use crate::domain::Reason;

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
        self.metrics.rejected(path, reason);
        let request_id = request_id.map(|id| id.chars().take(128).collect::<String>());
        tracing::warn!(path, reason = reason.as_str(), request_id, "refused");
    }
}
