//! What was read is routed and made durable in one commit, and counted when it is.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Intake, QUARANTINED_AT_ONCE, Refused, Taken, path_label};
use crate::domain::{Channel, Dialect, Quarantined, Reason, Request, Verified};
use crate::graph::{Reading, Undecided};
use crate::store::{Accepted, Batch, Receipt, StoreError, Stored};

/// The bytes of one place: large items take several.
const PLACE_BYTES: usize = 4096;

impl Intake {
    pub(super) async fn accept(&self, reading: Reading, request: &Arc<Request>) -> Result<Taken, Refused> {
        let Reading { mut verified, mut quarantined, undecided, learned } = reading;
        verified.iter_mut().for_each(|it| it.came_with(request));
        quarantined.extend(undecided.iter().map(Undecided::quarantined));
        let refused: Vec<(Channel, Reason)> = quarantined.iter().map(|item| (item.channel, item.reason)).collect();
        // All items wait for the commit, even those that are not stored.
        quarantined.retain(|item| !item.is_strangers() || self.is_there_room_for(item));
        let answer_timeout = self.answer_timeout();
        match tokio::time::timeout(answer_timeout, self.make_durable(verified, quarantined, learned)).await {
            Ok(Ok(Durable { told, receipt })) => {
                let events = receipt.stored.iter().map(Stored::event).collect();
                let taken = Taken { events, store: Arc::clone(&self.store) };
                for (channel, reason) in refused {
                    self.rejections.note(path_label(channel), reason, None);
                }
                self.count(&told, &receipt);
                if !undecided.is_empty() {
                    // They are the last entries, and complete: a known sender's items are always stored.
                    let n_others = receipt.quarantined.len().saturating_sub(undecided.len());
                    self.undecided.lock().extend(receipt.quarantined.into_iter().skip(n_others).zip(undecided));
                }
                Ok(taken)
            }
            Ok(Err(error)) => {
                self.refused();
                self.log_store_error(&error);
                Err(Refused::ByStore)
            }
            Err(_elapsed) => {
                self.refused();
                tracing::error!(waited = ?answer_timeout, "the store did not commit in time");
                Err(Refused::ByStore)
            }
        }
    }

    /// Routes what was verified and makes all of it durable in one commit, after storing which subscriptions now count as
    /// sending encrypted content.
    async fn make_durable(
        &self,
        verified: Vec<Verified>,
        quarantined: Vec<Quarantined>,
        learned: Vec<String>,
    ) -> Result<Durable, StoreError> {
        let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
        let told = accepted.iter().map(Told::of).collect();
        let batch = Batch { received_at: self.clock.now(), accepted, quarantined };
        if !learned.is_empty() {
            self.store.remember_rich(learned.clone()).await?;
            // Whichever config it was learned under: it is known under all.
            self.remember_rich(&learned);
        }
        Ok(Durable { told, receipt: self.store.accept(batch).await? })
    }

    /// Accepts notifications that were quarantined and have now been verified.
    pub(super) async fn accept_late(&self, verified: Vec<Verified>) -> Result<(), StoreError> {
        let channels = self.channels.load_full();
        let learned = channels.subscriptions.as_ref().map(|it| it.learned_from(&verified)).unwrap_or_default();
        let Durable { told, receipt } = self.make_durable(verified, Vec::new(), learned).await?;
        self.count(&told, &receipt);
        Ok(())
    }

    /// Whether a stranger's item may be stored: the quarantine is bounded, and has other entries.
    fn is_there_room_for(&self, item: &Quarantined) -> bool {
        let n_places = u32::try_from(item.raw.0.len() / PLACE_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        let n_places = NonZeroU32::new(n_places).map_or(NonZeroU32::MIN, |n| n.min(QUARANTINED_AT_ONCE));
        matches!(self.quarantine_rate.check_n(n_places), Ok(Ok(())))
    }

    fn route(&self, notification: Verified) -> Accepted {
        let deliveries = self.routes.matches(&notification.notification().routing_key());
        Accepted { notification, deliveries }
    }

    /// Counts the durable notifications.
    fn count(&self, told: &[Told], receipt: &Receipt) {
        for (told, stored) in told.iter().zip(&receipt.stored) {
            for dialect in &told.dialects {
                self.metrics.dialect(*dialect);
            }
            if let Stored::Duplicate { of, by } = stored {
                tracing::debug!(event = %of, recognised_by = by.as_str(), "a repeat was dropped");
                self.metrics.duplicate(told.channel);
            }
            let Stored::New { order, id_conflict, possible_repeat, ambiguous, unmatched, .. } = stored else {
                continue;
            };
            self.metrics.accepted(told.channel, self.clock.steady());
            if *unmatched {
                self.metrics.unmatched();
            }
            if let Some(order) = order {
                self.metrics.order(*order);
            }
            if *id_conflict {
                self.metrics.id_conflict();
                tracing::warn!(
                    channel = told.channel.as_str(),
                    "a notification has the id of an earlier one and other bytes"
                );
            }
            if *possible_repeat {
                self.metrics.possible_repeat(told.channel);
            }
            if *ambiguous {
                self.metrics.ambiguous();
            }
        }
    }

    fn log_store_error(&self, error: &StoreError) {
        match error {
            StoreError::Busy | StoreError::Full | StoreError::Closed => tracing::warn!(%error, "answered 503"),
            _ => tracing::error!(%error, "answered 503"),
        }
    }
}

/// What a commit made durable.
struct Durable {
    told: Vec<Told>,
    receipt: Receipt,
}

/// The facts of a notification that are counted once it is durable.
struct Told {
    channel: Channel,
    dialects: Vec<Dialect>,
}

impl Told {
    fn of(accepted: &Accepted) -> Self {
        let notification = accepted.notification.notification();
        Self { channel: notification.channel, dialects: notification.dialects.clone() }
    }
}
