//! An event as JSON: the schema of structured mode. `attributes` writes it; a test holds the two together.

use utoipa::ToSchema;

/// An event: a CloudEvent 1.0 in structured JSON. Later versions of reelhook may add attributes.
#[derive(ToSchema)]
#[allow(dead_code, reason = "the schema is made of it; events are written without it, because they are many")]
pub(super) struct CloudEvent {
    /// `1.0`.
    specversion: String,
    /// The id of the event: the same in every attempt, for every sink and route.
    #[schema(format = "uuid")]
    id: String,
    /// `https://graph.microsoft.com`, or `/reelhook` for reelhook's own events.
    #[schema(format = "uri-reference")]
    source: String,
    /// What happened, after the prefix of `events.type_prefix`.
    r#type: String,
    /// When reelhook received the notification.
    #[schema(format = DateTime)]
    time: String,
    /// `application/json`.
    datacontenttype: String,
    /// The schema of the data, if `events.schema_base` is set.
    #[schema(value_type = String, required = false, format = "uri")]
    dataschema: Option<String>,
    /// When reelhook accepted it, if it was in the quarantine until then.
    #[schema(value_type = String, required = false, format = DateTime)]
    acceptedtime: Option<String>,
    /// The path of the resource as Graph sent it.
    #[schema(value_type = String, required = false)]
    subject: Option<String>,
    /// The route that chose the sink.
    #[schema(value_type = String, required = false)]
    route: Option<String>,
    /// The first delivery of the event, if an operator had it sent again.
    #[schema(value_type = String, required = false, format = "uuid")]
    resendof: Option<String>,
    /// `true` if the same bytes arrived before and it is not known whether this is a repeat or a change.
    #[schema(value_type = bool, required = false)]
    possiblerepeat: Option<bool>,
    /// The client context that the routes used.
    #[schema(value_type = String, required = false)]
    clientcontext: Option<String>,
    /// The named groups of the route's regex: an object as JSON text.
    #[schema(value_type = String, required = false)]
    captures: Option<String>,
    /// `calls`, `subscriptions` or `lifecycle`. Absent from events about reelhook itself.
    #[schema(value_type = String, required = false)]
    channel: Option<String>,
    /// The type of the resource.
    #[schema(value_type = String, required = false)]
    resourcetype: Option<String>,
    /// `created`, `updated`, `deleted`, or the lifecycle event.
    #[schema(value_type = String, required = false)]
    changetype: Option<String>,
    /// The tenant.
    #[schema(value_type = String, required = false)]
    tenantid: Option<String>,
    /// The call.
    #[schema(value_type = String, required = false)]
    callid: Option<String>,
    /// The subscription.
    #[schema(value_type = String, required = false)]
    subscriptionid: Option<String>,
    /// When that subscription expires, as Graph sent it.
    #[schema(value_type = String, required = false)]
    subscriptionexpiry: Option<String>,
    /// The part of the callback address after the configured path.
    #[schema(value_type = String, required = false)]
    callback: Option<String>,
    /// Microsoft's correlation id.
    #[schema(value_type = String, required = false)]
    correlationid: Option<String>,
    /// The id of the event that caused this one.
    #[schema(value_type = String, required = false)]
    causationid: Option<String>,
    /// The trace that the POST was part of.
    #[schema(value_type = String, required = false)]
    traceparent: Option<String>,
    /// The key by which a destination can keep events in order.
    #[schema(value_type = String, required = false)]
    partitionkey: Option<String>,
    /// The number of the event, as 16 digits.
    #[schema(pattern = "^[0-9]{16}$")]
    sequence: String,
    /// The data, by the schema that `dataschema` names.
    data: serde_json::Value,
}
