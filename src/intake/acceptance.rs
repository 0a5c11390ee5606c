//! What was read is routed and made durable in one commit, and counted when it is.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::{Entry, Intake, QUARANTINED_AT_ONCE, Refused, Taken, Undecided, path_label};
use crate::domain::{Channel, Dialect, Quarantined, Reason, Request, Verified};
use crate::graph::{self, Reading};
use crate::store::{Accepted, Batch, Receipt, StoreError, Stored};

/// The bytes of one place: large items take several.
const PLACE_BYTES: usize = 4096;

impl Intake {
    pub(super) async fn accept(&self, reading: Reading, request: &Arc<Request>) -> Result<Taken, Refused> {
        let Reading { mut verified, mut quarantined, undecided, learned } = reading;
        verified.iter_mut().for_each(|it| it.came_with(request));
        quarantined.extend(undecided.iter().map(graph::Undecided::quarantined));
        quarantined.iter_mut().for_each(|it| it.request = Arc::clone(request));
        let refused: Vec<(Channel, Reason)> = quarantined.iter().map(|item| (item.channel, item.reason)).collect();
        // All items wait for the commit, even those that are not stored.
        quarantined.retain(|item| !item.is_strangers() || self.is_there_room_for(item));
        let kept: Vec<Reason> = quarantined.iter().map(|item| item.reason).collect();
        let answer_timeout = self.answer_timeout();
        match tokio::time::timeout(answer_timeout, self.make_durable(verified, quarantined, learned)).await {
            Ok(Ok(Durable { told, receipt })) => {
                let events = receipt.stored.iter().map(Stored::event).collect();
                let taken = Taken { events, store: Arc::clone(&self.store) };
                for (channel, reason) in refused {
                    self.rejections.note(path_label(channel), reason, None);
                }
                kept.into_iter().for_each(|reason| self.metrics.in_quarantine(reason, self.clock.now()));
                self.count(&told, &receipt);
                self.count_arrivals(&told, &receipt);
                if !undecided.is_empty() {
                    // They are the last entries, and complete: a known sender's items are always stored.
                    let n_others = receipt.quarantined.len().saturating_sub(undecided.len());
                    let waiting = receipt.quarantined.into_iter().skip(n_others).zip(undecided).map(|(id, item)| {
                        let request = Arc::clone(request);
                        Undecided { id, item, request }
                    });
                    self.undecided.lock().extend(waiting);
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
        let (accepted, told) = self.routed(verified);
        let batch = Batch { received_at: self.clock.now(), accepted, quarantined };
        self.learn(learned).await?;
        Ok(Durable { told, receipt: self.store.accept(batch).await? })
    }

    /// Stores which subscriptions now count as sending encrypted content.
    async fn learn(&self, learned: Vec<String>) -> Result<(), StoreError> {
        if !learned.is_empty() {
            self.store.remember_rich(learned.clone()).await?;
            // Whichever config it was learned under: it is known under all.
            self.remember_rich(&learned);
        }
        Ok(())
    }

    fn routed(&self, verified: Vec<Verified>) -> (Vec<Accepted>, Vec<Told>) {
        let accepted: Vec<Accepted> = verified.into_iter().map(|verified| self.route(verified)).collect();
        let told = accepted.iter().map(Told::of).collect();
        (accepted, told)
    }

    /// Accepts notifications that were quarantined and have now been verified. They keep when they were received, and the
    /// facts of their request.
    pub(super) async fn accept_late(&self, entry: &Entry, mut verified: Vec<Verified>) -> Result<(), StoreError> {
        let channels = self.channels.load_full();
        let learned = channels.subscriptions.as_ref().map(|it| it.learned_from(&verified)).unwrap_or_default();
        verified.iter_mut().for_each(|it| it.came_with(&entry.request));
        let (accepted, told) = self.routed(verified);
        self.learn(learned).await?;
        let batch = Batch { received_at: entry.received_at, accepted, quarantined: Vec::new() };
        let receipt = self.store.accept_late(entry.id, batch).await?;
        self.count(&told, &receipt);
        new(&told, &receipt).for_each(|channel| self.metrics.accepted_late(channel));
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

    /// Counts the new events of what just came in.
    fn count_arrivals(&self, told: &[Told], receipt: &Receipt) {
        new(told, receipt).for_each(|channel| self.metrics.accepted(channel, self.clock.steady()));
    }

    fn log_store_error(&self, error: &StoreError) {
        match error {
            StoreError::Busy | StoreError::Full | StoreError::Closed => tracing::warn!(%error, "answered 503"),
            _ => tracing::error!(%error, "answered 503"),
        }
    }
}

/// The channels of the notifications that became new events.
fn new<'a>(told: &'a [Told], receipt: &'a Receipt) -> impl Iterator<Item = Channel> + 'a {
    let stored = told.iter().zip(&receipt.stored).filter(|(_, stored)| matches!(stored, Stored::New { .. }));
    stored.map(|(told, _)| told.channel)
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
