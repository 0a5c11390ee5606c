//! What the tests of this room share.

pub(super) mod identity;

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use self::identity::{Identity, Provider, pem, rsa_key};
use super::certificates::Certificates;
use super::keys::Keys;
use super::{Calls, Limits, Subscriptions};
use crate::clock::Clock;
use crate::config;
use crate::domain::Channel;
use crate::telemetry::Metrics;

pub(super) const APP: &str = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f";
pub(super) const TENANT: &str = "84bd8158-6d4d-4958-8b9f-9d6445542f95";
pub(super) const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";
pub(super) const STATE: &str = "a secret state";
/// When tests begin.
pub(super) const NOW: i64 = 1_700_000_000;

/// How content is sealed; the default is as Graph does it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealing {
    pub flip_data: bool,
    pub flip_signature: bool,
    pub flip_key: bool,
    pub oaep_sha256: bool,
    pub bad_padding: bool,
    pub key_bytes: usize,
}

impl Default for Sealing {
    fn default() -> Self {
        Self {
            flip_data: false,
            flip_signature: false,
            flip_key: false,
            oaep_sha256: false,
            bad_padding: false,
            key_bytes: 32,
        }
    }
}

/// `encryptedContent` of `plain`, as Graph makes it.
pub(super) fn seal(plain: &[u8]) -> Value {
    seal_with(plain, Sealing::default())
}

pub(super) fn seal_with(plain: &[u8], sealing: Sealing) -> Value {
    let mut key = vec![0; sealing.key_bytes];
    aws_lc_rs::rand::fill(&mut key).unwrap();
    let aes: Vec<u8> = key.iter().copied().cycle().take(32).collect();
    let mut padded = plain.to_vec();
    let n = 16 - plain.len() % 16;
    padded.extend(vec![if sealing.bad_padding { 0xee } else { u8::try_from(n).unwrap() }; n]);
    let cbc = EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, &aes).unwrap()).unwrap();
    let iv: [u8; 16] = aes[..16].try_into().unwrap();
    cbc.less_safe_encrypt(&mut padded, EncryptionContext::Iv128(FixedLength::from(iv))).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(&padded);
    let mut signature = mac.finalize().into_bytes().to_vec();
    let public = PrivateDecryptingKey::from_pkcs8(rsa_key()).unwrap().public_key();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let algorithm = if sealing.oaep_sha256 { &OAEP_SHA256_MGF1SHA256 } else { &OAEP_SHA1_MGF1SHA1 };
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(algorithm, &key, &mut wrapped, None).unwrap();
    padded[0] ^= u8::from(sealing.flip_data);
    signature[31] ^= u8::from(sealing.flip_signature);
    wrapped[100] ^= u8::from(sealing.flip_key);
    json!({
        "data": STANDARD.encode(padded), "dataKey": STANDARD.encode(wrapped), "dataSignature": STANDARD.encode(signature),
        "encryptionCertificateId": "cert-1", "encryptionCertificateThumbprint": "07293748CC064953A3052FB978C735FB89E61C3D",
    })
}

fn certificate() -> config::Certificate {
    config::Certificate {
        id: "cert-1".into(),
        private_key: SecretString::from(pem("PRIVATE KEY", rsa_key())),
        thumbprint: None,
    }
}

/// The ring that opens what [`seal`] sealed.
pub(super) fn certificates() -> Certificates {
    Certificates::new(&[certificate()]).unwrap()
}

/// A receiver's Graph side with its provider, on a manual clock.
pub(super) struct Graph {
    pub(super) identity: Identity,
    pub(super) provider: Provider,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) keys: Arc<Keys>,
    pub(super) calls: Calls,
    pub(super) subscriptions: Subscriptions,
    _stop: tokio_util::sync::DropGuard,
}

impl Graph {
    /// Starts it; an actix system must be running. The keys are on their way when it returns.
    pub(super) fn start() -> Self {
        let identity = Identity::shared("key-1");
        let provider = Provider::start(&[identity.jwk(json!({}))]);
        Self::at(identity, provider)
    }

    pub(super) fn at(identity: Identity, provider: Provider) -> Self {
        let (clock, metrics) = (Clock::manual(Timestamp::from_second(NOW).unwrap()), Arc::new(Metrics::new()));
        let keys = Keys::new(Channel::Calls, provider.url.clone(), Arc::clone(&metrics), clock.clone()).unwrap();
        let stop = CancellationToken::new();
        actix_web::rt::spawn(Arc::clone(&keys).keep_fresh(stop.clone()));
        let limits = Limits { max_items: 100 };
        let calls = Calls::new(&calls(&provider), Arc::clone(&keys), limits, clock.clone());
        let subscriptions = Subscriptions::new(&subscriptions(&provider), Arc::clone(&keys), limits, clock.clone());
        let subscriptions = subscriptions.unwrap();
        Self { identity, provider, clock, metrics, keys, calls, subscriptions, _stop: stop.drop_guard() }
    }

    /// The claims of a calling token.
    pub(super) fn call_claims(&self) -> Value {
        let now = self.clock.now().as_second();
        json!({
            "aud": APP, "iss": "https://api.botframework.com", "iat": now, "nbf": now, "exp": now + 3900, "tid": TENANT,
        })
    }

    /// The claims of a validation token, version 1.0 or 2.0.
    pub(super) fn validation_claims(&self, version: &str) -> Value {
        let now = self.clock.now().as_second();
        let (iss, publisher) = match version {
            "1.0" => (format!("https://sts.windows.net/{TENANT}/"), "appid"),
            _ => (format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "azp"),
        };
        json!({
            "aud": APP, "iss": iss, "iat": now, "nbf": now, "exp": now + 3900, "tid": TENANT, "ver": version,
            publisher: PUBLISHER,
        })
    }
}

pub(super) fn calls(provider: &Provider) -> config::Calls {
    config::Calls {
        path: "/graph/calls".into(),
        subpaths: false,
        app_ids: vec![APP.into()],
        tenants: vec![],
        issuers: vec!["https://api.botframework.com".into(), "https://graph.microsoft.com".into()],
        openid_configuration: provider.url.clone(),
    }
}

fn subscriptions(provider: &Provider) -> config::Subscriptions {
    config::Subscriptions {
        path: "/graph/notifications".into(),
        lifecycle_path: "/graph/lifecycle".into(),
        app_ids: vec![APP.into()],
        tenants: vec![],
        openid_configuration: provider.url.clone(),
        issuers: vec![
            "https://sts.windows.net/{tenantid}/".into(),
            "https://login.microsoftonline.com/{tenantid}/v2.0".into(),
        ],
        publisher: PUBLISHER.into(),
        client_states: vec![SecretString::from("the state before"), SecretString::from(STATE)],
        certificates: vec![certificate()],
        encrypted: vec![],
        max_pending_decryptions: 4,
    }
}

/// Overrides members of an object; `null` removes.
pub(super) fn with(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        let members = object.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(key)
        } else {
            members.insert(key.clone(), value.clone())
        };
    }
    object
}

/// A body of these items.
pub(super) fn body(items: &[Value]) -> Bytes {
    Bytes::from(json!({ "value": items }).to_string())
}
