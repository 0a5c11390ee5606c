//! What the bodies look like, for `/openapi.json`. Nothing here is ever made: the code answers from the operation itself,
//! and tests hold the two together.
#![allow(dead_code, reason = "descriptions, of which no value is made")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// The options of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListOptions {
    /// Which ones, as `clientContext eq 'x' and status in ('running','failed')`.
    #[param(rename = "$filter")]
    filter: Option<String>,
    /// In which order, as `createdDateTime desc`, which is the default.
    #[param(rename = "$orderby")]
    order_by: Option<String>,
    /// How many on a page; 100 where it is not said.
    #[param(rename = "$top", minimum = 1, maximum = 1000)]
    top: Option<u16>,
    /// The properties to answer with, separated by commas.
    #[param(rename = "$select")]
    select: Option<String>,
    /// Whether to answer with the number of all that match.
    #[param(rename = "$count")]
    count: Option<bool>,
    /// Where the page begins. Comes with `@odata.nextLink`, and only from there.
    #[param(rename = "$skiptoken")]
    skiptoken: Option<String>,
}

/// A page of operations.
#[derive(ToSchema)]
pub struct Page {
    /// What the answer is about.
    #[schema(rename = "@odata.context")]
    context: String,
    /// How many match in all, where that was asked.
    #[schema(rename = "@odata.count")]
    count: Option<u64>,
    /// The operations.
    value: Vec<RecordOperation>,
    /// The next page; absent on the last one.
    #[schema(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

/// Microsoft Graph's `recordOperation`, with what reelhook knows besides.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RecordOperation {
    /// `#microsoft.graph.recordOperation`.
    #[schema(rename = "@odata.type")]
    odata_type: String,
    /// The version: for `If-Match` and `If-None-Match`.
    #[schema(rename = "@odata.etag")]
    etag: String,
    /// Graph's id; the expectation's until a notification or an announcement names Graph's.
    id: String,
    /// The call that is recorded.
    call_id: Option<String>,
    /// The tenant that it belongs to.
    tenant_id: Option<String>,
    /// The correlation key.
    client_context: Option<String>,
    /// `notStarted`, `running`, `completed`, `failed`, or a member that Graph adds.
    status: String,
    /// Why the recording ended.
    completion_reason: Option<String>,
    /// How it ended.
    result_info: Option<ResultInfo>,
    /// Where the recording lies.
    recording_location: Option<String>,
    /// The recording's token: `null` in lists, and without the scope `recordings`.
    recording_access_token: Option<String>,
    /// When it was first heard of.
    #[schema(value_type = String, format = DateTime)]
    created_date_time: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    last_modified_date_time: Timestamp,
    /// What its client wants to find again in every event.
    metadata: Option<BTreeMap<String, Value>>,
    /// What its client announced.
    expectation: Option<Expectation>,
    /// What proved where it stands: `bearerToken`, `validationToken`, `clientState` (alone; not secret from those who
    /// saw a notification), `operatorsWord`; `null` where no notification was heard.
    proof: Option<String>,
    /// How its call ended; absent while that is not known, and once it is forgotten (`expectations.remember_calls`).
    call_end: Option<CallEnd>,
}

/// How a call ended.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct CallEnd {
    /// When Graph's notification of it arrived.
    #[schema(value_type = String, format = DateTime)]
    date_time: Timestamp,
    /// How it ended, where Graph told.
    result_info: Option<ResultInfo>,
    /// Who ended it, where Graph told: an `identitySet`, as Graph sent it.
    termination_sender: Option<BTreeMap<String, Value>>,
}

/// How an operation ended.
#[derive(ToSchema)]
pub struct ResultInfo {
    /// 2xx success, 4xx client error, 5xx server error.
    code: i64,
    /// The finer code.
    subcode: i64,
    /// Graph's text for developers.
    message: Option<String>,
}

/// An announcement, and what became of it.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Expectation {
    /// The id that the operation had before Graph gave it one; it still names it.
    id: String,
    /// `waiting`, `met`, `overdue`, `lost` or `recovered`.
    state: String,
    /// `completed` or `failed`, once the operation has ended.
    outcome: Option<String>,
    /// When it was announced; `null` where nobody announced it, and it is lost or recovered all the same.
    #[schema(value_type = Option<String>, format = DateTime)]
    announced_at: Option<Timestamp>,
    /// When the operation is overdue.
    #[schema(value_type = Option<String>, format = DateTime)]
    expected_by: Option<Timestamp>,
    /// Where its events go; empty: where the routes say.
    sinks: Vec<String>,
}

/// What a client announces: a client context, or what `recordResponse` answered with, or both.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Announcement {
    /// What the operation's notifications will carry.
    #[schema(max_length = 256)]
    client_context: Option<String>,
    /// Graph's id, where `recordResponse` has answered with it.
    #[schema(max_length = 256)]
    id: Option<String>,
    /// `notStarted` or `running`, as `recordResponse` answered.
    status: Option<String>,
    /// The call that will be recorded.
    #[schema(max_length = 256)]
    call_id: Option<String>,
    /// Its tenant.
    tenant_id: Option<String>,
    /// What to find again in every event: at most 16 KiB.
    metadata: Option<BTreeMap<String, Value>>,
    /// Where its events go; empty: where the routes say.
    sinks: Option<Vec<String>>,
    /// After which time it is overdue, as `PT3M`; at most `P7D`.
    expect_within: Option<String>,
    /// When it is overdue, instead of `expectWithin`.
    #[schema(value_type = Option<String>, format = DateTime)]
    expected_by: Option<Timestamp>,
    /// Whether another open operation may have the same client context.
    allow_duplicate: Option<bool>,
}

/// What a client may change. What is not named stays; `null` takes away.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Changes {
    /// Until the operation starts.
    #[schema(max_length = 256)]
    client_context: Option<String>,
    /// At most 16 KiB.
    metadata: Option<BTreeMap<String, Value>>,
    /// Where its events go; empty: where the routes say.
    sinks: Option<Vec<String>>,
    /// After which time from now it is overdue, as `PT3M`; at most `P7D`.
    expect_within: Option<String>,
    /// When it is overdue, instead of `expectWithin`.
    #[schema(value_type = Option<String>, format = DateTime)]
    expected_by: Option<Timestamp>,
}

/// Microsoft Graph's error body.
#[derive(ToSchema)]
pub struct Refusal {
    /// What is wrong.
    error: RefusalCode,
}

/// What is wrong.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct RefusalCode {
    /// For machines, as `itemNotFound`.
    code: String,
    /// For developers; it may change.
    message: String,
    /// By which the request is found again.
    inner_error: InnerError,
}

/// By which a request is found again.
#[derive(ToSchema)]
pub struct InnerError {
    /// A finer code, as `invalidQueryOption`, where there is one.
    code: Option<String>,
    /// When it was answered.
    #[schema(value_type = String, format = DateTime)]
    date: Timestamp,
    /// The server's id of the request.
    #[schema(rename = "request-id")]
    request_id: String,
    /// The client's id of the request; the server's where it has none.
    #[schema(rename = "client-request-id")]
    client_request_id: String,
}
