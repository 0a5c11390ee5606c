//! One stored operation: its row, its expectation's row, and the sealed values of the event that set its state.

use rusqlite::{Connection, OptionalExtension, Row};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::rows::{event_id, maybe_parsed, parsed};
use crate::domain::{
    CallEnd, ClientContext, Expectation, ExpectationState, Operation, Proof, ResultInfo, SinkName, Status,
};
use crate::store::contents;
use crate::store::instants::instant;
use crate::store::seal::Seal;
use crate::store::sealed;

/// The columns that [`read`] reads, up to where a `WHERE` may follow. `o` is the operation, `x` its expectation, `e`
/// the event that set its state, `c` its call, if that has ended.
pub const COLUMNS: &str = "SELECT o.seq, o.version, o.id, o.call_id, o.tenant_id, o.client_context, o.status, o.completion_reason, \
            o.result_code, o.result_subcode, o.created_at, o.modified_at, \
            x.id, x.state, x.expected_by, x.metadata, x.sinks, e.id, e.sealed, x.announced_at, c.ended_at, c.sealed, o.proof \
     FROM operations o LEFT JOIN expectations x ON x.operation = o.seq LEFT JOIN events e ON e.seq = o.state_event \
     LEFT JOIN ended_calls c ON c.call_id = o.call_id";

/// The part of an event's data that has no column. Graph may have sent either value as another type.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    result_info: Value,
    recording_location: Value,
}

/// The operation in a row of the store.
pub fn one(connection: &Connection, seal: &Seal, number: i64) -> rusqlite::Result<Option<Operation>> {
    let sql = format!("{COLUMNS} WHERE o.seq = ?1");
    connection.prepare_cached(&sql)?.query_row([number], |row| read(row, seal)).optional()
}

/// Reads a row of [`COLUMNS`], with the token if that is still stored.
pub fn read(row: &Row<'_>, seal: &Seal) -> rusqlite::Result<Operation> {
    let call_id: String = row.get(3)?;
    let (token, content) = content(row, seal)?;
    let (code, subcode): (Option<i64>, Option<i64>) = (row.get(8)?, row.get(9)?);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = content.result_info.get("message").and_then(text);
    Ok(Operation {
        number: row.get(0)?,
        version: row.get(1)?,
        id: row.get(2)?,
        tenant_id: row.get(4)?,
        client_context: maybe_parsed(row, 5, |text| ClientContext::new(text))?,
        status: parsed(row, 6, |text| Some(Status::parse(text)))?,
        completion_reason: row.get(7)?,
        result_info: code.map(|code| ResultInfo { code, subcode: subcode.unwrap_or_default(), message }),
        recording_location: text(&content.recording_location),
        recording_access_token: token,
        created_at: instant(row.get(10)?),
        modified_at: instant(row.get(11)?),
        expectation: expectation(row)?,
        proof: Proof::of_rank(row.get(22)?),
        call_end: call_end(row, seal, &call_id)?,
        call_id: Some(call_id).filter(|call_id| !call_id.is_empty()),
    })
}

fn call_end(row: &Row<'_>, seal: &Seal, call_id: &str) -> rusqlite::Result<Option<CallEnd>> {
    let Some(ended_at) = row.get(20)? else { return Ok(None) };
    Ok(Some(sealed::open_call_end(seal, call_id, (ended_at, row.get(21)?))))
}

fn expectation(row: &Row<'_>) -> rusqlite::Result<Option<Expectation>> {
    let Some(id) = row.get(12)? else { return Ok(None) };
    Ok(Some(Expectation {
        id,
        state: parsed(row, 13, ExpectationState::parse)?,
        announced_at: row.get::<_, Option<i64>>(19)?.map(instant),
        expected_by: row.get::<_, Option<i64>>(14)?.map(instant),
        metadata: row.get(15)?,
        sinks: parsed(row, 16, sinks_of)?,
    }))
}

/// Names of sinks, as a column holds them.
pub fn sinks_of(text: &str) -> Option<Vec<SinkName>> {
    serde_json::from_str(text).ok()
}

/// The sealed values of the event that set the state; empty if no event did, or if retention removed it.
fn content(row: &Row<'_>, seal: &Seal) -> rusqlite::Result<(Option<SecretString>, Content)> {
    let Some(sealed) = row.get::<_, Option<Vec<u8>>>(18)? else { return Ok((None, Content::default())) };
    let id = event_id(row, 17)?;
    match contents::open(seal, id, &sealed) {
        Ok(opened) => Ok((opened.token, serde_json::from_str(&opened.data).unwrap_or_default())),
        Err(error) => {
            tracing::warn!(event = %id, %error, "an operation is shown without its event's sealed data");
            Ok((None, Content::default()))
        }
    }
}
