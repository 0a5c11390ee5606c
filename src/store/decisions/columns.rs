//! The columns that a filter or an order of operations can name.

use crate::odata::Property;

/// The column of a property, in the table that a query calls `o`. Every engine names them so.
pub fn column(property: Property) -> &'static str {
    match property {
        Property::ClientContext => "o.client_context",
        Property::Status => "o.status",
        Property::CompletionReason => "o.completion_reason",
        Property::Id => "o.id",
        Property::CallId => "o.call_id",
        Property::ResultCode => "o.result_code",
        Property::ResultSubcode => "o.result_subcode",
        Property::CreatedAt => "o.created_at",
        Property::ModifiedAt => "o.modified_at",
        Property::TenantId => "o.tenant_id",
        Property::ExpectationState => "o.expectation",
    }
}
