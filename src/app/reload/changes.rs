//! The changes between two configs, by the names of their keys. Values are not shown, because one may be a secret.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};

use super::restart::differ;
use crate::config::{self, Calls, Config, Expectations, Server, Subscriptions};
use crate::domain::SinkName;

/// The changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    keys: Vec<String>,
    /// The changed sinks.
    pub(super) sinks: SinkChanges,
}

/// The sinks that are new, changed or removed.
#[derive(Debug, Default)]
pub(super) struct SinkChanges {
    pub(super) added: Vec<SinkName>,
    pub(super) changed: Vec<SinkName>,
    pub(super) removed: Vec<SinkName>,
}

impl Changes {
    /// The changes from one config to the next. `touched`: sinks whose secrets changed in their files.
    pub(super) fn between(old: &Config, new: &Config, touched: &BTreeSet<SinkName>) -> Self {
        let mut changes = Self { keys: Vec::new(), sinks: SinkChanges::between(old, new, touched) };
        changes.server(&old.server, &new.server);
        changes.key("admin.command_token", old.admin.command_token != new.admin.command_token);
        changes.key("admin.tokens", differ(&old.admin.tokens, &new.admin.tokens));
        if let (Some(old), Some(new)) = (&old.calls, &new.calls) {
            changes.calls(old, new);
        }
        if let (Some(old), Some(new)) = (&old.subscriptions, &new.subscriptions) {
            changes.subscriptions(old, new);
        }
        changes.expectations(&old.expectations, &new.expectations);
        changes.key("events", old.events != new.events);
        changes.key("dispatch", differ(&old.dispatch, &new.dispatch));
        changes.key("routes", differ(&old.routes, &new.routes));
        changes.key("log.filter", old.log.filter != new.log.filter);
        changes.key("reload.watch", old.reload.watch != new.reload.watch);
        changes
    }

    /// Whether a sink is new or changed.
    pub(super) fn is_other(&self, name: &SinkName) -> bool {
        self.sinks.added.contains(name) || self.sinks.changed.contains(name)
    }

    /// The changes as text.
    pub(super) fn names(&self) -> Vec<String> {
        let SinkChanges { added, changed, removed } = &self.sinks;
        let sinks = [(added, "added"), (changed, "changed"), (removed, "removed")];
        let sinks =
            sinks.into_iter().flat_map(|(names, how)| names.iter().map(move |it| format!("sinks.{it} ({how})")));
        self.keys.iter().cloned().chain(sinks).collect()
    }

    fn key(&mut self, key: &str, is_other: bool) {
        if is_other {
            self.keys.push(key.to_owned());
        }
    }

    fn server(&mut self, old: &Server, new: &Server) {
        self.key("server.max_body", old.max_body_bytes != new.max_body_bytes);
        self.key("server.max_items", old.max_items != new.max_items);
        self.key("server.body_timeout", old.body_timeout != new.body_timeout);
        self.key("server.answer_timeout", old.answer_timeout != new.answer_timeout);
        self.key("server.max_inflight", old.max_inflight_bytes != new.max_inflight_bytes);
        self.key("server.handshakes_per_minute", old.handshakes_per_minute != new.handshakes_per_minute);
        self.key("server.shutdown_delay", old.shutdown_delay != new.shutdown_delay);
        self.key("server.allow_exec", old.allow_exec != new.allow_exec);
        self.key("server.shutdown_grace", old.shutdown_grace != new.shutdown_grace);
    }

    fn calls(&mut self, old: &Calls, new: &Calls) {
        self.key("calls.app_ids", old.app_ids != new.app_ids);
        self.key("calls.tenants", old.tenants != new.tenants);
        self.key("calls.issuers", old.issuers != new.issuers);
    }

    fn subscriptions(&mut self, old: &Subscriptions, new: &Subscriptions) {
        self.key("subscriptions.app_ids", old.app_ids != new.app_ids);
        self.key("subscriptions.tenants", old.tenants != new.tenants);
        self.key("subscriptions.issuers", old.issuers != new.issuers);
        self.key("subscriptions.publisher", old.publisher != new.publisher);
        self.key("subscriptions.client_states", !are_same(&old.client_states, &new.client_states));
        let keys = |it: &Subscriptions| it.certificates.iter().map(|it| it.private_key.clone()).collect::<Vec<_>>();
        let is_other = differ(&old.certificates, &new.certificates) || !are_same(&keys(old), &keys(new));
        self.key("subscriptions.certificates", is_other);
        self.key("subscriptions.encrypted", old.encrypted != new.encrypted);
        let is_other = old.max_pending_decryptions != new.max_pending_decryptions;
        self.key("subscriptions.max_pending_decryptions", is_other);
    }

    fn expectations(&mut self, old: &Expectations, new: &Expectations) {
        self.key("expectations.lost_after", old.lost_after != new.lost_after);
        self.key("expectations.default_within", old.default_within != new.default_within);
        self.key("expectations.remember_calls", old.remember_calls != new.remember_calls);
        self.key("expectations.max_remembered_calls", old.max_remembered_calls != new.max_remembered_calls);
    }
}

impl SinkChanges {
    fn between(old: &Config, new: &Config, touched: &BTreeSet<SinkName>) -> Self {
        let mut changes = Self::default();
        // Every sink writes the names of events.
        let are_renamed = old.events != new.events;
        let (old, new) = (&old.sinks, &new.sinks);
        for sink in new {
            match old.iter().find(|known| known.name == sink.name) {
                None => changes.added.push(sink.name.clone()),
                Some(known) if are_renamed || touched.contains(&sink.name) || is_other(known, sink) => {
                    changes.changed.push(sink.name.clone());
                }
                Some(_same) => {}
            }
        }
        let is_gone = |known: &&config::Sink| !new.iter().any(|sink| sink.name == known.name);
        changes.removed = old.iter().filter(is_gone).map(|sink| sink.name.clone()).collect();
        changes
    }
}

fn is_other(old: &config::Sink, new: &config::Sink) -> bool {
    old.kind != new.kind || old.events != new.events || old.dispatch != new.dispatch || old.table != new.table
}

fn are_same(old: &[SecretString], new: &[SecretString]) -> bool {
    old.iter().map(ExposeSecret::expose_secret).eq(new.iter().map(ExposeSecret::expose_secret))
}
