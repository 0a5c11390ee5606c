//! The `data` of an event about reelhook itself, as text and as a schema. Both follow from one type.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The facts of an event about reelhook itself. Which members there are depends on the event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorData {
    /// What happened, in a sentence.
    pub message: String,
    /// The sink that it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub sink: Option<String>,
    /// Who paused the sink: `operator` or `reelhook`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub by: Option<&'static str>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    pub since: Option<Timestamp>,
    /// When the sink is attempted again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub reason: Option<String>,
    /// How many since `since`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub count: Option<u64>,
    /// The path whose answers are slow: `notifications` or `lifecycle`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub path: Option<&'static str>,
    /// The share of its answers in the last 10 minutes that took over 3 s, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    pub share: Option<f64>,
    /// The share from which on answers are slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    pub limit: Option<f64>,
    /// The free bytes of the store's disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub free_bytes: Option<u64>,
    /// The bytes within the store that are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub reusable_bytes: Option<u64>,
    /// With fewer free bytes, notifications are refused: `store.disk_reserve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    pub reserve_bytes: Option<u64>,
}
