//! Where the sentences stand that checks cite.

/// Notification URLs, answers, times, `clientState`.
pub(super) const DELIVERY: &str = "https://learn.microsoft.com/graph/change-notifications-delivery-webhooks";
/// Validation tokens and encrypted content.
pub(super) const RICH: &str = "https://learn.microsoft.com/graph/change-notifications-with-resource-data";
/// Lifecycle notifications.
pub(super) const LIFECYCLE: &str = "https://learn.microsoft.com/graph/change-notifications-lifecycle-events";
/// The calls channel: its token and its old format.
pub(super) const CALLS: &str =
    "https://learn.microsoft.com/microsoftteams/platform/bots/calls-and-meetings/call-notifications";
/// Answering a call.
pub(super) const ANSWER: &str = "https://learn.microsoft.com/graph/api/call-answer";
/// Microsoft's calling bots.
pub(super) const SAMPLES: &str = "https://github.com/microsoftgraph/microsoft-graph-comms-samples";
/// Graph's types, in the form that its SDKs are made of.
pub(super) const METADATA: &str = "https://github.com/microsoftgraph/msgraph-metadata";
/// Recording a response.
pub(super) const RECORD: &str = "https://learn.microsoft.com/graph/api/call-record";
/// The members of a change notification.
pub(super) const CHANGE: &str = "https://learn.microsoft.com/graph/api/resources/changenotification";
