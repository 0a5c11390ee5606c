//! What the targets share: both channels, configured, with no provider behind them.

#![forbid(unsafe_code)]

use std::future::Future;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::Channel;
use reelhook::graph::keys::Keys;
use reelhook::graph::{Calls, Limits, Subscriptions};
use reelhook::telemetry::Metrics;
use secrecy::SecretString;
use tokio::runtime::Runtime;

/// The `clientState` that items prove themselves by: put it into seeds.
pub const STATE: &str = "state";

/// Both channels.
pub struct Receiver {
    /// The calling channel.
    pub calls: Calls,
    /// The subscription channel.
    pub subscriptions: Subscriptions,
    runtime: Runtime,
}

impl Receiver {
    /// Runs a read as far as it goes without waiting: for keys that never come, or for decryption on another thread.
    pub fn run<T>(&self, read: impl Future<Output = T>) -> Option<T> {
        let _entered = self.runtime.enter();
        read.now_or_never()
    }
}

/// The process's receiver.
pub fn receiver() -> &'static Receiver {
    static RECEIVER: OnceLock<Receiver> = OnceLock::new();
    RECEIVER.get_or_init(|| {
        let (metrics, clock, limits) = (Arc::new(Metrics::new()), Clock::system(), Limits { max_items: 100 });
        let url: url::Url = "http://127.0.0.1:1/".parse().expect("an address");
        let keys = Keys::new(Channel::Calls, url.clone(), metrics.clone(), clock.clone()).expect("keys");
        let subscriptions =
            Subscriptions::new(&subscriptions(url.clone()), keys.clone(), limits, clock.clone());
        Receiver {
            calls: Calls::new(&calls(url), keys, limits, clock),
            subscriptions: subscriptions.expect("the subscription channel"),
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
        }
    })
}

fn calls(openid_configuration: url::Url) -> config::Calls {
    config::Calls {
        path: "/graph/calls".into(),
        subpaths: false,
        app_ids: vec!["app".into()],
        tenants: vec![],
        issuers: vec!["https://api.botframework.com".into()],
        openid_configuration,
    }
}

fn subscriptions(openid_configuration: url::Url) -> config::Subscriptions {
    let key: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).expect("a key").as_der().expect("its encoding");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(key.as_ref()));
    config::Subscriptions {
        path: "/graph/notifications".into(),
        lifecycle_path: "/graph/lifecycle".into(),
        app_ids: vec!["app".into()],
        tenants: vec![],
        openid_configuration,
        issuers: vec!["https://sts.windows.net/{tenantid}/".into()],
        publisher: "publisher".into(),
        client_states: vec![SecretString::from(STATE)],
        encrypted: vec![],
        certificates: vec![config::Certificate {
            id: "cert-1".into(),
            private_key: SecretString::from(pem),
            thumbprint: None,
        }],
        max_pending_decryptions: 4,
    }
}
