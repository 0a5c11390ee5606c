//! The subscription channel: `changeNotificationCollection`
//! (<https://learn.microsoft.com/graph/api/resources/changenotificationcollection>), judged item by item.
//!
//! **Invariants**
//! 1. Every item must have one of our `clientState`s. An item with encrypted content, and every item of a subscription
//!    that sends such content, also needs a validation token for its tenant.
//! 2. Nothing is decrypted before it is verified; and if one item of a POST cannot be decrypted now, none is.
//! 3. The answer to a well-formed POST does not depend on whether its items are verified, so the sender learns nothing
//!    from it. The whole POST is refused only if there is no room to read it, to decrypt it or to keep it waiting; then
//!    Graph sends it again.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::value::RawValue;

use super::certificates::{CertificateError, Certificates};
use super::collection::Room;
use super::content::{self, About, Place};
use super::demands::Demands;
use super::dialects::Dialects;
use super::encryption::Encrypted;
use super::envelope;
use super::gate::{Gate, Opened, Post};
use super::keys::Keys;
use super::nesting;
use super::payload::{self, Object};
use super::pool::{Places, Pool};
use super::readers::Readers;
use super::token::Tokens;
use super::undecided_item;
use super::validation::Coverage;
use super::{Limits, Reading, Refusal, lifecycle};
use crate::clock::Clock;
use crate::config;
use crate::domain::{Channel, Dialect, GraphId, Mark, Notification, Proof, Quarantined, Raw, Reason, Verified};

/// The longest instant that is stored: `2026-12-10T00:00:00.0000000+00:00` has 33 characters.
const MAX_INSTANT_BYTES: usize = 64;
/// The deepest nesting of decrypted content: reelhook wraps it, and the result must be readable too.
const MAX_DECRYPTED_DEPTH: usize = nesting::MAX_DEPTH - 8;

/// Reads the subscription channel.
pub struct Subscriptions {
    pub(super) tokens: Tokens,
    gate: Arc<Gate>,
    certificates: Arc<Certificates>,
    pool: Pool,
    readers: Readers,
    pub(super) waiting: undecided_item::Places,
}

/// The result for each item.
type Read = Result<Vec<Verified>, Reason>;

impl Subscriptions {
    /// Reads POSTs for the configured subscriptions, verified with `keys`.
    ///
    /// # Errors
    /// A certificate's key cannot be used; the text names it.
    pub fn new(
        config: &config::Subscriptions,
        keys: Arc<Keys>,
        limits: Limits,
        clock: Clock,
    ) -> Result<Self, CertificateError> {
        let demands = Demands::of_subscriptions(config);
        Ok(Self {
            tokens: Tokens::new(keys, clock, demands),
            gate: Arc::new(Gate::new(config, limits)),
            certificates: Arc::new(Certificates::new(&config.certificates)?),
            pool: Pool::new(config.max_pending_decryptions),
            readers: Readers::default(),
            waiting: undecided_item::Places::default(),
        })
    }

    /// The same channel with another config. Keys, places, waiting items and what was learned are shared; verified
    /// tokens are verified again.
    ///
    /// # Errors
    /// As [`Subscriptions::new`].
    pub fn again(&self, config: &config::Subscriptions, limits: Limits) -> Result<Self, CertificateError> {
        Ok(Self {
            gate: Arc::new(self.gate.again(config, limits)),
            pool: self.pool.with_places(config.max_pending_decryptions),
            readers: self.readers.clone(),
            waiting: self.waiting.clone(),
            ..Self::new(config, self.tokens.keys(), limits, self.tokens.clock())?
        })
    }

    /// The subscriptions of verified items of which it is new that they send encrypted content.
    pub fn learned_from(&self, verified: &[Verified]) -> Vec<String> {
        verified.iter().filter_map(|it| self.gate.learned_from(it)).collect()
    }

    /// Remembers subscriptions that send encrypted content: their plain items need a validation token as well.
    pub fn remember_rich(&self, subscription_ids: &[String]) {
        self.gate.rich.remember(subscription_ids);
    }

