//! The calling bot's channel: `commsNotifications`
//! (<https://learn.microsoft.com/graph/api/resources/commsnotifications>), the only one that carries record operations.
//!
//! One bearer token verifies the whole POST; it is checked before the body is read.

use std::sync::Arc;

use bytes::Bytes;

use super::collection::Room;
use super::content::{self, About, Place};
use super::demands::Demands;
use super::dialects::Dialects;
use super::envelope::{self, Envelope};
use super::keys::Keys;
use super::nesting;
use super::payload::Object;
use super::readers::Readers;
use super::token::Tokens;
use super::{Limits, Reading, Refusal, ended_call};
use crate::clock::Clock;
use crate::config;
use crate::domain::{Channel, Dialect, Notification, Proof, Quarantined, Raw, Reason, Verified};
use crate::web::bearer;

/// The verified calling platform, and the tenant that it calls for.
#[derive(Clone, Debug)]
pub struct Sender {
    tenant: Arc<str>,
}

impl Sender {
    fn tenant_id(&self) -> String {
        self.tenant.to_string()
    }

    /// A body of the platform that cannot be read.
    pub fn quarantined(&self, reason: Reason, raw: Raw) -> Quarantined {
        let (channel, tenant_id) = (Channel::Calls, Some(self.tenant_id()));
        Quarantined { channel, reason, tenant_id, raw, request: Arc::default(), had_client_state: false, held: None }
    }
}

/// Reads the calling channel.
pub struct Calls {
    tokens: Tokens,
    limits: Limits,
    readers: Readers,
}

impl Calls {
    /// Reads POSTs for the configured applications, verified with `keys`.
    pub fn new(config: &config::Calls, keys: Arc<Keys>, limits: Limits, clock: Clock) -> Self {
        let demands = Demands::of_calls(config);
        Self { tokens: Tokens::new(keys, clock, demands), limits, readers: Readers::default() }
    }

    /// The same channel with another config. Keys and places are shared; verified tokens are verified again.
    pub fn again(&self, config: &config::Calls, limits: Limits) -> Self {
        let Self { tokens, readers, .. } = self;
        Self { readers: readers.clone(), ..Self::new(config, tokens.keys(), limits, tokens.clock()) }
    }

    /// Verifies the sender; `authorization` has every value of that header.
    ///
    /// # Errors
    /// Why the whole POST is refused.
    pub async fn prove(&self, authorization: &[&[u8]]) -> Result<Sender, Refusal> {
        let token = bearer(authorization).map_err(Refusal::Unauthorized)?;
        match self.tokens.prove(token, self.tokens.now()).await {
            Ok(tenant) => Ok(Sender { tenant }),
            Err(Reason::KeysUnavailable) => Err(Refusal::Undecided(Reason::KeysUnavailable)),
            Err(reason) => Err(Refusal::Unauthorized(reason)),
        }
    }

    /// Reads the body of one POST.
    ///
    /// # Errors
    /// Why the whole POST is refused.
    pub async fn read(&self, sender: &Sender, body: Bytes) -> Result<Reading, Refusal> {
        let (sender, limits) = (sender.clone(), self.limits);
        let read = self.readers.read(body.len(), move || read(&sender, &body, limits)).await;
        read.unwrap_or(Err(Refusal::Overloaded))
    }

    /// Verifies a quarantined item again. `tenant` is the tenant to which its sender verifiably belongs. The token was
    /// not stored, so the operator must vouch for the item's origin. Then an item that cannot be parsed is delivered as
    /// it is. The item counts as verified by a token if it is known that it had one.
    ///
    /// # Errors
    /// Why it stays refused: for its own fault, or with [`Reason::AuthHeader`] if nobody vouches.
    pub fn judge_again(&self, raw: Raw, tenant_id: Option<String>, vouched: bool) -> Result<Vec<Verified>, Reason> {
        let proof = if tenant_id.is_some() { Proof::BearerToken } else { Proof::OperatorsWord };
        let room = Room::for_operations(self.limits.max_items);
        let read = envelope::sole_item(raw.clone(), self.limits).and_then(|raw| {
            let text = nesting::document(&raw.0, nesting::MAX_DEPTH)?;
            let item = Object::read(text)?;
            // The operator vouches for these keys as well.
            let is_ambiguous = !vouched && item.repeats(envelope::AUTHORITY_KEYS);
            if is_ambiguous {
                Err(Reason::JsonDuplicate)
            } else {
                notifications(&item, &raw, (tenant_id.clone(), &room))
            }
        });
        let notifications = match read {
            Err(reason) if vouched => vec![untyped(raw, tenant_id).map_err(|_no_json| reason)?],
            read => read?,
        };
        if !vouched {
            return Err(Reason::AuthHeader);
        }
        Ok(notifications.into_iter().map(|it| Verified::declare(it, proof)).collect())
    }
}

