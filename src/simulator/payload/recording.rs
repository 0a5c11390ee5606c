//! The life of one record operation (<https://learn.microsoft.com/graph/api/call-record>).

use serde_json::Value;
use uuid::Uuid;

use super::dialect::{Dialect, Spoken};
use super::{Object, Seed, undashed};

/// A record operation; its methods tell its notifications, one item each.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The call that is recorded.
    pub call: Uuid,
    /// The operation.
    pub operation: Uuid,
    /// What the bot gave to recognise it by.
    pub client_context: String,
    /// Where the recording lies.
    pub location: String,
    /// What opens it.
    pub access_token: String,
    spoken: Spoken,
}

/// What a notification says of the operation.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its `changeType`.
    pub change_type: &'static str,
    /// Its `status`.
    pub status: &'static str,
    /// Code, subcode and message of its `resultInfo`.
    pub result: Option<(i64, i64, String)>,
    /// Its `completionReason`.
    pub completion_reason: Option<String>,
}

impl Said {
    /// It is being recorded. Graph says this only in its answer to `recordResponse`; Microsoft's samples sent it as a
    /// notification until 2019.
    pub fn running() -> Self {
        Self { change_type: "updated", status: "running", result: None, completion_reason: None }
    }

    /// The recording is there: the normal end.
    pub fn completed() -> Self {
        Self {
            change_type: "deleted",
            status: "completed",
            result: Some((200, 8515, "Action completed, max record duration reached.".into())),
            completion_reason: Some("maxRecordDurationReached".into()),
        }
    }

    /// It was cancelled.
    pub fn failed() -> Self {
        Self {
            change_type: "deleted",
            status: "failed",
            result: Some((400, 8508, "Action failed, the operation was cancelled.".into())),
            completion_reason: Some("operationCanceled".into()),
        }
    }
}

impl Recording {
    /// A new one, with a client context of its own.
    pub fn new(seed: &mut Seed) -> Self {
        let (call, operation) = (seed.uuid(), seed.uuid());
        Self {
            call,
            operation,
            client_context: seed.uuid().to_string(),
            location: format!("https://file.location/{}", seed.uuid()),
            access_token: format!("recording-token-{}", seed.uuid().simple()),
            spoken: Spoken::default(),
        }
    }

    /// With this client context.
    pub fn client_context(mut self, client_context: impl Into<String>) -> Self {
        self.client_context = client_context.into();
        self
    }

