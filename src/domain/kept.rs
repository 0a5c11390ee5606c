//! The operation as it is kept: what all notifications about it, and its client, have said.

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{
    CallEnd, Channel, ClientContext, EventKind, Expectation, Proof, RecordOperation, ResultInfo, RoutingKey, SinkName,
    Status,
};

/// A record operation as the store knows it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its number in the store: what pages and streams go by. Never shown.
    pub number: i64,
    /// Grows with every change: what `@odata.etag` is made of.
    pub version: i64,
    /// Graph's id; the expectation's until that is known.
    pub id: String,
    /// The call that is recorded.
    pub call_id: Option<String>,
    /// The tenant that it belongs to.
    pub tenant_id: Option<String>,
    /// The bot's correlation key.
    pub client_context: Option<ClientContext>,
    /// Where it stands.
    pub status: Status,
    /// Why it ended.
    pub completion_reason: Option<String>,
    /// How it ended.
    pub result_info: Option<ResultInfo>,
    /// Where the recording lies.
    pub recording_location: Option<String>,
    /// The recording's token, while it is kept.
    pub recording_access_token: Option<SecretString>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// What its client announced, if it did.
    pub expectation: Option<Expectation>,
    /// What proved where it stands; none where no notification was heard.
    pub proof: Option<Proof>,
    /// How its call ended, where it did and that is still remembered.
    pub call_end: Option<CallEnd>,
}

impl Operation {
    /// Where Graph, and reelhook's own API, have the operation.
    pub fn path(&self) -> String {
        let id = &self.id;
        match &self.call_id {
            Some(call_id) => format!("/communications/calls/{call_id}/operations/{id}"),
            None => format!("/communications/recordOperations/{id}"),
        }
    }

    /// What routes are matched against where reelhook itself says something of the operation. `path` is
    /// [`Operation::path`].
    pub fn routing_key<'a>(&'a self, path: &'a str, kind: EventKind<'a>) -> RoutingKey<'a> {
        RoutingKey {
            client_context: self.client_context.as_ref().map(ClientContext::as_str),
            status: Some(&self.status),
            tenant_id: self.tenant_id.as_deref(),
            resource_type: RecordOperation::TYPE,
            resource: path,
            change_type: None,
            subscription_id: None,
            // The only one that carries record operations.
            channel: Channel::Calls,
            kind,
        }
    }

    /// The operation as JSON, in Graph's shape (<https://learn.microsoft.com/graph/api/resources/recordoperation>) with
    /// what reelhook adds: `callId`, `tenantId`, the times, `callEnd`, and of an expectation `metadata` and `expectation`. Without
    /// the token: whoever may see it puts `recordingAccessToken` in.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
        put("@odata.type", "#microsoft.graph.recordOperation".into());
        put("id", self.id.clone().into());
        put("callId", self.call_id.clone().into());
        put("tenantId", self.tenant_id.clone().into());
        put("clientContext", self.client_context.as_ref().map(ClientContext::as_str).into());
        put("status", self.status.as_str().into());
        put("completionReason", self.completion_reason.clone().into());
        put("resultInfo", serde_json::to_value(&self.result_info).unwrap_or_default());
        put("recordingLocation", self.recording_location.clone().into());
        put("createdDateTime", self.created_at.to_string().into());
        put("lastModifiedDateTime", self.modified_at.to_string().into());
        if let Some(end) = &self.call_end {
            put("callEnd", end.to_json());
        }
        if let Some(expectation) = &self.expectation {
            let metadata = expectation.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
            put("metadata", metadata.unwrap_or_default());
            put(
                "expectation",
                serde_json::json!({
                    "id": expectation.id,
                    "state": expectation.state,
                    "outcome": self.status.is_terminal().then(|| self.status.as_str()),
                    "announcedAt": expectation.announced_at,
                    "expectedBy": expectation.expected_by,
                    "sinks": expectation.sinks.iter().map(SinkName::as_str).collect::<Vec<_>>(),
                }),
            );
        }
        json
    }
}
