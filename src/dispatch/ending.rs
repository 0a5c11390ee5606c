//! How a dispatcher ends: unused leases go back, the attempts under way end, and the sink is closed.
//!
//! **Invariants**
//! 1. The sink is closed once, after the last attempt, also where attempts had to be broken off.
//! 2. From the beginning of the end no delivery waits for company in the sink.
//! 3. An attempt that is broken off is attempted again, since its lease ends or is void after the start.

use tokio_util::sync::CancellationToken;

use super::Dispatcher;

impl Dispatcher {
    /// Breaks attempts off once `hurry` is cancelled after the end has begun: the grace is nearly over. Without it they
    /// are waited for.
    #[must_use]
    pub fn hurried_by(mut self, hurry: CancellationToken) -> Self {
        self.hurry = hurry;
        self
    }

    /// Ends.
    pub(super) async fn end(mut self) {
        self.worker.sink.hurry();
        self.hand_back().await;
        let is_hurried = self.end_attempts().await;
        self.close_sink(is_hurried).await;
    }

    /// Waits for the attempts under way; returns whether they were broken off.
    async fn end_attempts(&mut self) -> bool {
        loop {
            tokio::select! {
                biased;
                ended = self.running.join_next() => match ended {
                    Some(ended) => self.note(ended),
                    None => return false,
                },
                () = self.hurry.cancelled() => break,
            }
        }
        let (sink, n) = (&self.worker.name, self.running.len());
        tracing::warn!(%sink, n_deliveries = n, "attempts were cancelled at the end of the grace; they are made again after the next start");
        self.running.shutdown().await;
        true
    }

    async fn close_sink(&self, is_hurried: bool) {
        let sink = &self.worker.name;
        let mut closing = std::pin::pin!(self.worker.sink.close());
        let closed = tokio::select! {
            biased;
            closed = &mut closing => closed,
            () = self.hurry.cancelled(), if !is_hurried => {
                tracing::warn!(%sink, "the sink closes slowly; reelhook waits for it only until the grace ends");
                closing.await
            }
        };
        match closed {
            Ok(()) => tracing::debug!(%sink, "the sink is closed"),
            Err(error) => tracing::warn!(%sink, %error, "the sink could not be closed cleanly"),
        }
    }
}
