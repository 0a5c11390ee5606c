//! The calling bot's channel: `commsNotifications`
//! (<https://learn.microsoft.com/graph/api/resources/commsnotifications>), the only one that carries record operations.
//!
//! One bearer token proves the whole POST; it is checked before the body is looked at.

use std::sync::Arc;

use bytes::Bytes;

use super::dialects::Dialects;
use super::envelope::{self, Envelope};
use super::keys::Keys;
use super::payload::{self, Object};
use super::token::{Demands, Tokens};
use super::{Limits, Reading, Refusal};
use super::{content, ended_call};
use crate::clock::Clock;
use crate::config;
use crate::domain::{Channel, Dialect, Notification, Quarantined, Raw, Reason, Verified};

/// Who proved to be the calling platform, and for which tenant it calls.
#[derive(Debug)]
pub struct Sender {
    tenant: Arc<str>,
}

impl Sender {
    fn tenant_id(&self) -> String {
        self.tenant.to_string()
    }

    /// What it sent and nobody can read.
    pub fn quarantined(&self, reason: Reason, raw: Raw) -> Quarantined {
        Quarantined { channel: Channel::Calls, reason, tenant_id: Some(self.tenant_id()), raw }
    }
}

/// Reads the calling channel.
pub struct Calls {
    tokens: Tokens,
    limits: Limits,
}

impl Calls {
    /// Reads POSTs for the configured applications, proven by `keys`.
    pub fn new(config: &config::Calls, keys: Arc<Keys>, limits: Limits, clock: Clock) -> Self {
        let demands = Demands {
            audiences: config.app_ids.clone(),
            issuers: config.issuers.clone(),
            tenants: config.tenants.clone(),
            publisher: None,
        };
        Self { tokens: Tokens::new(keys, clock, demands), limits }
    }

    /// Proves who sends; `authorization` is every value of that header.
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
    pub fn read(&self, sender: &Sender, body: &Bytes) -> Result<Reading, Refusal> {
        let envelope = Envelope::read(body, self.limits)?;
        let mut reading = Reading::default();
        reading.verified.reserve_exact(envelope.items.len());
        for item in &envelope.items {
            let raw = envelope::raw(body, item);
            let judged = if envelope.is_ambiguous {
                Err(Reason::JsonDuplicate)
            } else {
                notification(item.get(), &raw, Some(sender.tenant_id()))
            };
            match judged {
                Ok(notification) => reading.verified.push(Verified::declare(notification)),
                Err(reason) => reading.quarantined.push(sender.quarantined(reason, raw)),
            }
        }
        Ok(reading)
    }

    /// Judges a quarantined item again, of the tenant that its sender proved. Its token is gone, so the operator must
    /// vouch for its origin.
    ///
    /// # Errors
    /// Why it stays refused: what is wrong with it, or [`Reason::AuthHeader`] where nobody vouches.
    pub fn judge_again(&self, raw: Raw, tenant_id: Option<String>, vouched: bool) -> Result<Verified, Reason> {
        let raw = envelope::sole_item(raw, self.limits)?;
        let text = payload::text_of(&raw.0, payload::MAX_DEPTH)?;
        let notification = notification(text, &raw, tenant_id)?;
        if vouched { Ok(Verified::declare(notification)) } else { Err(Reason::AuthHeader) }
    }
}

/// The token of the one `Authorization` header (RFC 6750).
fn bearer<'a>(authorization: &[&'a [u8]]) -> Result<&'a [u8], Reason> {
    let [header] = authorization else { return Err(Reason::AuthHeader) };
    let at = header.iter().position(|byte| *byte == b' ').ok_or(Reason::AuthHeader)?;
    let (scheme, token) = header.split_at(at);
    let token = token.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty() { Ok(token) } else { Err(Reason::AuthHeader) }
}

fn notification(item: &str, raw: &Raw, tenant_id: Option<String>) -> Result<Notification, Reason> {
    let item = Object::read(item)?;
    if item.repeats(envelope::AUTHORITY_KEYS) {
        return Err(Reason::JsonDuplicate);
    }
    let mut dialects = Dialects::default();
    dialects.note_if(item.repeats_any(), Dialect::RepeatedKey);
    let resource = resource(&item, &mut dialects)?;
    let data = item.present("resourceData");
    if resource.is_empty() && data.is_none() {
        return Err(Reason::Shape);
    }
    let change_type = envelope::change_type(&item, &mut dialects)?;
    let about = content::read(data, (&resource, None), &mut dialects)?;
    let ended_call = ended_call::of(&change_type, (&about.resource_type, &resource), &about.content);
    Ok(Notification {
        channel: Channel::Calls,
        resource_type: about.resource_type,
        change_type,
        resource,
        tenant_id,
        subscription_id: None,
        graph_id: None,
        mark: about.mark,
        client_context: about.client_context,
        content: about.content,
        ended_call,
        dialects: dialects.into_vec(),
        request: Arc::default(),
        raw: raw.clone(),
    })
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
