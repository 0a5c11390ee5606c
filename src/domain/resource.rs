//! The operation as a resource: Graph's shape (<https://learn.microsoft.com/graph/api/resources/recordoperation>), with what
//! reelhook adds. Its JSON, its schema, and the names that the API knows follow from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ExpectationState, ResultInfo};

/// Microsoft Graph's `recordOperation`, with what reelhook knows besides.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecordOperation)]
pub struct OperationResource {
    /// `#microsoft.graph.recordOperation`.
    #[serde(rename = "@odata.type")]
    #[schema(value_type = String)]
    pub odata_type: &'static str,
    /// The version: for `If-Match` and `If-None-Match`.
    #[serde(rename = "@odata.etag", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = true)]
    pub etag: Option<String>,
    /// Graph's id; the expectation's until a notification or an announcement names Graph's.
    pub id: String,
    /// The call that is recorded.
    pub call_id: Option<String>,
    /// The tenant that it belongs to.
    pub tenant_id: Option<String>,
    /// The correlation key.
    pub client_context: Option<String>,
    /// `notStarted`, `running`, `completed`, `failed`, or a member that Graph adds.
    pub status: String,
    /// Why the recording ended.
    pub completion_reason: Option<String>,
    /// How it ended.
    pub result_info: Option<ResultInfo>,
    /// Where the recording lies.
    pub recording_location: Option<String>,
    /// The recording's token: `null` in lists, and without the scope `recordings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub recording_access_token: Option<Option<String>>,
    /// When it was first heard of.
    #[schema(value_type = String, format = DateTime)]
    pub created_date_time: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub last_modified_date_time: Timestamp,
    /// What its client wants to find again in every event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub metadata: Option<Value>,
    /// What its client announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectation: Option<ExpectationResource>,
    /// What proved where it stands: `bearerToken`, `validationToken`, `clientState` (alone; not secret from those who
    /// saw a notification), `operatorsWord`; `null` where no notification was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub proof: Option<Option<&'static str>>,
    /// How its call ended; absent while that is not known, and once it is forgotten (`expectations.remember_calls`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_end: Option<CallEndResource>,
}

impl OperationResource {
    /// As JSON.
    pub fn to_json(&self) -> Map<String, Value> {
        // Every key is a text: this cannot fail.
        match serde_json::to_value(self) {
            Ok(Value::Object(json)) => json,
            _ => Map::new(),
        }
    }
}

/// An announcement, and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Expectation)]
pub struct ExpectationResource {
    /// The id that the operation had before Graph gave it one; it still names it.
    pub id: String,
    /// `waiting`, `met`, `overdue`, `lost` or `recovered`.
    #[schema(value_type = String)]
    pub state: ExpectationState,
    /// `completed` or `failed`, once the operation has ended.
    pub outcome: Option<String>,
    /// When it was announced; `null` where nobody announced it, and it is lost or recovered all the same.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub announced_at: Option<Timestamp>,
    /// When the operation is overdue.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expected_by: Option<Timestamp>,
    /// Where its events go; empty: where the routes say.
    pub sinks: Vec<String>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CallEnd)]
pub struct CallEndResource {
    /// When Graph's notification of it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub date_time: Timestamp,
    /// How it ended, where Graph told.
    pub result_info: Option<ResultInfo>,
    /// Who ended it, where Graph told: an `identitySet`, as Graph sent it.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub termination_sender: Option<Map<String, Value>>,
}
