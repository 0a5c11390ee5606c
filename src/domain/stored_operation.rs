//! The stored operation: the result of all notifications about it, and of its client's announcement.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{
    CallEnd, Channel, ClientContext, EventKind, Expectation, ExpectationResource, OperationResource, Proof,
    RecordOperation, ResultInfo, RoutingKey, Status,
};

/// A record operation with its stored state.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its number in the store, by which pages and streams are ordered. Never shown.
    pub number: i64,
    /// Grows with every change; `@odata.etag` is made of it.
    pub version: i64,
    /// Graph's id, or the expectation's id until Graph's is known.
    pub id: String,
    /// The call that is recorded.
    pub call_id: Option<String>,
    /// The tenant that it belongs to.
    pub tenant_id: Option<String>,
    /// The bot's correlation key.
    pub client_context: Option<ClientContext>,
    /// Its status.
    pub status: Status,
    /// Why it ended.
    pub completion_reason: Option<String>,
    /// How it ended.
    pub result_info: Option<ResultInfo>,
    /// The URL of the recording.
    pub recording_location: Option<String>,
    /// The recording's token, while it is stored.
    pub recording_access_token: Option<SecretString>,
    /// When it first became known.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// The announcement of its client, if it was announced.
    pub expectation: Option<Expectation>,
    /// The proof of its status; `None` before the first notification.
    pub proof: Option<Proof>,
    /// How its call ended, if it ended and that is still stored.
    pub call_end: Option<CallEnd>,
}

impl Operation {
    /// The operation's path at Graph and in reelhook's own API.
    pub fn path(&self) -> String {
        let id = &self.id;
        match &self.call_id {
            Some(call_id) => format!("/communications/calls/{call_id}/operations/{id}"),
            None => format!("/communications/recordOperations/{id}"),
        }
    }

    /// The key for routing reelhook's own events about the operation. `path` is [`Operation::path`].
    pub fn routing_key<'a>(&'a self, path: &'a str, kind: EventKind<'a>) -> RoutingKey<'a> {
        RoutingKey {
            client_context: self.client_context.as_ref().map(ClientContext::as_str),
            status: Some(&self.status),
            tenant_id: self.tenant_id.as_deref(),
            resource_type: RecordOperation::TYPE,
            resource: path,
            change_type: None,
            subscription_id: None,
            // The only channel that carries record operations.
            channel: Channel::Calls,
            kind,
        }
    }

    /// The operation as the API answers with it. The recording's token is shown only if `shows_token`.
    pub fn shown(&self, shows_token: bool) -> OperationResource {
        let token = self.recording_access_token.as_ref().filter(|_token| shows_token);
        OperationResource {
            etag: Some(format!("W/\"{}\"", self.version)),
            recording_access_token: Some(token.map(|token| token.expose_secret().to_owned())),
            proof: Some(self.proof.map(Proof::as_str)),
            ..self.resource()
        }
    }

    /// The operation as a resource, without its version, its token and its proof: whoever may show them puts them in.
    pub fn resource(&self) -> OperationResource {
        OperationResource {
            odata_type: "#microsoft.graph.recordOperation",
            etag: None,
            id: self.id.clone(),
            call_id: self.call_id.clone(),
            tenant_id: self.tenant_id.clone(),
            client_context: self.client_context.as_ref().map(|context| context.as_str().to_owned()),
            status: self.status.as_str().to_owned(),
            completion_reason: self.completion_reason.clone(),
            result_info: self.result_info.clone(),
            recording_location: self.recording_location.clone(),
            recording_access_token: None,
            created_date_time: self.created_at,
            last_modified_date_time: self.modified_at,
            metadata: self.expectation.as_ref().map(Expectation::metadata_as_json),
            expectation: self.expectation.as_ref().map(|expectation| ExpectationResource {
                id: expectation.id.clone(),
                state: expectation.state,
                outcome: self.status.is_terminal().then(|| self.status.as_str().to_owned()),
                announced_at: expectation.announced_at,
                expected_by: expectation.expected_by,
                sinks: expectation.sinks.iter().map(|sink| sink.as_str().to_owned()).collect(),
            }),
            proof: None,
            call_end: self.call_end.as_ref().map(CallEnd::resource),
        }
    }
}
