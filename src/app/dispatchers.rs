//! One dispatcher for each sink of the config that runs.
//!
//! **Invariants**
//! 1. A sink has one dispatcher at most: the next one begins when the one before it has handed back what it held and its
//!    attempts have ended.
//! 2. Nobody waits here for an attempt that is under way.

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
    /// What each sink's task is to do; `None`: to end.
    wanted: Mutex<HashMap<SinkName, watch::Sender<Option<Work>>>>,
}

/// Where to deliver, and how.
#[derive(Clone)]
pub(super) struct Work {
    sink: Arc<dyn Sink>,
    settings: SinkDispatch,
}

impl Work {
    /// That of a sink, where the setup has it.
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
            metrics: Arc::clone(&parts.metrics),
            clock: parts.clock.clone(),
        };
        Self { parts: parts.clone(), shared, wanted: Mutex::default() }
    }

    /// Has a sink delivered to so from now on, or no longer. Where it is delivered to already, that ends in order first.
    pub(super) fn set(self: &Arc<Self>, name: &SinkName, work: Option<Work>) {
        let mut wanted = self.wanted.lock();
        if let Some(task) = wanted.get(name) {
            task.send_replace(work);
        } else if let Some(work) = work {
            // Its queue is open when this returns: what is accepted from now on finds it.
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
                    // It is wanted again since.
                    None => {}
                }
            };
            tracing::info!(sink = %name, "deliveries go on by the sink's new config");
            dispatcher = self.dispatcher(&name, next);
        }
    }

    /// Delivers until something else is wanted, and ends in order.
    async fn until_other(&self, dispatcher: Dispatcher, wanted: &mut watch::Receiver<Option<Work>>) {
        let stop = self.parts.stops.dispatch.child_token();
        let mut deliveries = pin!(dispatcher.run(stop.clone()));
        tokio::select! {
            () = &mut deliveries => return,
            _ = wanted.changed() => stop.cancel(),
        }
        deliveries.await;
    }

    /// Takes a sink out that is no longer wanted. `false`: it is wanted again.
    fn forget(&self, name: &SinkName) -> bool {
        let mut wanted = self.wanted.lock();
        let is_wanted = wanted.get(name).is_some_and(|task| task.borrow().is_some());
        if !is_wanted {
            wanted.remove(name);
            tracing::info!(sink = %name, "nothing is delivered any more: the config does not have the sink");
        }
        !is_wanted
    }

    fn dispatcher(&self, name: &SinkName, work: Work) -> Dispatcher {
        Dispatcher::new(name.clone(), work.sink, work.settings, self.shared.clone())
            .hurried_by(self.parts.stops.hurry.clone())
    }
}
