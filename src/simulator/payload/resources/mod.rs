//! Changes of the resources that Graph has subscriptions for, each in the shape of its documentation or of captures.
//!
//! **Invariants**
//! 1. A subscription lasts as long as Graph allows at most for its resource, and its end is written with the digits and
//!    the offset of the resource's samples.
//! 2. Content is encrypted only for resources whose subscriptions Graph allows to include it.

mod contents;
mod life;
mod shapes;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

pub use self::life::Life;
use self::shapes::{Form, Id, SHAPES, Shape};
use super::encryption::Certificate;
use super::{Object, Seed};
use crate::simulator::SimulatorError;

/// A kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct Resource(&'static Shape);

/// Whose subscription it is.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The secret that the subscription was made with.
    pub client_state: Option<&'a str>,
    /// When it was made.
    pub now: Timestamp,
}

/// A change of one resource.
#[derive(Clone, Debug)]
pub struct Changed {
    shape: &'static Shape,
    places: Vec<(&'static str, String)>,
    notification: String,
    subscription: String,
    client_state: Option<String>,
    made_at: Timestamp,
}

impl Resource {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        SHAPES.iter().map(Self)
    }

    /// The kind of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|resource| resource.name() == name)
    }

    /// Its name, as Graph's metadata has it.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// What it is, in one line.
    pub fn summary(self) -> &'static str {
        self.0.summary
    }

    /// Whether its subscriptions may include the resource.
    pub fn may_be_rich(self) -> bool {
        self.0.rich.is_some()
    }

    /// A new change, of a subscription of its own.
    pub fn changed(self, seed: &mut Seed, of: Subscriber<'_>) -> Changed {
        let (user, other, unique) = (seed.uuid(), seed.uuid(), seed.uuid());
        let meeting = format!("1*{user}*0**19:meeting_{}@thread.v2", STANDARD.encode(other));
        let id = match self.0.id {
            Id::Guid => unique.to_string(),
            Id::Outlook => format!("AAMkAG{}AAA=", URL_SAFE.encode(format!("{other}{unique}"))),
            Id::Milliseconds => format!("{:013}", 1_600_000_000_000 + unique.as_u128() % 100_000_000_000),
            Id::Key => URL_SAFE_NO_PAD.encode(format!("1##0##{unique}")),
        };
        let jitter = i64::try_from(unique.as_u128() % 60_000_000_000).unwrap_or_default();
        let made_at = of.now.saturating_sub(jiff::SignedDuration::from_nanos(jitter)).unwrap_or(of.now);
        let places = vec![
            ("{id}", id),
            ("{user}", user.to_string()),
            ("{other}", other.to_string()),
            ("{tenant}", of.tenant.to_owned()),
            ("{meeting}", URL_SAFE_NO_PAD.encode(meeting)),
            ("{join}", format!("https://teams.microsoft.com/l/meetup-join/19%3ameeting_{}/0", other.simple())),
            ("{etag}", STANDARD.encode(&unique.as_bytes()[..12])),
            ("{sequence}", format!("{:018}", 637_000_000_000_000_000 + unique.as_u128() % 1_000_000_000_000_000)),
            ("{now}", life::written(of.now, 7, None)),
        ];
        Changed {
            shape: self.0,
            places,
            notification: seed.uuid().to_string(),
            subscription: seed.uuid().to_string(),
            client_state: of.client_state.map(str::to_owned),
            made_at,
        }
    }
}

impl Changed {
    /// The item without the resource.
    pub fn basic(&self) -> String {
        self.item(&self.shape.basic).text()
    }

    /// The item with the resource, encrypted for a certificate; `None` where Graph does not include the resource.
    ///
    /// # Errors
    /// The cryptography library did not encrypt.
    pub fn rich(&self, certificate: &Certificate) -> Result<Option<String>, SimulatorError> {
        let Some(rich) = &self.shape.rich else { return Ok(None) };
        let encrypted = certificate.encrypt(self.filled(rich.content).as_bytes())?;
        Ok(Some(self.item(&rich.form).raw(rich.key, encrypted.text()).text()))
    }

