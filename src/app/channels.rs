//! The channels that Graph posts to, built from the config at the start, and the tasks that keep the providers' keys
//! fresh.

use std::sync::Arc;

use url::Url;

use super::parts::Parts;
use crate::domain::Channel;
use crate::graph::keys::Keys;
use crate::graph::{Calls, Limits, Subscriptions};
use crate::intake::Channels;

/// Opens the configured channels.
///
/// # Errors
/// A provider's address or a certificate's key cannot be used.
pub(super) fn open(parts: &Parts) -> anyhow::Result<Channels> {
    let setup = parts.running.now();
    let config = &setup.config;
    let limits = Limits { max_items: config.server.max_items };
    let calls = match &config.calls {
        Some(calls) => {
            let keys = keys(parts, Channel::Calls, &calls.openid_configuration)?;
            Some(Calls::new(calls, keys, limits, parts.clock.clone()))
        }
        None => None,
    };
    let subscriptions = match &config.subscriptions {
        Some(subscriptions) => {
            let keys = keys(parts, Channel::Subscriptions, &subscriptions.openid_configuration)?;
            Some(Subscriptions::new(subscriptions, keys, limits, parts.clock.clone())?)
        }
        None => None,
    };
    Ok(Channels { calls, subscriptions, answer_timeout: config.server.answer_timeout })
}

fn keys(parts: &Parts, channel: Channel, url: &Url) -> anyhow::Result<Arc<Keys>> {
    let keys = Keys::new(channel, url.clone(), Arc::clone(&parts.metrics), parts.clock.clone())?;
    let fresh = Arc::clone(&keys).keep_fresh(parts.stops.intake.clone());
    parts.tasks.run(format!("keys of {}", channel.as_str()), fresh);
    Ok(keys)
}
