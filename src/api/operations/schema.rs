//! What the bodies look like, for `/openapi.json`. An operation is answered as [`RecordOperation`]; of the others no value is
//! ever made, but their names are those that requests may use ([`super::names`]).
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
