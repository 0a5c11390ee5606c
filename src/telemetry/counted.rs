//! A gauge of something that has to be read first. Until then it has no series: a 0 that nobody counted would be taken for
//! a count, and the first real one for a rise.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// A gauge that has no series until it has a value.
#[derive(Clone, Debug)]
pub(super) struct Counted<G>(Arc<OnceLock<G>>);

impl<G> Default for Counted<G> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<G: Default> Counted<G> {
    /// The gauge, which has a series from now on.
    pub(super) fn gauge(&self) -> &G {
        self.0.get_or_init(G::default)
    }
}

impl<G: EncodeMetric> EncodeMetric for Counted<G> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.0.get().map_or(Ok(()), |gauge| gauge.encode(encoder))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