    /// Reads one POST that came in on `channel`'s path.
    ///
    /// # Errors
    /// Why the whole POST is refused.
    pub async fn read(&self, body: Bytes, channel: Channel) -> Result<Reading, Refusal> {
        let (gate, came_at) = (Arc::clone(&self.gate), self.tokens.clock_now());
        let now = came_at.as_second();
        let post = self.readers.read(body.len(), move || gate.open_all(&body)).await;
        let Post { items, mut judged, validation_tokens } = post.unwrap_or(Err(Refusal::Overloaded))?;
        let tokens = validation_tokens.as_ref().and_then(|raw| serde_json::from_slice::<&RawValue>(&raw.0).ok());
        if judged.iter().flatten().any(|opened| opened.needs_token) {
            let coverage = Coverage::of(tokens, &self.tokens, now).await;
            judged = judged.into_iter().map(|opened| opened?.proven_by(&coverage)).collect();
        }
        let was_opened: Vec<bool> = judged.iter().map(Result::is_ok).collect();
        let read = self.read_all(judged, channel).await.ok_or(Refusal::Overloaded)?;
        let (mut reading, mut undecided) = (Reading::default(), Vec::new());
        for ((item, raw), had_client_state) in read.into_iter().zip(items).zip(was_opened) {
            match item {
                Ok(verified) => {
                    reading.learned.extend(self.learned_from(&verified));
                    reading.verified.extend(verified);
                }
                Err(Reason::KeysUnavailable) => undecided.push(raw),
                Err(reason) => {
                    let (tenant_id, held) = (None, None);
                    let request = Arc::default();
                    reading.quarantined.push(Quarantined {
                        channel,
                        reason,
                        tenant_id,
                        raw,
                        request,
                        had_client_state,
                        held,
                    });
                }
            }
        }
        let waiting = self.waiting.take(&undecided, channel, (tokens, came_at));
        reading.undecided = waiting.ok_or(Refusal::Undecided(Reason::KeysUnavailable))?;
        Ok(reading)
    }

    /// Verifies a quarantined item again, with the current config. Its validation tokens were not stored. If it needs
    /// one, the operator must vouch for its origin. `clientState` must match in any case. With an operator's word, an
    /// item that cannot be parsed is delivered as it is.
    ///
    /// # Errors
    /// Why it stays refused.
    pub async fn judge_again(&self, raw: Raw, channel: Channel, vouched: bool) -> Result<Vec<Verified>, Reason> {
        let raw = envelope::sole_item(raw, self.gate.limits)?;
        let opened = self.open(nesting::document(&raw.0, nesting::MAX_DEPTH)?, &raw)?;
        if opened.needs_token && !vouched {
            return Err(Reason::JwtMissing);
        }
        let tenant_id = opened.tenant_id.clone();
        match self.read_one(opened, channel).await {
            Err(reason @ (Reason::Shape | Reason::JsonInvalid)) if vouched => {
                let about =
                    content::untyped(nesting::document(&raw.0, nesting::MAX_DEPTH)?).map_err(|_no_json| reason)?;
                let (item, mut dialects) = (content::bare(channel, raw.clone(), tenant_id), Dialects::default());
                dialects.note(Dialect::UnreadableMember);
                let told = content::each(item, dialects, vec![about]);
                Ok(told.into_iter().map(|it| Verified::declare(it, Proof::ClientState)).collect())
            }
            judged => judged,
        }
    }

    /// Reads a verified item.
    pub(super) async fn read_one(&self, opened: Opened, channel: Channel) -> Read {
        let mut read = self.read_all(vec![Ok(opened)], channel).await.ok_or(Reason::Shed)?;
        read.pop().unwrap_or(Err(Reason::Shape))
    }

    /// Checks the item's own `clientState`.
    pub(super) fn open(&self, text: &str, raw: &Raw) -> Result<Opened, Reason> {
        self.gate.open(text, raw)
    }

    /// Decrypts the encrypted content and reads all items. `None`: too many jobs wait already; nothing was begun.
    async fn read_all(&self, judged: Vec<Result<Opened, Reason>>, channel: Channel) -> Option<Vec<Read>> {
        let room = Room::for_operations(self.gate.limits.max_items);
        let mut read: Vec<Read> = Vec::with_capacity(judged.len());
        let (mut plain, mut encrypted) = (Vec::new(), Vec::new());
        for (n, item) in judged.into_iter().enumerate() {
            // The values that are read below replace this one.
            read.push(Err(item.as_ref().err().copied().unwrap_or(Reason::Shape)));
            match item {
                Ok(opened) if opened.encrypted.is_some() => encrypted.push((n, opened)),
                Ok(opened) => plain.push((n, opened)),
                Err(_reason) => {}
            }
        }
        let places = if encrypted.is_empty() { None } else { Some(self.pool.reserve(encrypted.len())?) };
        let n_bytes = plain.iter().map(|(_, opened)| opened.raw.0.len()).sum();
        let in_plain = room.clone();
        let each = move |(n, opened): (usize, Opened)| (n, opened.read(None, channel, &in_plain));
        let of_plain = self.readers.read(n_bytes, move || plain.into_iter().map(each).collect::<Vec<_>>()).await?;
        if let Some(places) = places {
            let decrypted = encrypted.into_iter().map(|(n, opened)| {
                let job = self.decrypt_and_read(opened, places.clone(), channel, room.clone());
                async move { (n, job.await) }
            });
            let decrypted: Vec<_> = decrypted.collect();
            drop(places);
            join_all(decrypted).await.into_iter().for_each(|(n, it)| read[n] = it);
        }
        of_plain.into_iter().for_each(|(n, it)| read[n] = it);
        Some(read)
    }

