//! The notification: one item of a Graph POST, read and normalised.

use std::sync::Arc;

use secrecy::SecretString;

use super::{
    Channel, ClientContext, EndedCall, EventKind, GraphId, Mark, OperationEvent, Raw, RecordOperation, Request,
    RoutingKey,
};

/// `changeType`, as documented.
pub const CHANGE_TYPES: &[&str] = &["created", "updated", "deleted"];
/// `lifecycleEvent`, as documented.
pub const LIFECYCLE_EVENTS: &[&str] = &["missed", "subscriptionRemoved", "reauthorizationRequired"];

/// A spelling of Graph's that differs from its current documentation. Each one met is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `resource` (`/app/calls/..`) instead of `resourceUrl`.
    ResourceForResourceUrl,
    /// An id without dashes where the documentation has dashes.
    UndashedId,
    /// No `id` in the payload: taken from the path.
    IdFromPath,
    /// `recordResourceLocation` / `recordResourceAccessToken`.
    RecordResourceNames,
    /// `subCode` for `subcode`.
    SubCode,
    /// A code sent as text.
    CodeAsText,
    /// A key twice in one object; the last one is used.
    RepeatedKey,
    /// `@odata.type` without `#`, or in another case.
    OdataTypeSpelling,
    /// `status`, `changeType` or `lifecycleEvent` in another case.
    EnumCase,
    /// An enum member that this version does not know.
    UnknownMember,
    /// Empty strings for absent values.
    EmptyForAbsent,
    /// `organizationId` for `tenantId`.
    OrganizationId,
    /// No `@odata.type` in the payload.
    OdataTypeAbsent,
    /// `EncryptedContent` for `encryptedContent`.
    EncryptedContentCase,
    /// A code written as a fraction (`200.0`).
    CodeAsFraction,
    /// A `clientContext` that is longer than Graph allows: it is shown, but matches nothing.
    ClientContextTooLong,
    /// A member of another type than documented; the rest was read.
    UnreadableMember,
}

impl Dialect {
    /// Every dialect, for the metric's closed label set.
    pub const ALL: [Self; 17] = [
        Self::ResourceForResourceUrl,
        Self::UndashedId,
        Self::IdFromPath,
        Self::RecordResourceNames,
        Self::SubCode,
        Self::CodeAsText,
        Self::RepeatedKey,
        Self::OdataTypeSpelling,
        Self::EnumCase,
        Self::UnknownMember,
        Self::EmptyForAbsent,
        Self::OrganizationId,
        Self::OdataTypeAbsent,
        Self::EncryptedContentCase,
        Self::CodeAsFraction,
        Self::ClientContextTooLong,
        Self::UnreadableMember,
    ];

    /// The metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResourceForResourceUrl => "resource_for_resource_url",
            Self::UndashedId => "undashed_id",
            Self::IdFromPath => "id_from_path",
            Self::RecordResourceNames => "record_resource_names",
            Self::SubCode => "sub_code",
            Self::CodeAsText => "code_as_text",
            Self::RepeatedKey => "repeated_key",
            Self::OdataTypeSpelling => "odata_type_spelling",
            Self::EnumCase => "enum_case",
            Self::UnknownMember => "unknown_member",
            Self::EmptyForAbsent => "empty_for_absent",
            Self::OrganizationId => "organization_id",
            Self::OdataTypeAbsent => "odata_type_absent",
            Self::EncryptedContentCase => "encrypted_content_case",
            Self::CodeAsFraction => "code_as_fraction",
            Self::ClientContextTooLong => "client_context_too_long",
            Self::UnreadableMember => "unreadable_member",
        }
    }
}

/// The subject of a notification.
#[derive(Clone, Debug)]
pub enum Content {
    /// A record operation.
    Operation(Box<RecordOperation>),
    /// Any other resource, as JSON text, as Graph sent it (decrypted where it came encrypted), without its secrets.
    Resource(String),
    /// A lifecycle event of a subscription: the item as JSON text, without its `clientState`.
    Lifecycle(String),
}

/// One item of a Graph POST, read and normalised. Its proof is in [`super::Verified`], not here.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Where it came in.
    pub channel: Channel,
    /// The resource's type without `#microsoft.graph.`, first letter in lower case: `recordOperation`, `call`,
    /// `chatMessage`; for lifecycle events `subscription`; `unknown` where Graph named none.
    pub resource_type: String,
    /// `created`, `updated` or `deleted`, in lower case; for lifecycle events the event (`missed`, ..); members
    /// that this version does not know as Graph spelt them.
    pub change_type: String,
    /// The resource's path as Graph sent it; empty where it sent none.
    pub resource: String,
    /// The tenant, from the token (calls) or the item (subscriptions), in lower case.
    pub tenant_id: Option<String>,
    /// The subscription it belongs to.
    pub subscription_id: Option<String>,
    /// When that subscription expires, as Graph sent it.
    pub subscription_expires_at: Option<String>,
    /// The call that it is about, directly or through one of its parts.
    pub call_id: Option<GraphId>,
    /// Graph's own id of the change notification, where it sent one.
    pub graph_id: Option<String>,
    /// The value in it, beside its id, that distinguishes a repeat from a change in equal bytes.
    pub mark: Option<Mark>,
    /// The `clientContext` of the operation that it is about.
    pub client_context: Option<ClientContext>,
    /// Its subject.
    pub content: Content,
    /// The secrets of a resource that is not a record operation: a JSON object of JSON pointers (RFC 6901).
    pub secrets: Option<SecretString>,
    /// The call whose end it reports: no more notifications of the call's operations may follow.
    pub ended_call: Option<Box<EndedCall>>,
    /// The dialects that were found while reading it.
    pub dialects: Vec<Dialect>,
    /// The ids and the callback of its POST.
    pub request: Arc<Request>,
    /// The item, byte for byte.
    pub raw: Raw,
}

impl Notification {
    /// The record operation it is about, if it is about one.
    pub fn operation(&self) -> Option<&RecordOperation> {
        match &self.content {
            Content::Operation(operation) => Some(operation),
            Content::Resource(_) | Content::Lifecycle(_) => None,
        }
    }

    /// The CloudEvents `type` of its event.
    pub fn kind(&self) -> EventKind<'_> {
        match &self.content {
            Content::Operation(operation) => EventKind::Operation(OperationEvent::from(&operation.status)),
            // What names the type without being one: its change is Graph's word as well.
            _ if self.resource_type.eq_ignore_ascii_case(RecordOperation::TYPE) => {
                EventKind::Operation(OperationEvent::Unknown)
            }
            Content::Resource(_) | Content::Lifecycle(_) => {
                EventKind::Resource { of: &self.resource_type, what: &self.change_type }
            }
        }
    }

    /// What routes are matched against.
    pub fn routing_key(&self) -> RoutingKey<'_> {
        RoutingKey {
            client_context: self.client_context.as_ref().map(ClientContext::as_str),
            status: self.operation().map(|operation| &operation.status),
            tenant_id: self.tenant_id.as_deref(),
            resource_type: &self.resource_type,
            resource: &self.resource,
            change_type: Some(&self.change_type),
            subscription_id: self.subscription_id.as_deref(),
            channel: self.channel,
            kind: self.kind(),
        }
    }
}
