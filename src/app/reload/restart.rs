//! The keys that change only with a restart. They keep their values from the start. A reload names them as long as the
//! file has other values.

use std::fmt::Debug;

use secrecy::ExposeSecret;

use crate::config::{self, Admin, Calls, Config, Server, Store, Subscriptions};
use crate::running::{Setup, Shown};

/// `new`, but with the values of `old` for the keys that need a restart; and the names of those keys that differ.
pub(super) fn keep(old: &Setup, new: Setup) -> (Setup, Vec<String>) {
    let (config, named) = keep_values(&old.config, new.config);
    let keys = named.iter().fold(new.keys, |keys, name| keep_shown(&old.keys, keys, name));
    (Setup { config, keys, ..new }, named)
}

/// `new`, but with the text of `old` for a key or a section.
fn keep_shown(old: &[Shown], new: Vec<Shown>, name: &str) -> Vec<Shown> {
    let is_of = |key: &Shown| config::is_within(&key.path, name);
    let at = new.iter().position(is_of).unwrap_or(new.len());
    let mut keys: Vec<Shown> = new.into_iter().filter(|key| !is_of(key)).collect();
    keys.splice(at..at, old.iter().filter(|key| is_of(key)).cloned());
    keys
}

/// Does the work of [`keep`] for the values.
pub(super) fn keep_values(old: &Config, mut new: Config) -> (Config, Vec<String>) {
    let mut kept = Kept::default();
    kept.server(&old.server, &mut new.server);
    kept.admin(&old.admin, &mut new.admin);
    kept.store(&old.store, &mut new.store);
    match (&old.calls, &mut new.calls) {
        (Some(old), Some(new)) => kept.calls(old, new),
        (None, None) => {}
        (old, new) => kept.section("calls", old, new),
    }
    match (&old.subscriptions, &mut new.subscriptions) {
        (Some(old), Some(new)) => kept.subscriptions(old, new),
        (None, None) => {}
        (old, new) => kept.section("subscriptions", old, new),
    }
    kept.value("log.format", &old.log.format, &mut new.log.format);
    (new, kept.0)
}

/// The keys whose old values were kept.
#[derive(Default)]
struct Kept(Vec<String>);

impl Kept {
    fn value<T: PartialEq + Clone>(&mut self, key: &str, old: &T, new: &mut T) {
        if old != new {
            self.section(key, old, new);
        }
    }

    fn section<T: Clone>(&mut self, key: &str, old: &T, new: &mut T) {
        self.0.push(key.to_owned());
        *new = old.clone();
    }

    fn server(&mut self, old: &Server, new: &mut Server) {
        self.value("server.listen", &old.listen, &mut new.listen);
        self.value("server.workers", &old.workers, &mut new.workers);
        self.value("server.max_connections", &old.max_connections, &mut new.max_connections);
        self.value("server.max_inflight_heads", &old.max_inflight_head_bytes, &mut new.max_inflight_head_bytes);
        self.value("server.trusted_proxies", &old.trusted_proxies, &mut new.trusted_proxies);
        self.value("server.proxy_protocol", &old.proxy_protocol, &mut new.proxy_protocol);
    }

    fn admin(&mut self, old: &Admin, new: &mut Admin) {
        // The listener keeps its address. If that is not loopback, it must always have a token.
        if new.tokens.is_empty() && !old.listen.ip().to_canonical().is_loopback() {
            self.section("admin.tokens", &old.tokens, &mut new.tokens);
        }
        self.value("admin.listen", &old.listen, &mut new.listen);
        self.value("admin.probes", &old.probes, &mut new.probes);
        self.value("admin.probes_metrics", &old.probes_metrics, &mut new.probes_metrics);
        self.value("admin.body_timeout", &old.body_timeout, &mut new.body_timeout);
        self.value("admin.max_inflight", &old.max_inflight_bytes, &mut new.max_inflight_bytes);
    }

    fn store(&mut self, old: &Store, new: &mut Store) {
        self.value("store.path", &old.path, &mut new.path);
        let url = |store: &Store| store.url.as_ref().map(|url| url.expose_secret().to_owned());
        if url(old) != url(new) {
            self.section("store.url", &old.url, &mut new.url);
        }
        let key = |store: &Store| store.encryption_key.as_ref().map(|key| key.expose_secret().to_owned());
        if key(old) != key(new) {
            self.section("store.encryption_key", &old.encryption_key, &mut new.encryption_key);
        }
        self.value("store.deduplicate", &old.deduplicate, &mut new.deduplicate);
        self.value("store.token_retention", &old.token_retention, &mut new.token_retention);
        self.value("store.retention", &old.retention, &mut new.retention);
        self.value("store.disk_reserve", &old.disk_reserve_bytes, &mut new.disk_reserve_bytes);
        let entries = (&old.quarantine_max_entries, &mut new.quarantine_max_entries);
        self.value("store.quarantine_max_entries", entries.0, entries.1);
        self.value("store.quarantine_max_bytes", &old.quarantine_max_bytes, &mut new.quarantine_max_bytes);
        let share = (&old.quarantine_strangers_share, &mut new.quarantine_strangers_share);
        self.value("store.quarantine_strangers_share", share.0, share.1);
        let entries = (&old.exchanges_max_entries, &mut new.exchanges_max_entries);
        self.value("store.exchanges_max_entries", entries.0, entries.1);
        self.value("store.exchanges_max_bytes", &old.exchanges_max_bytes, &mut new.exchanges_max_bytes);
    }