    async fn decrypt_and_read(&self, opened: Opened, places: Places, channel: Channel, room: Room) -> Read {
        let certificates = Arc::clone(&self.certificates);
        let job = move || {
            let content = opened.encrypted.as_ref().and_then(|raw| str::from_utf8(&raw.0).ok()).unwrap_or_default();
            let decrypted = Encrypted::read(content, &certificates)?.open()?;
            opened.read(Some(&decrypted), channel, &room)
        };
        // The job is lost only if the runtime stops, and then the answer is lost too.
        self.pool.run(places, job).await.unwrap_or(Err(Reason::EncInvalid))
    }
}

impl Opened {
    /// Reads the item, with its decrypted content if it was encrypted.
    fn read(self, decrypted: Option<&[u8]>, channel: Channel, room: &Room) -> Read {
        let Self { raw, encrypted, tenant_id, proof, mut dialects, .. } = self;
        let item = Object::read(nesting::document(&raw.0, nesting::MAX_DEPTH)?)?;
        let subscription_id = item.text("subscriptionId", &mut dialects)?.ok_or(Reason::Shape)?.into_owned();
        let resource = item.text("resource", &mut dialects)?.unwrap_or_default().into_owned();
        let graph_id = item.text("id", &mut dialects)?.map(Cow::into_owned);
        let (change_type, parts) = match lifecycle::event(&item, &mut dialects)? {
            Some(event) => (event, vec![About::of_lifecycle(lifecycle::content(&item))]),
            None => {
                let change_type = envelope::change_type(&item, &mut dialects)?;
                let place = Place { resource: &resource, outer_type: None, within: &raw, room };
                (change_type, about(&item, decrypted, place, &mut dialects)?)
            }
        };
        let bare = content::bare(channel, raw.clone(), tenant_id);
        let (subscription_id, subscription_expires_at) = (Some(subscription_id), expiry(&item));
        let mark = encrypted.map(Mark::Ciphertext);
        let item =
            Notification { change_type, resource, subscription_id, subscription_expires_at, graph_id, mark, ..bare };
        let told = content::each(item, dialects, parts);
        Ok(told.into_iter().map(|it| Verified::declare(it, proof)).collect())
    }
}

/// `subscriptionExpirationDateTime` as Graph sent it; `None` if it is not a short text.
fn expiry(item: &Object<'_>) -> Option<String> {
    let text = payload::text(item.present("subscriptionExpirationDateTime")?).ok()?;
    (1..=MAX_INSTANT_BYTES).contains(&text.len()).then(|| text.into_owned())
}

/// The resource of the item: its `resourceData`, or the decrypted content, whose id must equal the id outside.
fn about(
    item: &Object<'_>,
    decrypted: Option<&[u8]>,
    place: Place<'_>,
    dialects: &mut Dialects,
) -> Result<Vec<About>, Reason> {
    let data = item.present("resourceData");
    let Some(decrypted) = decrypted else { return content::read(data, place, dialects) };
    let text = nesting::document(decrypted, MAX_DECRYPTED_DEPTH).map_err(|_no_json| Reason::EncInvalid)?;
    let inside: &RawValue = serde_json::from_str(text).map_err(|_no_json| Reason::EncInvalid)?;
    let outside = data.and_then(|data| Object::read(data.get()).ok());
    if let (Some(outer), Ok(inner)) = (&outside, Object::read(inside.get()))
        && names_another(outer, &inner)
    {
        return Err(Reason::EncInvalid);
    }
    let outer_type = outside.as_ref().and_then(|outer| payload::text(outer.present("@odata.type")?).ok());
    let outer_type = outer_type.filter(|name| !name.is_empty());
    content::read(Some(inside), Place { outer_type, ..place }, dialects)
}

/// Whether decrypted content has another id than the item outside it, ignoring case. This rule is reelhook's own: Graph
/// documents none.
fn names_another(outer: &Object<'_>, inner: &Object<'_>) -> bool {
    match (id(outer), id(inner)) {
        (Some(outer), Some(inner)) => !outer.as_str().eq_ignore_ascii_case(inner.as_str()),
        _ => false,
    }
}

fn id(object: &Object<'_>) -> Option<GraphId> {
    payload::text(object.present("id")?).ok().and_then(|id| GraphId::new(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_inside_and_outside_are_compared_without_case() {
        let is_another =
            |outer: &str, inner: &str| names_another(&Object::read(outer).unwrap(), &Object::read(inner).unwrap());
        assert!(!is_another(r#"{"id":"AAMk="}"#, r#"{"id":"aamk="}"#));
        assert!(!is_another(
            r#"{"id":"57DAB8B1894C409AB240BD8BEAE78896"}"#,
            r#"{"id":"57dab8b1-894c-409a-b240-bd8beae78896"}"#
        ));
        assert!(is_another(r#"{"id":"a"}"#, r#"{"id":"b"}"#));
        assert!(!is_another("{}", r#"{"id":"b"}"#) && !is_another(r#"{"id":"a"}"#, r#"{"id":null}"#));
    }
}
