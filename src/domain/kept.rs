//! The operation as it is kept: what all notifications about it, and its client, have said.

use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    CallEnd, Channel, ClientContext, EventKind, Expectation, ExpectationResource, OperationResource, Proof,
    RecordOperation, ResultInfo, RoutingKey, Status,
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
