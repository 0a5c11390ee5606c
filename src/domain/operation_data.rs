//! The `data` of a record operation, as text and as a schema. Both follow from one type.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{ClientContext, GraphId, Notification, RecordOperation, ResultInfo, Status};

/// A record operation as reelhook read it from a notification. Other members that Graph sent are kept beside these.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationData<'a> {
    /// `#microsoft.graph.recordOperation`.
    #[serde(rename = "@odata.type")]
    #[schema(value_type = String)]
    odata_type: &'static str,
    /// Graph's version of the operation. Absent if Graph sent none.
    #[serde(rename = "@odata.etag", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    odata_etag: Option<Told<'a, Option<String>>>,
    /// The operation, in lower case with dashes if it is a GUID.
    #[schema(value_type = String)]
    id: &'a GraphId,
    /// The call that is recorded, in lower case with dashes if it is a GUID.
    #[schema(value_type = Option<String>, required = true)]
    call_id: &'a Option<GraphId>,
    /// The tenant.
    #[schema(value_type = Option<String>, required = true)]
    tenant_id: &'a Option<String>,
    /// What happened to the operation: `created`, `updated`, `deleted`.
    #[schema(value_type = String)]
    change_type: &'a str,
    /// The bot's correlation key.
    #[schema(value_type = Option<String>, required = true)]
    client_context: Told<'a, Option<ClientContext>>,
    /// `notStarted`, `running`, `completed`, `failed`, or a member that Graph adds.
    #[schema(value_type = String)]
    status: &'a Status,
    /// Why the recording ended.
    #[schema(value_type = Option<String>, required = true)]
    completion_reason: Told<'a, Option<String>>,
    /// How the recording ended.
    #[schema(value_type = Option<ResultInfo>, required = true)]
    result_info: Told<'a, Option<ResultInfo>>,
    /// The URL of the recording.
    #[schema(value_type = Option<String>, required = true)]
    recording_location: Told<'a, Option<String>>,
}

impl<'a> OperationData<'a> {
    /// The members that are as Graph sent them if they could not be read as documented.
    pub const READ: [&'static str; 5] =
        ["@odata.etag", "clientContext", "completionReason", "resultInfo", "recordingLocation"];

    /// That of a notification about `operation`.
    pub(super) fn of(notification: &'a Notification, operation: &'a RecordOperation) -> Self {
        let has_etag = operation.etag.is_some() || as_sent(operation, "@odata.etag").is_some();
        Self {
            odata_type: "#microsoft.graph.recordOperation",
            odata_etag: has_etag.then(|| Told::of(operation, "@odata.etag", &operation.etag)),
            id: &operation.id,
            call_id: &operation.call_id,
            tenant_id: &notification.tenant_id,
            change_type: &notification.change_type,
            client_context: Told::of(operation, "clientContext", &operation.client_context),
            status: &operation.status,
            completion_reason: Told::of(operation, "completionReason", &operation.completion_reason),
            result_info: Told::of(operation, "resultInfo", &operation.result_info),
            recording_location: Told::of(operation, "recordingLocation", &operation.recording_location),
        }
    }
}

/// A member as it was read, or as Graph sent it if it could not be read.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a, T> {
    Read(&'a T),
    Sent(&'a RawValue),
}

impl<'a, T> Told<'a, T> {
    fn of(operation: &'a RecordOperation, key: &str, read: &'a T) -> Self {
        as_sent(operation, key).map_or(Self::Read(read), Self::Sent)
    }
}

fn as_sent<'a>(operation: &'a RecordOperation, key: &str) -> Option<&'a RawValue> {
    operation.as_sent.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_ref())
}
