//! The console: pages for people, on the admin listener.

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

use crate::access::Access;
use crate::clock::Clock;
use crate::config::Config;
use crate::dispatch::Pauses;
use crate::domain::SinkName;
use crate::routing::Routes;
use crate::sinks::Sink;
use crate::store::{Operations, Store};
use crate::telemetry::Metrics;

/// What the console shows.
pub struct Console {
    /// What was configured.
    pub config: Arc<Config>,
    /// Who may look.
    pub access: Arc<Access>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The operations.
    pub operations: Arc<dyn Operations>,
    /// The sinks, for a look at the far side.
    pub sinks: Arc<Vec<(SinkName, Arc<dyn Sink>)>>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// Which way an event goes.
    pub routes: Arc<Routes>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

/// The console's routes; paths of the API are not among them.
pub fn routes(console: web::Data<Console>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.app_data(console.clone());
    }
}
