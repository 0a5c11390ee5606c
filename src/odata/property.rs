//! The properties that a filter or an order may name, and their values in one operation.
//!
//! **Invariants**
//! 1. The set is closed: any other name is refused.
//! 2. Each property has one kind of value. Instants are compared in whole microseconds, as stores keep them.

use std::fmt;

use jiff::Timestamp;

use crate::domain::{ClientContext, GraphId, Operation, Status};

/// A property of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    /// `clientContext`
    ClientContext,
    /// `status`
    Status,
    /// `completionReason`
    CompletionReason,
    /// `id`
    Id,
    /// `callId`
    CallId,
    /// `resultInfo/code`
    ResultCode,
    /// `resultInfo/subcode`
    ResultSubcode,
    /// `createdDateTime`
    CreatedAt,
    /// `lastModifiedDateTime`
    ModifiedAt,
    /// `tenantId`: an extension, which Graph's `recordOperation` does not have.
    TenantId,
    /// `expectation/state`: an extension; missing where nothing was announced and nothing is lost.
    ExpectationState,
}

/// The kind of a property's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Instant,
}

/// The properties of one operation; `None` is OData's `null`. The values have the spelling of the domain's types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// `clientContext`
    pub client_context: Option<&'a str>,
    /// `status`
    pub status: Option<&'a str>,
    /// `completionReason`
    pub completion_reason: Option<&'a str>,
    /// `id`
    pub id: Option<&'a str>,
    /// `callId`; an empty one counts as missing.
    pub call_id: Option<&'a str>,
    /// `resultInfo/code`
    pub result_code: Option<i64>,
    /// `resultInfo/subcode`
    pub result_subcode: Option<i64>,
    /// `createdDateTime`
    pub created_at: Option<Timestamp>,
    /// `lastModifiedDateTime`
    pub modified_at: Option<Timestamp>,
    /// `tenantId`
    pub tenant_id: Option<&'a str>,
    /// `expectation/state`
    pub expectation_state: Option<&'a str>,
}

impl<'a> From<&'a Operation> for Subject<'a> {
    fn from(operation: &'a Operation) -> Self {
        Self {
            client_context: operation.client_context.as_ref().map(ClientContext::as_str),
            status: Some(operation.status.as_str()),
            completion_reason: operation.completion_reason.as_deref(),
            id: Some(&operation.id),
            call_id: operation.call_id.as_deref(),
            result_code: operation.result_info.as_ref().map(|result| result.code),
            result_subcode: operation.result_info.as_ref().map(|result| result.subcode),
            created_at: Some(operation.created_at),
            modified_at: Some(operation.modified_at),
            tenant_id: operation.tenant_id.as_deref(),
            expectation_state: operation.expectation.as_ref().map(|it| it.state.as_str()),
        }
    }
}

/// A value for comparison, always with a value of the same kind. An instant is its microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value<'a> {
    Integer(i64),
    Text(&'a str),
}

impl Property {
    /// Every property.
    pub const ALL: [Self; 11] = [
        Self::ClientContext,
        Self::Status,
        Self::CompletionReason,
        Self::Id,
        Self::CallId,
        Self::ResultCode,
        Self::ResultSubcode,
        Self::CreatedAt,
        Self::ModifiedAt,
        Self::TenantId,
        Self::ExpectationState,
    ];

    /// Its name in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientContext => "clientContext",
            Self::Status => "status",
            Self::CompletionReason => "completionReason",
            Self::Id => "id",
            Self::CallId => "callId",
            Self::ResultCode => "resultInfo/code",
            Self::ResultSubcode => "resultInfo/subcode",
            Self::CreatedAt => "createdDateTime",
            Self::ModifiedAt => "lastModifiedDateTime",
            Self::TenantId => "tenantId",
            Self::ExpectationState => "expectation/state",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.name() == name)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::ResultCode | Self::ResultSubcode => Kind::Integer,
            Self::CreatedAt | Self::ModifiedAt => Kind::Instant,
            _ => Kind::Text,
        }
    }

    /// `text` in the spelling of this property's values: a known status as Graph spells it, an id as [`GraphId`] spells
    /// it, a tenant in lower case.
    pub(super) fn normalised(self, text: String) -> String {
        match self {
            // An empty text is not a status, although Graph's empty status is read as `notStarted`.
            Self::Status if !text.is_empty() => Status::parse(&text).as_str().to_owned(),
            Self::TenantId => text.to_ascii_lowercase(),
            Self::Id | Self::CallId => GraphId::new(&text).map_or(text, |id| id.as_str().to_owned()),
            _ => text,
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'a> Subject<'a> {
    pub(super) fn value(&self, property: Property) -> Option<Value<'a>> {
        match property {
            Property::ClientContext => self.client_context.map(Value::Text),
            Property::Status => self.status.map(Value::Text),
            Property::CompletionReason => self.completion_reason.map(Value::Text),
            Property::Id => self.id.map(Value::Text),
            Property::CallId => self.call_id.filter(|text| !text.is_empty()).map(Value::Text),
            Property::ResultCode => self.result_code.map(Value::Integer),
            Property::ResultSubcode => self.result_subcode.map(Value::Integer),
            Property::CreatedAt => self.created_at.map(Value::from),
            Property::ModifiedAt => self.modified_at.map(Value::from),
            Property::TenantId => self.tenant_id.map(Value::Text),
            Property::ExpectationState => self.expectation_state.map(Value::Text),
        }
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(instant: Timestamp) -> Self {
        Self::Integer(instant.as_microsecond())
    }
}

/// The names of properties, for a text about what was expected.
pub(super) fn names(properties: impl IntoIterator<Item = Property>) -> String {
    properties.into_iter().map(Property::name).collect::<Vec<_>>().join(", ")
}
