//! The subscription channel: `changeNotificationCollection`
//! (<https://learn.microsoft.com/graph/api/resources/changenotificationcollection>), judged item by item.
//!
//! **Invariants**
//! 1. Every item proves itself by `clientState`; one with encrypted content by a validation token for its tenant as
//!    well.
//! 2. Nothing is decrypted that has not proven itself, and of one POST nothing where not all can be.
//! 3. A well-formed POST is always `Ok`, whatever its items are worth: the sender learns nothing. Only where there is no
//!    place to decrypt or to wait it is refused whole, to come again.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use secrecy::ExposeSecret;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::certificates::{CertificateError, Certificates};
use super::content::{self, About};
use super::dialects::Dialects;
use super::encrypted::Encrypted;
use super::envelope::{self, Envelope};
use super::keys::Keys;
use super::payload::{self, Object};
use super::pool::{Places, Pool};
use super::token::{Demands, Tokens};
use super::undecided;
use super::validation::Coverage;
use super::{Limits, Reading, Refusal, lifecycle};
use crate::clock::Clock;
use crate::config;
use crate::domain::{Channel, Dialect, GraphId, Mark, Notification, Quarantined, Raw, Reason, Verified};

/// One sample of Microsoft's documentation spells `encryptedContent` so. Reading it asks for more proof, not for less.
const ENCRYPTED_KEYS: [&str; 2] = ["encryptedContent", "EncryptedContent"];
/// The deepest nesting of decrypted content: what is built around it must be readable, too.
const MAX_DECRYPTED_DEPTH: usize = payload::MAX_DEPTH - 8;

/// Reads the subscription channel.
pub struct Subscriptions {
    pub(super) tokens: Tokens,
    limits: Limits,
    client_states: Vec<[u8; 32]>,
    tenants: Vec<String>,
    certificates: Certificates,
    pool: Pool,
    waiting: undecided::Places,
}

/// An item that has proven itself as far as it can by itself.
pub(super) struct Opened<'a> {
    item: Object<'a>,
    raw: Raw,
    encrypted: Option<&'a RawValue>,
    tenant_id: Option<String>,
    dialects: Dialects,
}

impl Subscriptions {
    /// Reads POSTs for the configured subscriptions, proven by `keys`.
    ///
    /// # Errors
    /// A certificate's key cannot be used; the text names it.
    pub fn new(
        config: &config::Subscriptions,
        keys: Arc<Keys>,
        limits: Limits,
        clock: Clock,
    ) -> Result<Self, CertificateError> {
        let demands = Demands {
            audiences: config.app_ids.clone(),
            issuers: config.issuers.clone(),
            tenants: config.tenants.clone(),
            publisher: Some(config.publisher.clone()),
        };
        let digest = |state: &secrecy::SecretString| Sha256::digest(state.expose_secret()).into();
        Ok(Self {
            tokens: Tokens::new(keys, clock, demands),
            limits,
            client_states: config.client_states.iter().map(digest).collect(),
            tenants: config.tenants.clone(),
            certificates: Certificates::new(&config.certificates)?,
            pool: Pool::new(config.max_pending_decryptions),
            waiting: undecided::Places::default(),
        })
    }

    /// Reads one POST that came in on `channel`'s path.
    ///
    /// # Errors
    /// Why the whole POST is refused.
    pub async fn read(&self, body: Bytes, channel: Channel) -> Result<Reading, Refusal> {
        let envelope = Envelope::read(&body, self.limits).map_err(|refusal| match refusal {
            Refusal::Legacy => Refusal::Malformed(Reason::Shape),
            other => other,
        })?;
        let items: Vec<Raw> = envelope.items.iter().map(|item| envelope::raw(&body, item)).collect();
        let (tokens, now) = (envelope.validation_tokens, self.tokens.now());
        let mut judged = self.open_all(&envelope, &items);
        if judged.iter().flatten().any(|opened| opened.encrypted.is_some()) {
            let coverage = Coverage::of(tokens, &self.tokens, now).await;
            for item in &mut judged {
                let covered = item.as_ref().map_or(Ok(()), |opened| opened.covered_by(&coverage));
                if let Err(reason) = covered {
                    *item = Err(reason);
                }
            }
        }
        let read = self.decrypt_and_read(judged, channel).await.ok_or(Refusal::Overloaded)?;
        let (mut reading, mut undecided) = (Reading::default(), Vec::new());
        for (item, raw) in read.into_iter().zip(items) {
            match item {
                Ok(notification) => reading.verified.push(Verified::declare(notification)),
                Err(Reason::KeysUnavailable) => undecided.push(raw),
                Err(reason) => reading.quarantined.push(Quarantined { channel, reason, tenant_id: None, raw }),
            }
        }
        let waiting = self.waiting.take(&undecided, channel, (tokens, now));
        reading.undecided = waiting.ok_or(Refusal::Undecided(Reason::KeysUnavailable))?;
        Ok(reading)
    }

