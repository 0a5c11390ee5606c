//! One dispatcher for each sink of the current config.
//!
//! **Invariants**
//! 1. A sink has at most one dispatcher. The next one begins when the attempts of the one before have ended and it has
//!    handed back its leases.
//! 2. No caller of this module waits for an attempt in progress.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::parts::Parts;
use super::store::Stored;
use crate::config::SinkDispatch;
use crate::dispatch::{self, Dispatcher};
use crate::domain::SinkName;
use crate::running::Setup;
use crate::sinks::Sink;

/// The dispatchers.
pub(super) struct Dispatchers {
    parts: Parts,
    shared: dispatch::Shared,
    /// What each sink's task has to do; `None`: end.
    wanted: Mutex<HashMap<SinkName, watch::Sender<Option<Work>>>>,
}

/// A sink and its settings.
#[derive(Clone)]
pub(super) struct Work {
    sink: Arc<dyn Sink>,
    settings: SinkDispatch,
}

impl Work {
    /// The sink with this name, if the setup has it.
    pub(super) fn of(setup: &Setup, name: &SinkName) -> Option<Self> {
        let (sink, config) = (setup.built(name.as_str())?, setup.sink(name.as_str())?);
        Some(Self { sink: Arc::clone(sink), settings: config.dispatch.clone() })
    }
}

impl Dispatchers {
    pub(super) fn new(parts: &Parts, stored: &Stored) -> Self {
        let shared = dispatch::Shared {
            store: Arc::clone(&stored.store) as _,
            queues: Arc::clone(&stored.process.queues),
            pauses: Arc::clone(&stored.pauses),
            conditions: Arc::clone(&stored.conditions),
            metrics: Arc::clone(&parts.metrics),
            clock: parts.clock.clone(),
        };
        Self { parts: parts.clone(), shared, wanted: Mutex::default() }
    }

    /// Starts, changes or ends (`None`) the deliveries to a sink. A dispatcher that runs already first ends cleanly.
    pub(super) fn set(self: &Arc<Self>, name: &SinkName, work: Option<Work>) {
        let mut wanted = self.wanted.lock();
        if let Some(task) = wanted.get(name) {
            task.send_replace(work);
        } else if let Some(work) = work {
            // The sink's queue is open when this returns, so deliveries that are accepted from now on go into it.
            let first = self.dispatcher(name, work.clone());
            let (sender, receiver) = watch::channel(Some(work));
            wanted.insert(name.clone(), sender);
            let task = Arc::clone(self).keep_delivering(name.clone(), first, receiver);
            self.parts.tasks.part(format!("deliveries to {name}"), task);
        }
    }

    async fn keep_delivering(
        self: Arc<Self>,
        name: SinkName,
        first: Dispatcher,
        mut wanted: watch::Receiver<Option<Work>>,
    ) {
        let mut dispatcher = first;
        loop {
            self.until_other(dispatcher, &mut wanted).await;
            let next = loop {
                if self.parts.stops.dispatch.is_cancelled() {
                    return;
                }
                let work = wanted.borrow_and_update().clone();
                match work {
                    Some(work) => break work,
                    None if self.forget(&name) => return,
                    // The config has the sink again.
                    None => {}
                }
            };
            tracing::info!(sink = %name, "deliveries now use the sink's new config");
            dispatcher = self.dispatcher(&name, next);
        }
    }

    /// Delivers until the wanted work changes, then ends cleanly.
    async fn until_other(&self, dispatcher: Dispatcher, wanted: &mut watch::Receiver<Option<Work>>) {
        let stop = self.parts.stops.dispatch.child_token();
        let mut deliveries = pin!(dispatcher.run(stop.clone()));
        tokio::select! {
            () = &mut deliveries => return,
            _ = wanted.changed() => stop.cancel(),
        }
        deliveries.await;
    }

    /// Removes a sink that is no longer wanted. `false`: it is wanted again.
    fn forget(&self, name: &SinkName) -> bool {
        let mut wanted = self.wanted.lock();
        let is_wanted = wanted.get(name).is_some_and(|task| task.borrow().is_some());
        if !is_wanted {
            wanted.remove(name);
            self.shared.conditions.leave(name);
            tracing::info!(sink = %name, "the sink was removed from the config: nothing is delivered to it any more");
        }
        !is_wanted
    }

    fn dispatcher(&self, name: &SinkName, work: Work) -> Dispatcher {
        Dispatcher::new(name.clone(), work.sink, work.settings, self.shared.clone())
            .hurried_by(self.parts.stops.hurry.clone())
    }
}
