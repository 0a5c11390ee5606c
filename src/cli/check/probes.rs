//! Tries what the server of a config needs: the store, the listeners, the sinks, the providers of keys.

use std::fmt::Display;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::findings::Probe;
use crate::app::BuiltSinks;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::Channel;
use crate::graph::keys::Keys;
use crate::operator;
#[cfg(feature = "store-postgres")]
use crate::store::postgres::probe as database;
use crate::store::sqlite::probe as file;
use crate::telemetry::Metrics;

/// An address that the running server may have.
const IN_USE: &str = "in use; a server uses the store now, and may listen here";

/// Tries everything, and reports each result.
///
/// # Errors
/// TLS cannot be set up.
pub(super) async fn run(config: &Config, sinks: BuiltSinks, mut tell: impl FnMut(Probe)) -> anyhow::Result<()> {
    let is_in_use = store(config, &mut tell).await;
    let probes = config.admin.probes.map(|address| ("admin.probes", address));
    let listeners = [("server.listen", config.server.listen), ("admin.listen", config.admin.listen)];
    for (name, address) in listeners.into_iter().chain(probes) {
        tell(listener(name, address, is_in_use));
    }
    for (name, built) in sinks {
        let outcome = operator::probed(&*built.sink).await;
        let note = outcome.as_ref().ok().filter(|warnings| !warnings.is_empty()).map(|warnings| warnings.join(" "));
        tell(Probe { note, ..Probe::of(&format!("sinks.{name}"), outcome) });
    }
    let calls = config.calls.as_ref().map(|calls| ("calls", Channel::Calls, &calls.openid_configuration));
    let subscriptions =
        config.subscriptions.as_ref().map(|it| ("subscriptions", Channel::Subscriptions, &it.openid_configuration));
    for (section, channel, url) in calls.into_iter().chain(subscriptions) {
        let keys = Keys::new(channel, url.clone(), Arc::new(Metrics::new()), Clock::system())?;
        tell(Probe::of(&format!("{section}.openid_configuration"), operator::tried(keys.probe()).await));
    }
    Ok(())
}

/// Tries the store. Returns whether a server uses it now, if that can be known.
async fn store(config: &Config, tell: &mut impl FnMut(Probe)) -> bool {
    #[cfg(feature = "store-postgres")]
    if config.store.url.is_some() {
        let probed = database::probe(&config.store).await;
        let note = probed.as_ref().ok().map(|found| found.join("; "));
        tell(Probe { note, ..Probe::of("store.url", probed) });
        return false;
    }
    tell(Probe::of("store.path", file::folder(&config.store)));
    tell(Probe::of("store.encryption_key", file::key(&config.store)));
    file::is_in_use(&config.store)
}

/// Listens on an address for a moment.
fn listener(name: &str, address: SocketAddr, is_in_use: bool) -> Probe {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_in_use => {
            Probe { note: Some(IN_USE.to_owned()), ..Probe::of(name, Ok::<(), String>(())) }
        }
        outcome => Probe::of(name, outcome.map_err(|error| format!("cannot listen on {address}: {error}"))),
    }
}

impl Probe {
    fn of<T, E: Display>(name: &str, outcome: Result<T, E>) -> Self {
        Self { name: name.to_owned(), failure: outcome.err().map(|error| error.to_string()), note: None }
    }
}