    /// Judges a quarantined item again, by the config as it is now. Its validation tokens are gone: where it needs one,
    /// the operator must vouch for its origin. `clientState` must fit all the same.
    ///
    /// # Errors
    /// Why it stays refused.
    pub async fn judge_again(&self, raw: Raw, channel: Channel, vouched: bool) -> Result<Verified, Reason> {
        let raw = envelope::sole_item(raw, self.limits)?;
        let opened = self.open(payload::text_of(&raw.0, payload::MAX_DEPTH)?, &raw)?;
        if opened.encrypted.is_some() && !vouched {
            return Err(Reason::JwtMissing);
        }
        self.read_one(opened, channel).await
    }

    /// Reads an item that is proven.
    pub(super) async fn read_one(&self, opened: Opened<'_>, channel: Channel) -> Result<Verified, Reason> {
        let mut read = self.decrypt_and_read(vec![Ok(opened)], channel).await.ok_or(Reason::Shed)?;
        read.pop().unwrap_or(Err(Reason::Shape)).map(Verified::declare)
    }

    fn open_all<'a>(&self, envelope: &Envelope<'a>, items: &[Raw]) -> Vec<Result<Opened<'a>, Reason>> {
        if envelope.is_ambiguous {
            return items.iter().map(|_| Err(Reason::JsonDuplicate)).collect();
        }
        envelope.items.iter().zip(items).map(|(item, raw)| self.open(item.get(), raw)).collect()
    }

    /// Checks what an item proves by itself.
    pub(super) fn open<'a>(&self, text: &'a str, raw: &Raw) -> Result<Opened<'a>, Reason> {
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
        let tenant_id = tenant(&item, &mut dialects)?;
        if !self.tenants.is_empty() && !tenant_id.as_ref().is_some_and(|tenant| self.tenants.contains(tenant)) {
            return Err(Reason::JwtTenant);
        }
        let encrypted = ENCRYPTED_KEYS.iter().find_map(|key| item.present(key));
        Ok(Opened { item, raw: raw.clone(), encrypted, tenant_id, dialects })
    }

    /// Whether a `clientState` is one of ours. Takes the same time whichever it is, and for none at all.
    fn knows(&self, state: Option<&str>) -> bool {
        let digest: [u8; 32] = Sha256::digest(state.unwrap_or_default()).into();
        let is_known = self.client_states.iter().fold(Choice::from(0), |known, ours| known | ours.ct_eq(&digest));
        state.is_some() & bool::from(is_known)
    }

    /// Decrypts what is encrypted and reads everything. `None`: too much waits already, and nothing was begun.
    async fn decrypt_and_read(
        &self,
        judged: Vec<Result<Opened<'_>, Reason>>,
        channel: Channel,
    ) -> Option<Vec<Result<Notification, Reason>>> {
        let n_encrypted = judged.iter().flatten().filter(|opened| opened.encrypted.is_some()).count();
        if n_encrypted == 0 {
            return Some(judged.into_iter().map(|item| item?.read(None, channel)).collect());
        }
        let places = self.pool.reserve(n_encrypted)?;
        let reads = judged.into_iter().map(|item| {
            let places = places.clone();
            async move {
                let opened = item?;
                let Some(content) = opened.encrypted else { return opened.read(None, channel) };
                let decrypted = self.decrypt(content, places).await?;
                opened.read(Some(&decrypted), channel)
            }
        });
        let reads: Vec<_> = reads.collect();
        drop(places);
        Some(join_all(reads).await)
    }

    async fn decrypt(&self, content: &RawValue, places: Places) -> Result<Vec<u8>, Reason> {
        let encrypted = Encrypted::read(content, &self.certificates)?;
        // The job is lost only with the runtime, and then so is the answer.
        self.pool.run(places, || encrypted.open()).await.unwrap_or(Err(Reason::EncInvalid))
    }
}

