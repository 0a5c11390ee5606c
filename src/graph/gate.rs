//! The checks that an item of a subscription must pass by itself: its `clientState` and its shape. They also decide
//! whether the item needs a validation token as well, by its content and its subscription.

use bytes::Bytes;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::dialects::Dialects;
use super::envelope::{self, Envelope};
use super::payload::{self, Object};
use super::rich_subscriptions::{self, Rich};
use super::validation::Coverage;
use super::{Limits, Refusal};
use crate::config;
use crate::domain::{Dialect, Proof, Raw, Reason, Verified};

/// One sample of Microsoft's documentation has this spelling of `encryptedContent`. Accepting it makes the checks
/// stricter, not weaker.
const ENCRYPTED_KEYS: [&str; 2] = ["encryptedContent", "EncryptedContent"];

/// The requirements for items.
pub(super) struct Gate {
    pub(super) limits: Limits,
    client_states: Vec<[u8; 32]>,
    tenants: Vec<String>,
    pub(super) rich: Rich,
}

/// A POST after the check of each item.
pub(super) struct Post {
    pub(super) items: Vec<Raw>,
    pub(super) judged: Vec<Result<Opened, Reason>>,
    pub(super) validation_tokens: Option<Raw>,
}

/// An item that passed its own check.
pub(super) struct Opened {
    pub(super) raw: Raw,
    pub(super) encrypted: Option<Raw>,
    pub(super) needs_token: bool,
    pub(super) proof: Proof,
    pub(super) tenant_id: Option<String>,
    pub(super) dialects: Dialects,
}

impl Gate {
    /// The gate for the configured subscriptions.
    pub(super) fn new(config: &config::Subscriptions, limits: Limits) -> Self {
        let digest = |state: &secrecy::SecretString| Sha256::digest(state.expose_secret()).into();
        Self {
            limits,
            client_states: config.client_states.iter().map(digest).collect(),
            tenants: config.tenants.clone(),
            rich: Rich::new(&config.encrypted),
        }
    }

    /// The gate for the subscriptions of another config. What was learned about them stays.
    pub(super) fn again(&self, config: &config::Subscriptions, limits: Limits) -> Self {
        Self { rich: self.rich.again(&config.encrypted), ..Self::new(config, limits) }
    }

    /// Reads the body of a POST and checks its items.
    ///
    /// # Errors
    /// Why the whole POST is refused.
    pub(super) fn open_all(&self, body: &Bytes) -> Result<Post, Refusal> {
        let envelope = Envelope::read(body, self.limits).map_err(|refusal| match refusal {
            Refusal::Legacy => Refusal::Malformed(Reason::Shape),
            other => other,
        })?;
        let items: Vec<Raw> = envelope.items.iter().map(|item| envelope::raw(body, item)).collect();
        let judged = match envelope.is_ambiguous {
            true => items.iter().map(|_| Err(Reason::JsonDuplicate)).collect(),
            false => envelope.items.iter().zip(&items).map(|(item, raw)| self.open(item.get(), raw)).collect(),
        };
        let validation_tokens = envelope.validation_tokens.map(|tokens| envelope::raw(body, tokens));
        Ok(Post { items, judged, validation_tokens })
    }

    /// Checks an item's `clientState` and shape.
    ///
    /// # Errors
    /// Why it goes to the quarantine.
    pub(super) fn open(&self, text: &str, raw: &Raw) -> Result<Opened, Reason> {
        let item = Object::read(text)?;
        let is_ambiguous = item.repeats(envelope::AUTHORITY_KEYS)
            || item.repeats(&ENCRYPTED_KEYS)
            || ENCRYPTED_KEYS.iter().all(|key| item.has(key))
            || item.repeats(&["lifecycleEvent"]);
        if is_ambiguous {
            return Err(Reason::JsonDuplicate);
        }
        let mut dialects = Dialects::default();
        let state = item.get("clientState").and_then(|value| payload::text(value).ok());
        if !self.knows(state.as_deref()) {
            return Err(Reason::ClientState);
        }
        dialects.note_if(item.repeats_any(), Dialect::RepeatedKey);
        dialects.note_if(item.has(ENCRYPTED_KEYS[1]), Dialect::EncryptedContentCase);
        let tenant_id = tenant(&item, &mut dialects);
        if !self.tenants.is_empty() && !tenant_id.as_ref().is_some_and(|tenant| self.tenants.contains(tenant)) {
            return Err(Reason::JwtTenant);
        }
        let encrypted = ENCRYPTED_KEYS.iter().find_map(|key| item.present(key));
        let needs_token = encrypted.is_some() || self.is_of_rich_subscription(&item);
        let encrypted = encrypted.map(|content| envelope::raw(&raw.0, content));
        Ok(Opened { raw: raw.clone(), encrypted, needs_token, proof: Proof::ClientState, tenant_id, dialects })
    }

    /// Whether a subscription that sends encrypted content sent a plain item. Graph sends no tokens with lifecycle events.
    fn is_of_rich_subscription(&self, item: &Object<'_>) -> bool {
        let id = item.present("subscriptionId").and_then(|id| payload::text(id).ok());
        id.is_some_and(|id| self.rich.holds(&id)) && item.present("lifecycleEvent").is_none()
    }

    /// The subscription of a verified item, if it is new that this subscription sends encrypted content.
    pub(super) fn learned_from(&self, verified: &Verified) -> Option<String> {
        let id = verified.notification().subscription_id.as_deref()?;
        let is_new = verified.proof() == Proof::ValidationToken && !self.rich.holds(id);
        is_new.then(|| rich_subscriptions::key(id))
    }

    /// Whether a `clientState` is one of ours. Takes the same time for each of them, and for a missing one.
    fn knows(&self, state: Option<&str>) -> bool {
        let digest: [u8; 32] = Sha256::digest(state.unwrap_or_default()).into();
        let is_known = self.client_states.iter().fold(Choice::from(0), |known, ours| known | ours.ct_eq(&digest));
        state.is_some() & bool::from(is_known)
    }
}

impl Opened {
    /// If the item needs a validation token, one must cover it.
    pub(super) fn proven_by(mut self, coverage: &Coverage) -> Result<Self, Reason> {
        if self.needs_token {
            coverage.covers(self.tenant_id.as_deref())?;
            self.proof = Proof::ValidationToken;
        }
        Ok(self)
    }
}

/// `tenantId`, or `organizationId`, in lower case. A value that is not text names no tenant.
fn tenant(item: &Object<'_>, dialects: &mut Dialects) -> Option<String> {
    for (key, is_old) in [("tenantId", false), ("organizationId", true)] {
        match item.text(key, dialects) {
            Ok(Some(tenant)) => {
                dialects.note_if(is_old, Dialect::OrganizationId);
                return Some(tenant.to_ascii_lowercase());
            }
            Ok(None) => {}
            Err(_unreadable) => {
                dialects.note(Dialect::UnreadableMember);
                return None;
            }
        }
    }
    None
}