    /// The resource as it is encrypted; `None` where Graph does not include it.
    pub fn content(&self) -> Option<String> {
        self.shape.rich.as_ref().map(|rich| self.filled(rich.content))
    }

    fn item(&self, form: &Form) -> Object {
        let mut item = Object::new();
        if form.has_id {
            item = item.with("id", &*self.notification);
        }
        item = item
            .with("subscriptionId", &*self.subscription)
            .with("subscriptionExpirationDateTime", form.life.after(self.made_at));
        if let Some(client_state) = &self.client_state {
            item = item.with("clientState", &**client_state);
        }
        let resource = self.filled(form.resource);
        let data = self.filled(&form.data.replace("{resource}", form.resource));
        item = item.with("changeType", self.shape.change_type).with("resource", resource).raw("resourceData", data);
        let tenant = self.filled("{tenant}");
        item = item.with("tenantId", &*tenant);
        item.with_if(form.has_organization, "organizationId", Value::from(tenant))
    }

    /// A template on one line, with everything in its place.
    fn filled(&self, template: &str) -> String {
        let one_line: String = template.lines().map(str::trim_start).collect();
        self.places.iter().fold(one_line, |text, (place, value)| text.replace(place, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(resource: Resource) -> Changed {
        let now = "2026-11-24T08:00:00.1234567Z".parse().unwrap();
        resource.changed(&mut Seed::new(1), Subscriber { tenant: "t", client_state: Some("s"), now })
    }

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn every_resource_is_json_with_everything_in_its_place() {
        let certificate = Certificate::new("cert-1").unwrap();
        for resource in Resource::all() {
            let changed = changed(resource);
            let rich = changed.rich(&certificate).unwrap();
            assert_eq!(rich.is_some(), resource.may_be_rich(), "{}", resource.name());
            for text in [Some(changed.basic()), rich, changed.content()].into_iter().flatten() {
                read(&text);
                let places =
                    ["id", "user", "other", "tenant", "meeting", "join", "etag", "sequence", "now", "resource"];
                for place in places {
                    assert!(!text.contains(&format!("{{{place}}}")), "{}: {text}", resource.name());
                }
            }
        }
    }

    #[test]
    fn the_resource_of_a_drive_is_null_and_a_recording_has_keys_in_its_path() {
        let drive = read(&changed(Resource::find("driveItem").unwrap()).basic());
        assert_eq!((&drive["resource"], drive.get("resourceData")), (&"me/drive/root".into(), Some(&Value::Null)));
        let recording = changed(Resource::find("callRecording").unwrap());
        let item = read(&recording.basic());
        let path = item["resource"].as_str().unwrap();
        assert!(path.starts_with("communications/onlineMeetings('") && path.contains("')/recordings('"), "{path}");
        let rich = read(&recording.rich(&Certificate::new("cert-1").unwrap()).unwrap().unwrap());
        assert!(rich["EncryptedContent"]["data"].is_string() && rich.get("encryptedContent").is_none());
    }

    #[test]
    fn a_subscription_ends_when_graph_ends_it_written_as_in_the_samples() {
        for (name, basic) in [
            ("chatMessage", "2026-11-27T08:00:00"),
            ("callRecord", "2026-11-27T06:30:00+00:00"),
            ("presence", "2026-11-24T09:00:00"),
            ("driveItem", "2026-12-23T17:00:00"),
            ("message", "2026-12-01T08:00:00"),
            ("event", "2026-12-01T08:00:00"),
            ("list", "2026-12-23T17:00:00"),
            ("user", "2026-12-23T08:00:00+00:00"),
        ] {
            let item = read(&changed(Resource::find(name).unwrap()).basic());
            let end = item["subscriptionExpirationDateTime"].as_str().unwrap();
            let (end, basic): (Timestamp, Timestamp) = (
                end.parse().unwrap(),
                if basic.contains('+') { basic.parse() } else { format!("{basic}.1234567Z").parse() }.unwrap(),
            );
            let early = basic.duration_since(end);
            assert!((-1..=60).contains(&early.as_secs()), "{name}: {end}, at most {basic}");
        }
    }
}