impl Opened<'_> {
    pub(super) fn covered_by(&self, coverage: &Coverage) -> Result<(), Reason> {
        if self.encrypted.is_some() { coverage.covers(self.tenant_id.as_deref()) } else { Ok(()) }
    }

    /// Reads the item, with its content where that came encrypted.
    fn read(mut self, decrypted: Option<&[u8]>, channel: Channel) -> Result<Notification, Reason> {
        let dialects = &mut self.dialects;
        let subscription_id = self.item.text("subscriptionId", dialects)?.ok_or(Reason::Shape)?.into_owned();
        let resource = self.item.text("resource", dialects)?.unwrap_or_default().into_owned();
        let graph_id = self.item.text("id", dialects)?.map(Cow::into_owned);
        let ciphertext = |content: &RawValue| Mark::Ciphertext(Raw(Bytes::copy_from_slice(content.get().as_bytes())));
        let (change_type, about) = match lifecycle::event(&self.item, dialects)? {
            Some(event) => {
                let content = lifecycle::content(&self.item)?;
                (event, About { resource_type: lifecycle::TYPE.to_owned(), client_context: None, mark: None, content })
            }
            None => {
                let change_type = envelope::change_type(&self.item, dialects)?;
                (change_type, about(&self.item, decrypted, &resource, dialects)?)
            }
        };
        Ok(Notification {
            channel,
            resource_type: about.resource_type,
            change_type,
            resource,
            tenant_id: self.tenant_id,
            subscription_id: Some(subscription_id),
            graph_id,
            mark: self.encrypted.map(ciphertext).or(about.mark),
            client_context: about.client_context,
            content: about.content,
            ended_call: None,
            dialects: self.dialects.into_vec(),
            request: Arc::default(),
            raw: self.raw,
        })
    }
}

/// `tenantId`, or `organizationId`, in lower case.
fn tenant(item: &Object<'_>, dialects: &mut Dialects) -> Result<Option<String>, Reason> {
    let tenant = match item.text("tenantId", dialects)? {
        Some(tenant) => Some(tenant),
        None => {
            let organization = item.text("organizationId", dialects)?;
            dialects.note_if(organization.is_some(), Dialect::OrganizationId);
            organization
        }
    };
    Ok(tenant.map(|tenant| tenant.to_ascii_lowercase()))
}

/// What the item is about: its `resourceData`, or what was decrypted, whose id must then be the one that stands
/// outside.
fn about(
    item: &Object<'_>,
    decrypted: Option<&[u8]>,
    resource: &str,
    dialects: &mut Dialects,
) -> Result<About, Reason> {
    let data = item.present("resourceData");
    let Some(decrypted) = decrypted else { return content::read(data, (resource, None), dialects) };
    let text = payload::text_of(decrypted, MAX_DECRYPTED_DEPTH).map_err(|_no_json| Reason::EncInvalid)?;
    let inside: &RawValue = serde_json::from_str(text).map_err(|_no_json| Reason::EncInvalid)?;
    let outside = data.and_then(|data| Object::read(data.get()).ok());
    if let (Some(outer), Ok(inner)) = (&outside, Object::read(inside.get()))
        && let (Some(outer), Some(inner)) = (id(outer), id(&inner))
        && outer != inner
    {
        return Err(Reason::EncInvalid);
    }
    let outer_type = outside.as_ref().and_then(|outer| payload::text(outer.present("@odata.type")?).ok());
    let outer_type = outer_type.filter(|name| !name.is_empty());
    content::read(Some(inside), (resource, outer_type), dialects)
}

fn id(object: &Object<'_>) -> Option<GraphId> {
    payload::text(object.present("id")?).ok().and_then(|id| GraphId::new(&id))
}
