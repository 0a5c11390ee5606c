//! What keeps the objects of a sink, as its deliveries share it.

use std::sync::Arc;

use object_store::path::Path;

use super::Settings;
use super::store::Store;
use crate::sinks::connection::Shared;
use crate::sinks::{DeliveryError, Message, result_of_one};

/// The settings of a sink, and the client that its deliveries share.
pub(super) struct Objects {
    pub(super) settings: Settings,
    store: Shared<Store>,
}

impl Objects {
    /// Nothing is connected to yet.
    pub(super) fn of(settings: Settings) -> Self {
        Self { settings, store: Shared::default() }
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As [`Store::create`]; or there is no client.
    pub(super) async fn create(&self, name: &Path, message: Message) -> Result<(), DeliveryError> {
        let open = async || Store::open(&self.settings);
        let create = async |store: Arc<Store>| vec![store.create(name, message).await];
        result_of_one(self.store.attempt(1, open, create).await)
    }

    /// Creates none any more.
    pub(super) async fn close(&self) {
        // Every event that counts as delivered is stored: nothing is left to send.
        drop(self.store.close().await);
    }
}
