//! Change notifications: basic, with encrypted resource data, and about the subscription itself
//! (<https://learn.microsoft.com/graph/api/resources/changenotification>).

use uuid::Uuid;

use super::dialect::{Dialect, Spoken};
use super::encryption::{Certificate, Encrypted};
use super::{Object, Seed};
use crate::simulator::SimulatorError;

/// The lifecycle events that Graph documents.
pub const LIFECYCLE_EVENTS: [&str; 3] = ["reauthorizationRequired", "subscriptionRemoved", "missed"];

/// When a subscription ends that does not say. It never changes, so that figures of load stay comparable.
const NEVER: &str = "2099-03-20T11:00:00.0000000Z";

/// A change of a chat message, of which its subscription tells.
#[derive(Clone, Debug)]
pub struct Change {
    /// The notification's own id.
    pub id: Uuid,
    /// The subscription.
    pub subscription: Uuid,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// The secret that the subscription was made with.
    pub client_state: Option<String>,
    /// The message's id.
    pub resource_id: String,
    expires: String,
    spoken: Spoken,
}

impl Change {
    /// A new one, of a subscription of its own.
    pub fn new(seed: &mut Seed, tenant: &str, client_state: Option<&str>) -> Self {
        Self {
            id: seed.uuid(),
            subscription: seed.uuid(),
            tenant: tenant.into(),
            client_state: client_state.map(str::to_owned),
            resource_id: seed.uuid().to_string(),
            expires: NEVER.into(),
            spoken: Spoken::default(),
        }
    }

    /// Of a subscription that ends then, as Graph writes it.
    pub fn expires(mut self, at: impl Into<String>) -> Self {
        self.expires = at.into();
        self
    }

    /// Told in this dialect, and in those that were named before.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.spoken.add(dialect);
        self
    }

    /// The item without resource data.
    pub fn basic(&self) -> String {
        self.changed().text()
    }

    /// The item with the message, encrypted for a certificate.
    ///
    /// # Errors
    /// The cryptography library did not encrypt.
    pub fn rich(&self, certificate: &Certificate) -> Result<String, SimulatorError> {
        Ok(self.rich_with(&certificate.encrypt(self.message().as_bytes())?))
    }

    /// The item with content that was encrypted, or spoiled, elsewhere.
    pub fn rich_with(&self, encrypted: &Encrypted) -> String {
        let in_capitals = self.spoken.has(Dialect::EncryptedContentCase);
        let key = if in_capitals { "EncryptedContent" } else { "encryptedContent" };
        let content = match self.spoken.has(Dialect::NoDataSignature) {
            true => encrypted.text_without_signature(),
            false => encrypted.text(),
        };
        self.changed().raw(key, content).text()
    }

    /// The item that tells of the subscription: one of [`LIFECYCLE_EVENTS`], or one to come.
    pub fn lifecycle(&self, event: &str) -> String {
        let item = self.of_subscription(Object::new());
        self.of_tenant(item).with("lifecycleEvent", event).text()
    }

    /// The message as Graph would encrypt it.
    pub fn message(&self) -> String {
        Object::new()
            .with("@odata.context", "https://graph.microsoft.com/$metadata#chats/messages/$entity")
            .with("id", &*self.resource_id)
            .with("etag", "1616989510408")
            .with("messageType", "message")
            .with("createdDateTime", "2026-03-29T03:45:10.408Z")
            .raw("body", Object::new().with("contentType", "text").with("content", "Hello World").text())
            .text()
    }

    fn changed(&self) -> Object {
        let mut item = self.of_subscription(Object::new().with("id", self.id.to_string()));
        item = item.with("changeType", self.spoken.member("created")).with("resource", self.resource());
        item = self.of_tenant(item);
        let mut resource = Object::new();
        if let Some(name) = self.spoken.odata_type("chatMessage") {
            resource = resource.with("@odata.type", name);
        }
        resource = resource.with("@odata.id", self.resource()).with("id", &*self.resource_id);
        if self.spoken.has(Dialect::ExtraProperties) {
            item = item.with("sequence", serde_json::Value::Null).raw("newInEveryWay", r#"{"nested":[1]}"#);
        }
        item.raw("resourceData", resource.text())
    }

    fn of_subscription(&self, item: Object) -> Object {
        let item = item
            .with("subscriptionId", self.subscription.to_string())
            .with("subscriptionExpirationDateTime", &*self.expires);
        match &self.client_state {
            Some(client_state) => item.with("clientState", &**client_state),
            None => item,
        }
    }

    fn of_tenant(&self, item: Object) -> Object {
        let old = self.spoken.has(Dialect::OrganizationId);
        item.with(if old { "organizationId" } else { "tenantId" }, &*self.tenant)
    }

    fn resource(&self) -> String {
        format!("chats('19:8d9da062ec7647d4bb1976126e788b47@thread.v2')/messages('{}')", self.resource_id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_basic_item_has_its_secret_and_no_content() {
        let change = Change::new(&mut Seed::new(1), "tenant", Some("secret"));
        let item = read(&change.basic());
        assert_eq!((&item["clientState"], &item["tenantId"]), (&"secret".into(), &"tenant".into()));
        assert_eq!(item["resourceData"]["id"], change.resource_id);
        assert_eq!(item.get("encryptedContent"), None);
        let without = Change::new(&mut Seed::new(1), "tenant", None).basic();
        assert_eq!(read(&without).get("clientState"), None);
    }

    #[test]
    fn every_dialect_of_encrypted_items_is_visible() {
        let certificate = Certificate::new("cert-1").unwrap();
        let of =
            |dialect| read(&Change::new(&mut Seed::new(1), "t", None).dialect(dialect).rich(&certificate).unwrap());
        let spelled = of(Dialect::EncryptedContentCase);
        assert!(spelled["EncryptedContent"]["dataSignature"].is_string() && spelled.get("encryptedContent").is_none());
        let unsigned = of(Dialect::NoDataSignature);
        assert!(unsigned["encryptedContent"]["data"].is_string());
        assert_eq!(unsigned["encryptedContent"].get("dataSignature"), None);
        assert_eq!(Dialect::RICH, [Dialect::EncryptedContentCase, Dialect::NoDataSignature]);
    }

    #[test]
    fn a_lifecycle_item_has_no_resource() {
        for event in LIFECYCLE_EVENTS {
            let change = Change::new(&mut Seed::new(1), "t", Some("s")).dialect(Dialect::OrganizationId);
            let item = read(&change.lifecycle(event));
            assert_eq!(item["lifecycleEvent"], event);
            assert_eq!((item.get("resource"), item.get("changeType"), item.get("tenantId")), (None, None, None));
            assert_eq!(item["organizationId"], "t");
        }
    }

    #[test]
    fn every_dialect_of_subscriptions_is_visible() {
        let plain = Change::new(&mut Seed::new(1), "t", None).basic();
        for dialect in Dialect::SUBSCRIPTIONS {
            let spoken = Change::new(&mut Seed::new(1), "t", None).dialect(*dialect).basic();
            assert_ne!(spoken, plain, "{dialect:?}");
            read(&spoken);
        }
    }
}
