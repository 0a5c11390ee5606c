//! The JSON bodies, for `/openapi.json`. Answers contain [`RecordOperation`]. No value of the other types is ever made;
//! the names of their fields are the properties that requests may use ([`super::names`]).
#![allow(dead_code, reason = "descriptions, of which no value is made")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

pub use crate::domain::OperationResource as RecordOperation;

/// The options of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListOptions {
    /// Only operations that match, for example `clientContext eq 'x' and status in ('running','failed')`.
    #[param(rename = "$filter")]
    filter: Option<String>,
    /// The order, for example `createdDateTime desc`, which is the default.
    #[param(rename = "$orderby")]
    order_by: Option<String>,
    /// The most operations of a page; 100 by default.
    #[param(rename = "$top", minimum = 1, maximum = 1000)]
    top: Option<u16>,
    /// The properties of the answer, separated by commas.
    #[param(rename = "$select")]
    select: Option<String>,
    /// Whether the answer contains the number of all matches.
    #[param(rename = "$count")]
    count: Option<bool>,
    /// Where the page begins. Use it only as part of an `@odata.nextLink`.
    #[param(rename = "$skiptoken")]
    skiptoken: Option<String>,
}

/// A page of operations.
#[derive(ToSchema)]
pub struct Page {
    /// The context of the answer.
    #[schema(rename = "@odata.context")]
    context: String,
    /// The number of all matches, if `$count` asked for it.
    #[schema(rename = "@odata.count")]
    count: Option<u64>,
    /// The operations.
    value: Vec<RecordOperation>,
    /// The next page; absent on the last one.
    #[schema(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

/// An announcement: a client context, or the answer of `recordResponse`, or both.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Announcement {
    /// The client context that the operation's notifications will have.
    #[schema(max_length = 256)]
    client_context: Option<String>,
    /// Graph's id, from the answer of `recordResponse`.
    #[schema(max_length = 256)]
    id: Option<String>,
    /// `notStarted` or `running`, from the answer of `recordResponse`.
    status: Option<String>,
    /// The call that will be recorded.
    #[schema(max_length = 256)]
    call_id: Option<String>,
    /// The call's tenant.
    tenant_id: Option<String>,
    /// Your metadata, at most 16 KiB. Every event of the operation contains it.
    metadata: Option<BTreeMap<String, Value>>,
    /// The sinks for the operation's events. Empty: the routes choose them.
    sinks: Option<Vec<String>>,
    /// The operation is overdue after this time, such as `PT3M`; at most `P7D`.
    expect_within: Option<String>,
    /// The operation is overdue at this time. Use either this or `expectWithin`.
    #[schema(value_type = Option<String>, format = DateTime)]
    expected_by: Option<Timestamp>,
    /// Whether another operation that has not ended may have the same client context.
    allow_duplicate: Option<bool>,
}

/// The properties that can be changed. A missing property stays as it is; `null` removes the value.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Changes {
    /// The client context. It can be changed until the operation starts.
    #[schema(max_length = 256)]
    client_context: Option<String>,
    /// Your metadata, at most 16 KiB.
    metadata: Option<BTreeMap<String, Value>>,
    /// The sinks for the operation's events. Empty: the routes choose them.
    sinks: Option<Vec<String>>,
    /// The operation is overdue after this time, counted from now, such as `PT3M`; at most `P7D`.
    expect_within: Option<String>,
    /// The operation is overdue at this time. Use either this or `expectWithin`.
    #[schema(value_type = Option<String>, format = DateTime)]
    expected_by: Option<Timestamp>,
}