    /// Told in this dialect, and in those that were named before.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.spoken.add(dialect);
        self
    }

    /// It is being recorded, as until 2019.
    pub fn running(&self) -> String {
        self.item(&Said::running())
    }

    /// The recording is there: the normal end.
    pub fn completed(&self) -> String {
        self.item(&Said::completed())
    }

    /// It was cancelled.
    pub fn failed(&self) -> String {
        self.item(&Said::failed())
    }

    /// The item that says this.
    pub fn item(&self, said: &Said) -> String {
        let mut item = Object::new();
        if let Some(name) = self.spoken.odata_type("commsNotification") {
            item = item.with("@odata.type", name);
        }
        item = item.with("changeType", self.spoken.member(said.change_type));
        let (old, both) = (Dialect::ResourceForResourceUrl, Dialect::BothResources);
        if !self.spoken.has(old) {
            item = item.with("resourceUrl", self.path("communications"));
        }
        if self.spoken.has(old) || self.spoken.has(both) {
            item = item.with("resource", self.path("app"));
        }
        item.raw("resourceData", self.resource(said).text()).text()
    }

    fn path(&self, root: &str) -> String {
        let id = |id: Uuid| if self.spoken.has(Dialect::DashedPath) { id.to_string() } else { undashed(id) };
        format!("/{root}/calls/{}/operations/{}", id(self.call), id(self.operation))
    }

    fn resource(&self, said: &Said) -> Object {
        let spoken = &self.spoken;
        let mut resource = Object::new();
        if let Some(name) = spoken.odata_type("recordOperation") {
            resource = resource.with("@odata.type", name);
        }
        resource = resource.with("@odata.id", self.path("communications")).with("@odata.etag", "W/\"54451\"");
        if !spoken.has(Dialect::IdFromPath) {
            let undashed_id = spoken.has(Dialect::UndashedId);
            resource =
                resource.with("id", if undashed_id { undashed(self.operation) } else { self.operation.to_string() });
        }
        let status = if spoken.has(Dialect::UnknownMember) { "unknownFutureValue" } else { said.status };
        resource = resource.with("clientContext", &*self.client_context).with("status", spoken.member(status));
        resource = self.with_result(resource, said);
        resource = self.with_recording(resource, said);
        if spoken.has(Dialect::ExtraProperties) {
            resource = resource
                .with("createdDateTime", "2018-09-06T15:58:41Z")
                .with("length", 900)
                .raw("newInEveryWay", r#"{"nested":[1,null,{"deep":true}]}"#);
        }
        resource
    }

    fn with_result(&self, resource: Object, said: &Said) -> Object {
        let spoken = &self.spoken;
        let Some((code, subcode, message)) = &said.result else {
            return resource.with_if(spoken.has(Dialect::NullForAbsent), "resultInfo", Value::Null);
        };
        if spoken.has(Dialect::NoResultInfo) {
            return resource;
        }
        let number = |number: &i64| -> Value {
            if spoken.has(Dialect::CodeAsText) { number.to_string().into() } else { (*number).into() }
        };
        let subcode_key = if spoken.has(Dialect::SubCode) { "subCode" } else { "subcode" };
        let mut result = Object::new();
        if let Some(name) = spoken.odata_type("resultInfo") {
            result = result.with("@odata.type", name);
        }
        result = result.with("code", number(code)).with(subcode_key, number(subcode));
        result = result.with_if(spoken.has(Dialect::RepeatedKey), subcode_key, number(subcode));
        resource.raw("resultInfo", result.with("message", message.as_str()).text())
    }

    /// The location and the token: there when it is completed, empty when it failed, absent before.
    fn with_recording(&self, resource: Object, said: &Said) -> Object {
        let spoken = &self.spoken;
        let old = spoken.has(Dialect::RecordResourceNames);
        let (location, token) = match old {
            true => ("recordResourceLocation", "recordResourceAccessToken"),
            false => ("recordingLocation", "recordingAccessToken"),
        };
        let absent = if spoken.has(Dialect::NullForAbsent) { Value::Null } else { "".into() };
        let reason = said.completion_reason.as_deref().map(|reason| spoken.member(reason));
        match said.status {
            "completed" => resource.with(location, &*self.location).with(token, &*self.access_token),
            "failed" => resource.with(location, absent.clone()).with(token, absent.clone()),
            _ if spoken.has(Dialect::EmptyForAbsent) || spoken.has(Dialect::NullForAbsent) => {
                resource.with(location, absent.clone()).with(token, absent.clone())
            }
            _ => return resource,
        }
        .with("completionReason", reason.map_or(absent, Value::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(dialect: Dialect) -> (String, String) {
        let recording = Recording::new(&mut Seed::new(1)).dialect(dialect);
        (recording.completed(), recording.running())
    }

    #[test]
    fn without_a_dialect_it_is_what_the_documentation_shows() {
        let recording = Recording::new(&mut Seed::new(1));
        let item: Value = serde_json::from_str(&recording.completed()).unwrap();
        let path =
            format!("/communications/calls/{}/operations/{}", undashed(recording.call), undashed(recording.operation));
        assert_eq!(item["changeType"], "deleted");
        assert_eq!(item["resourceUrl"], path);
        let resource = &item["resourceData"];
        assert_eq!(resource["@odata.type"], "#microsoft.graph.recordOperation");
        assert_eq!(resource["id"], recording.operation.to_string());
        assert_eq!(resource["resultInfo"]["subcode"], 8515);
        assert_eq!(resource["recordingAccessToken"], recording.access_token);
        let failed: Value = serde_json::from_str(&recording.failed()).unwrap();
        assert_eq!(failed["resourceData"]["recordingLocation"], "");
        assert_eq!(failed["resourceData"]["resultInfo"]["subcode"], 8508);
        let running: Value = serde_json::from_str(&recording.running()).unwrap();
        assert_eq!(
            (&running["changeType"], &running["resourceData"]["status"]),
            (&"updated".into(), &"running".into())
        );
        assert_eq!(running["resourceData"].get("recordingLocation"), None);
    }

    #[test]
    fn every_dialect_is_visible_and_still_json() {
        let plain = Recording::new(&mut Seed::new(1));
        for dialect in Dialect::CALLS {
            let (completed, running) = spoken(*dialect);
            assert!(completed != plain.completed() || running != plain.running(), "{dialect:?}");
            let item: Value = serde_json::from_str(&completed).unwrap();
            assert!(item["resourceData"].is_object(), "{dialect:?}");
        }
    }

    #[test]
    fn each_dialect_shows_what_its_name_says() {
        let completed = |dialect| spoken(dialect).0;
        assert!(completed(Dialect::ResourceForResourceUrl).contains(r#""resource":"/app/calls/"#));
        assert!(!completed(Dialect::ResourceForResourceUrl).contains("resourceUrl"));
        assert!(completed(Dialect::BothResources).contains("resourceUrl"));
        assert!(!completed(Dialect::IdFromPath).contains(r#""id""#));
        assert!(completed(Dialect::RecordResourceNames).contains("recordResourceAccessToken"));
        assert!(completed(Dialect::SubCode).contains(r#""subCode":8515"#));
        assert!(completed(Dialect::CodeAsText).contains(r#""code":"200","subcode":"8515""#));
        assert_eq!(completed(Dialect::RepeatedKey).matches(r#""subcode":8515"#).count(), 2);
        assert!(completed(Dialect::TypeWithoutHash).contains(r#""microsoft.graph.recordOperation""#));
        assert!(completed(Dialect::TypeInOtherCase).contains("#Microsoft.Graph.RecordOperation"));
        assert!(!completed(Dialect::TypeAbsent).contains("@odata.type"));
        assert!(completed(Dialect::EnumCase).contains(r#""status":"Completed""#));
        assert!(completed(Dialect::UnknownMember).contains(r#""status":"unknownFutureValue""#));
        assert!(!completed(Dialect::NoResultInfo).contains("resultInfo"));
        assert!(spoken(Dialect::EmptyForAbsent).1.contains(r#""recordingLocation":"""#));
        assert!(spoken(Dialect::NullForAbsent).1.contains(r#""resultInfo":null"#));
        let recording = Recording::new(&mut Seed::new(1));
        assert!(completed(Dialect::UndashedId).contains(&format!(r#""id":"{}""#, undashed(recording.operation))));
        assert!(completed(Dialect::DashedPath).contains(&format!("/calls/{}/operations", recording.call)));
    }
}