fn read(sender: &Sender, body: &Bytes, limits: Limits) -> Result<Reading, Refusal> {
    let envelope = Envelope::read(body, limits)?;
    let mut reading = Reading::default();
    reading.verified.reserve_exact(envelope.items.len());
    let room = Room::for_operations(limits.max_items);
    for item in &envelope.items {
        let raw = envelope::raw(body, item);
        let judged = match Object::read(item.get()) {
            _ if envelope.is_ambiguous => Err(Reason::JsonDuplicate),
            Ok(item) if item.repeats(envelope::AUTHORITY_KEYS) => Err(Reason::JsonDuplicate),
            Ok(item) => notifications(&item, &raw, (Some(sender.tenant_id()), &room)),
            Err(reason) => Err(reason),
        };
        match judged {
            Ok(told) => reading.verified.extend(told.into_iter().map(|it| Verified::declare(it, Proof::BearerToken))),
            Err(reason) => reading.quarantined.push(sender.quarantined(reason, raw)),
        }
    }
    Ok(reading)
}

/// The token of the one `Authorization` header (RFC 6750).
fn bearer<'a>(authorization: &[&'a [u8]]) -> Result<&'a [u8], Reason> {
    let [header] = authorization else { return Err(Reason::AuthHeader) };
    bearer::token(header).ok_or(Reason::AuthHeader)
}

/// The notifications of an item: one, or one for each record operation of a collection.
fn notifications(
    item: &Object<'_>,
    raw: &Raw,
    (tenant_id, room): (Option<String>, &Room),
) -> Result<Vec<Notification>, Reason> {
    let mut dialects = Dialects::default();
    dialects.note_if(item.repeats_any(), Dialect::RepeatedKey);
    let resource = resource(item, &mut dialects)?;
    let data = item.present("resourceData");
    if resource.is_empty() && data.is_none() {
        return Err(Reason::Shape);
    }
    let change_type = envelope::change_type(item, &mut dialects)?;
    let place = Place { resource: &resource, outer_type: None, within: raw, room };
    let parts = content::read(data, place, &mut dialects)?;
    let ended = |about: &About| ended_call::of(&change_type, &about.resource_type, &resource, &about.content);
    let ended_call = parts.first().and_then(ended);
    let item =
        Notification { change_type, resource, ended_call, ..content::bare(Channel::Calls, raw.clone(), tenant_id) };
    Ok(content::each(item, dialects, parts))
}

/// An item that an operator vouched for and that cannot be parsed.
fn untyped(raw: Raw, tenant_id: Option<String>) -> Result<Notification, Reason> {
    let about = content::untyped(nesting::document(&raw.0, nesting::MAX_DEPTH)?)?;
    let mut dialects = Dialects::default();
    dialects.note(Dialect::UnreadableMember);
    let told = content::each(content::bare(Channel::Calls, raw.clone(), tenant_id), dialects, vec![about]);
    told.into_iter().next().ok_or(Reason::Shape)
}

/// The resource's path: `resourceUrl`, or before 2019 `resource`.
fn resource(item: &Object<'_>, dialects: &mut Dialects) -> Result<String, Reason> {
    if let Some(url) = item.text("resourceUrl", dialects)? {
        return Ok(url.into_owned());
    }
    let before = item.text("resource", dialects)?;
    dialects.note_if(before.is_some(), Dialect::ResourceForResourceUrl);
    Ok(before.unwrap_or_default().into_owned())
}