    fn calls(&mut self, old: &Calls, new: &mut Calls) {
        self.value("calls.path", &old.path, &mut new.path);
        self.value("calls.subpaths", &old.subpaths, &mut new.subpaths);
        self.value("calls.openid_configuration", &old.openid_configuration, &mut new.openid_configuration);
    }

    fn subscriptions(&mut self, old: &Subscriptions, new: &mut Subscriptions) {
        self.value("subscriptions.path", &old.path, &mut new.path);
        self.value("subscriptions.lifecycle_path", &old.lifecycle_path, &mut new.lifecycle_path);
        self.value("subscriptions.openid_configuration", &old.openid_configuration, &mut new.openid_configuration);
    }
}

/// Whether two values without secrets differ.
pub(super) fn differ(old: &impl Debug, new: &impl Debug) -> bool {
    format!("{old:?}") != format!("{new:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let calls = if text.contains("[calls]") { "" } else { "[calls]\napp_ids = ['x']\n" };
        let variables = [("STATE".to_owned(), "state".to_owned())];
        crate::config::parse(&format!("{text}\n{calls}"), variables.into_iter()).unwrap().config
    }

    #[test]
    fn a_key_that_needs_a_restart_keeps_its_value_and_is_named() {
        let old = config("");
        let new = config(
            "[server]\nlisten = '127.0.0.1:9'\nmax_body = '2MiB'\n[store]\npath = 'other'\n[log]\nformat = 'text'",
        );
        let (kept, named) = keep_values(&old, new);
        assert_eq!(named, ["server.listen", "store.path", "log.format"]);
        assert_eq!((kept.server.listen, &kept.store.path), (old.server.listen, &old.store.path));
        assert_eq!(kept.server.max_body_bytes, 2 << 20, "and what needs none is changed");
        assert_eq!(keep_values(&old, config("")).1, Vec::<String>::new());
    }

    #[test]
    fn a_channel_that_is_new_or_gone_needs_a_restart() {
        let subscriptions = "[subscriptions]\napp_ids = ['x']\nclient_states = [{ env = 'STATE' }]";
        let (both, one) = (config(subscriptions), config(""));
        let (kept, named) = keep_values(&one, both.clone());
        assert_eq!((kept.subscriptions.is_some(), named), (false, vec!["subscriptions".to_owned()]));
        let (kept, named) = keep_values(&both, one);
        assert_eq!((kept.subscriptions.is_some(), named), (true, vec!["subscriptions".to_owned()]));
    }

    #[test]
    fn the_last_token_of_a_listener_that_others_reach_stays() {
        let token = format!("[[admin.tokens]]\nname = 'ops'\nsha256 = '{}'\nscopes = ['read']\n", "a".repeat(64));
        let open = config(&format!("[admin]\nlisten = '0.0.0.0:8081'\n{token}"));
        let (kept, named) = keep_values(&open, config(""));
        assert_eq!((kept.admin.tokens.len(), named), (1, vec!["admin.tokens".to_owned(), "admin.listen".to_owned()]));
        let (kept, named) = keep_values(&config(&token), config(""));
        assert_eq!((kept.admin.tokens.len(), named), (0, Vec::new()), "on loopback it may go");
    }

    #[test]
    fn what_is_shown_of_a_key_that_needs_a_restart_stays_too() {
        let shown = |text: &str| -> Vec<Shown> {
            let of = |word: &str| {
                let (path, value) = word.split_once('=').unwrap();
                Shown { path: path.into(), value: value.into(), is_set: value != "none", origin: None }
            };
            text.split(' ').map(of).collect()
        };
        let (old, new) = (shown("a.b=1 s.x=1 s.y[0].z=1 t=1"), shown("a.b=2 s=none t=2"));
        assert_eq!(keep_shown(&old, new.clone(), "s"), shown("a.b=2 s.x=1 s.y[0].z=1 t=2"));
        assert_eq!(keep_shown(&old, new, "a.b"), shown("a.b=1 s=none t=2"));
        assert_eq!(keep_shown(&shown("s=none"), old, "s"), shown("a.b=1 s=none t=1"));
    }
}
