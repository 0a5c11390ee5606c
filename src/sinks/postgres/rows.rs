//! Events as rows: a column is an array, so that one statement inserts them all.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::table::Table;
use crate::domain::{ClientContext, Delivery};
use crate::sinks::Shape;

/// The columns of rows that are inserted together.
#[derive(Default)]
pub(super) struct Rows<'a> {
    delivery_ids: Vec<Uuid>,
    event_ids: Vec<Uuid>,
    types: Vec<Option<&'a str>>,
    times: Vec<String>,
    client_contexts: Vec<Option<&'a str>>,
    call_ids: Vec<Option<&'a str>>,
    operation_ids: Vec<Option<&'a str>>,
    tenants: Vec<Option<&'a str>>,
    events: Vec<String>,
}

impl<'a> Rows<'a> {
    /// Adds the row of a delivery.
    pub(super) fn push(&mut self, shape: &Shape, delivery: &'a Delivery) {
        let event = &*delivery.event;
        let carried = &event.envelope.carried;
        self.delivery_ids.push(delivery.id.0);
        self.event_ids.push(event.id.0);
        self.types.push(column(Some(&event.kind)));
        self.times.push(event.time.to_string());
        self.client_contexts.push(column(event.client_context.as_ref().map(ClientContext::as_str)));
        self.call_ids.push(column(carried.call_id.as_deref()));
        self.operation_ids.push(column(carried.operation_id.as_deref()));
        self.tenants.push(column(event.envelope.tenant_id.as_deref()));
        // JSON is UTF-8.
        self.events.push(String::from_utf8_lossy(&shape.message(delivery).body).into_owned());
    }

    /// The values of [`statement`], and their types. So the server need not be asked for them first.
    pub(super) fn parameters(&self) -> [(&(dyn ToSql + Sync), Type); 9] {
        [
            (&self.delivery_ids, Type::UUID_ARRAY),
            (&self.event_ids, Type::UUID_ARRAY),
            (&self.types, Type::TEXT_ARRAY),
            (&self.times, Type::TEXT_ARRAY),
            (&self.client_contexts, Type::TEXT_ARRAY),
            (&self.call_ids, Type::TEXT_ARRAY),
            (&self.operation_ids, Type::TEXT_ARRAY),
            (&self.tenants, Type::TEXT_ARRAY),
            (&self.events, Type::TEXT_ARRAY),
        ]
    }
}

/// The statement that inserts rows, in their order. Those that are there already stay as they are.
pub(super) fn statement(table: &Table) -> String {
    format!(
        r#"INSERT INTO {}
            (delivery_id, event_id, "type", "time", client_context, call_id, operation_id, tenant, event)
        SELECT delivery_id, event_id, "type", "time"::timestamptz, client_context, call_id, operation_id, tenant, event::json
        FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
            WITH ORDINALITY
            AS it (delivery_id, event_id, "type", "time", client_context, call_id, operation_id, tenant, event, n)
        ORDER BY n
        ON CONFLICT (delivery_id) DO NOTHING"#,
        table.quoted
    )
}

/// A value for a text column. No text of PostgreSQL has a NUL; in the event it is escaped.
fn column(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.contains('\0'))
}
