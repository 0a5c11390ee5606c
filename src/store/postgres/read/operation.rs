//! One stored operation: its row, and the sealed values of the event that set its state.

use deadpool_postgres::ClientWrapper;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Row;

use crate::domain::{
    CallEnd, ClientContext, Expectation, ExpectationState, Operation, Proof, ResultInfo, SinkName, Status,
};
use crate::store::contents;
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, event_id, get, maybe_parsed, maybe_text, parsed, text};
use crate::store::seal::Seal;
use crate::store::sealed;

/// What [`read`] reads, up to where a `WHERE` may follow.
pub const SELECT: &str = "SELECT o.*, e.id AS event_id, e.sealed AS event_sealed, c.ended_at AS call_ended_at, \
     c.sealed AS call_sealed FROM operations o LEFT JOIN events e ON e.number = o.state_event \
     LEFT JOIN LATERAL (SELECT ended_at, sealed FROM ended_calls \
     WHERE call_hash = o.call_hash AND call_id = o.call_id LIMIT 1) c ON true";

/// An operation with what only the store knows of it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The operation.
    pub operation: Operation,
    /// The client context that its expectation waits for; `None` once it is bound, or nothing was announced.
    pub waits_for: Option<String>,
    /// The event that set its state.
    pub state_event: Option<i64>,
    /// When it is reported as overdue, in steady time.
    pub overdue_at: Option<i64>,
    /// When it is reported as lost, in steady time.
    pub lost_at: Option<i64>,
}

/// The part of an event's data that has no column. Graph may have sent either value as another type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    result_info: Value,
    recording_location: Value,
}

/// The operation with a number.
pub async fn one(client: &ClientWrapper, seal: &Seal, number: i64) -> Result<Option<Operation>, Failure> {
    let found = sql::first(client, &format!("{SELECT} WHERE o.number = $1"), &[&number]).await?;
    found.map(|row| Ok(read(&row, seal)?.operation)).transpose()
}

/// The operations with these numbers, in their order.
pub async fn some(client: &ClientWrapper, seal: &Seal, numbers: &[i64]) -> Result<Vec<Operation>, Failure> {
    let sql = format!("{SELECT} WHERE o.number = ANY($1::bigint[]) ORDER BY array_position($1::bigint[], o.number)");
    let rows = sql::rows(client, &sql, &[&numbers]).await?;
    rows.iter().map(|row| Ok(read(row, seal)?.operation)).collect()
}

/// Reads a row of [`SELECT`], with the token if that is still stored.
pub fn read(row: &Row, seal: &Seal) -> Result<Stored, Failure> {
    let mut stored = read_bare(row)?;
    let operation = &mut stored.operation;
    if let Some(sealed) = get::<Option<Vec<u8>>>(row, "event_sealed")? {
        let id = event_id(row, "event_id")?;
        match contents::open(seal, id, &sealed) {
            Ok(opened) => tell(operation, &opened.data, opened.token),
            Err(error) => {
                tracing::warn!(event = %id, %error, "an operation is shown without its event's sealed data");
            }
        }
    }
    operation.call_end = call_end(row, seal, operation.call_id.as_deref().unwrap_or_default())?;
    Ok(stored)
}

/// Adds what stands only in the data of the event that set the state.
pub fn tell(operation: &mut Operation, data: &str, token: Option<SecretString>) {
    let content: Content = serde_json::from_str(data).unwrap_or_default();
    operation.recording_location = content.recording_location.as_str().map(str::to_owned);
    operation.recording_access_token = token;
    if let Some(result) = &mut operation.result_info {
        let message = content.result_info.get("message").and_then(Value::as_str);
        result.message = message.map(str::to_owned);
    }
}

/// Reads the columns of `operations` alone.
pub fn read_bare(row: &Row) -> Result<Stored, Failure> {
    let (code, subcode): (Option<i64>, Option<i64>) = (get(row, "result_code")?, get(row, "result_subcode")?);
    let operation = Operation {
        number: get(row, "number")?,
        version: get(row, "version")?,
        id: text(row, "id")?,
        call_id: Some(text(row, "call_id")?).filter(|call_id| !call_id.is_empty()),
        tenant_id: maybe_text(row, "tenant_id")?,
        client_context: maybe_parsed(row, "client_context", |text| ClientContext::new(text))?,
        status: parsed(row, "status", |text| Some(Status::parse(text)))?,
        completion_reason: maybe_text(row, "completion_reason")?,
        result_info: code.map(|code| ResultInfo { code, subcode: subcode.unwrap_or_default(), message: None }),
        recording_location: None,
        recording_access_token: None,
        created_at: instant(get(row, "created_at")?),
        modified_at: instant(get(row, "modified_at")?),
        expectation: expectation(row)?,
        proof: Proof::of_rank(get(row, "proof")?),
        call_end: None,
    };
    Ok(Stored {
        operation,
        waits_for: maybe_text(row, "waits_for")?,
        state_event: get(row, "state_event")?,
        overdue_at: get(row, "overdue_at")?,
        lost_at: get(row, "lost_at")?,
    })
}

fn expectation(row: &Row) -> Result<Option<Expectation>, Failure> {
    let Some(id) = maybe_text(row, "expectation_id")? else { return Ok(None) };
    Ok(Some(Expectation {
        id,
        state: parsed(row, "expectation", ExpectationState::parse)?,
        announced_at: get::<Option<i64>>(row, "announced_at")?.map(instant),
        expected_by: get::<Option<i64>>(row, "expected_by")?.map(instant),
        metadata: maybe_text(row, "metadata")?,
        sinks: maybe_parsed(row, "sinks", |text| serde_json::from_str::<Vec<SinkName>>(text).ok())?.unwrap_or_default(),
    }))
}

fn call_end(row: &Row, seal: &Seal, call_id: &str) -> Result<Option<CallEnd>, Failure> {
    let Some(ended_at) = get::<Option<i64>>(row, "call_ended_at")? else { return Ok(None) };
    Ok(Some(sealed::open_call_end(seal, call_id, (ended_at, get(row, "call_sealed")?))))
}
