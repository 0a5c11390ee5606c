//! The operations that a transaction is about: read once, changed in memory, written once.
//!
//! **Invariants**
//! 1. The work is bounded, however many operations share an id, a client context or a call.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{ClientContext, ExpectationState, Operation, Proof};
use crate::store::decisions::announced::Announced;
use crate::store::decisions::announcing::Candidate;
use crate::store::decisions::known::Known;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::{lookups, sql, text};
use crate::store::postgres::read::operation::{self, Stored};

/// What a transaction knows operations by.
#[derive(Debug, Default)]
pub struct Keys {
    /// Ids, of Graph or of an expectation.
    pub ids: Vec<String>,
    /// Client contexts.
    pub contexts: Vec<String>,
    /// Calls.
    pub calls: Vec<String>,
    /// Numbers.
    pub numbers: Vec<i64>,
}

/// The operations that a transaction is about, by their numbers.
#[derive(Debug, Default)]
pub struct Operations {
    rows: BTreeMap<i64, Stored>,
    changed: Vec<i64>,
}

/// The newest of an id; the open ones of a client context and those that wait for it; the open ones of a call.
const FOUND: &str = "WITH found AS ( \
    SELECT f.number FROM unnest($1::bigint[]) AS k (hash) CROSS JOIN LATERAL \
        (SELECT number FROM operations WHERE id_hash = k.hash ORDER BY number DESC LIMIT 64) f \
    UNION SELECT f.number FROM unnest($1::bigint[]) AS k (hash) CROSS JOIN LATERAL \
        (SELECT number FROM operations WHERE expectation_hash = k.hash ORDER BY number DESC LIMIT 64) f \
    UNION SELECT f.number FROM unnest($2::bigint[]) AS k (hash) CROSS JOIN LATERAL \
        (SELECT number FROM operations WHERE context_hash = k.hash AND NOT is_terminal ORDER BY number DESC LIMIT 51) f \
    UNION SELECT f.number FROM unnest($2::bigint[]) AS k (hash) CROSS JOIN LATERAL \
        (SELECT number FROM operations WHERE waits_hash = k.hash ORDER BY expectation DESC, number LIMIT 200) f \
    UNION SELECT f.number FROM unnest($3::bigint[]) AS k (hash) CROSS JOIN LATERAL \
        (SELECT number FROM operations WHERE call_hash = k.hash AND NOT is_terminal ORDER BY number LIMIT 500) f \
    UNION SELECT number FROM unnest($4::bigint[]) AS k (number)) ";

impl Operations {
    /// Reads the operations of some keys. `is_whole`: with what is sealed in the event that set their state.
    pub async fn load(tx: &Tx<'_>, keys: &Keys, is_whole: bool) -> Result<Self, Failure> {
        let hashes = |texts: &[String], hash: fn(&str) -> i64| texts.iter().map(|text| hash(text)).collect::<Vec<_>>();
        let ids = hashes(&keys.ids, lookups::of_id);
        let contexts = hashes(&keys.contexts, lookups::of_context);
        let calls = hashes(&keys.calls, lookups::of_call);
        let select = if is_whole { operation::SELECT } else { "SELECT o.* FROM operations o" };
        let statement = format!("{FOUND} {select} WHERE o.number IN (SELECT number FROM found)");
        let rows = sql::rows(tx.client, &statement, &[&ids, &contexts, &calls, &keys.numbers]).await?;
        let read = |row| match is_whole {
            true => operation::read(row, &tx.shared.seal),
            false => operation::read_bare(row),
        };
        let rows = rows.iter().map(|row| read(row).map(|stored| (stored.operation.number, stored)));
        Ok(Self { rows: rows.collect::<Result<_, _>>()?, changed: Vec::new() })
    }

    /// An operation.
    pub fn get(&self, number: i64) -> Option<&Stored> {
        self.rows.get(&number)
    }

    /// An operation, to change it.
    pub fn change(&mut self, number: i64) -> Option<&mut Stored> {
        self.changed.push(number);
        self.rows.get_mut(&number)
    }

    /// Adds a new one.
    pub fn add(&mut self, stored: Stored) {
        let number = stored.operation.number;
        self.changed.push(number);
        self.rows.insert(number, stored);
    }

    /// All of them, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        self.rows.values()
    }

    /// Those with an id, whatever their call.
    pub fn of_id(&self, id: &str) -> Vec<Known> {
        self.all().filter(|it| it.operation.id == id).map(known).collect()
    }

    /// The unfinished ones of a client context, oldest first.
    pub fn open<'a>(&'a self, context: &'a str) -> impl DoubleEndedIterator<Item = &'a Stored> {
        self.all().filter(move |it| !it.operation.status.is_terminal() && context_of(&it.operation) == Some(context))
    }

    /// Writes those that changed.
    pub async fn flush(mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.changed.sort_unstable();
        self.changed.dedup();
        let rows: Vec<Row<'_>> = self.changed.iter().filter_map(|number| self.rows.get(number)).map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let json = serde_json::to_string(&rows).unwrap_or_default();
        sql::execute(tx.client, WRITE, &[&json]).await.map(drop)
    }
}

/// As rules see it.
pub fn known(stored: &Stored) -> Known {
    let Stored { operation, state_event, .. } = stored;
    let announced = operation.expectation.as_ref().map(|it| Announced {
        state: it.state,
        metadata: it.metadata.clone(),
        sinks: it.sinks.clone(),
    });
    Known {
        seq: operation.number,
        state_event: *state_event,
        call_id: operation.call_id.clone().unwrap_or_default(),
        status: operation.status.clone(),
        is_heard: announced.is_none() || state_event.is_some(),
        is_watched: stored.overdue_at.is_some() || stored.lost_at.is_some(),
        proof: operation.proof.map_or(0, Proof::rank),
        announced,
        client_context: operation.client_context.clone(),
        is_long: false,
    }
}

/// As an announcement sees it.
pub fn candidate(stored: &Stored) -> Candidate {
    let expectation = stored.operation.expectation.as_ref();
    Candidate {
        number: stored.operation.number,
        call_id: stored.operation.call_id.clone().unwrap_or_default(),
        is_bound: stored.waits_for.is_none(),
        is_announced: expectation.is_some_and(|it| it.announced_at.is_some()),
        is_given_up: expectation
            .is_some_and(|it| matches!(it.state, ExpectationState::Overdue | ExpectationState::Lost)),
    }
}

/// Its client context.
pub fn context_of(operation: &Operation) -> Option<&str> {
    operation.client_context.as_ref().map(ClientContext::as_str)
}

/// The call of an operation; empty if it is unknown.
pub fn call_of(operation: &Operation) -> &str {
    operation.call_id.as_deref().unwrap_or_default()
}

/// A row as its columns hold it.
#[derive(Serialize)]
struct Row<'a> {
    number: i64,
    id: String,
    id_hash: i64,
    call_id: String,
    call_hash: Option<i64>,
    client_context: Option<String>,
    context_hash: Option<i64>,
    status: String,
    is_terminal: bool,
    created_at: i64,
    modified_at: i64,
    version: i64,
    tenant_id: Option<String>,
    completion_reason: Option<String>,
    result_code: Option<i64>,
    result_subcode: Option<i64>,
    state_event: Option<i64>,
    proof: i64,
    expectation_id: Option<String>,
    expectation_hash: Option<i64>,
    expectation: Option<&'a str>,
    announced_at: Option<i64>,
    expected_by: Option<i64>,
    metadata: Option<String>,
    sinks: Option<String>,
    waits_for: Option<String>,
    waits_hash: Option<i64>,
    overdue_at: Option<i64>,
    lost_at: Option<i64>,
}

fn row(stored: &Stored) -> Row<'_> {
    let Stored { operation, waits_for, state_event, overdue_at, lost_at } = stored;
    let (expectation, call_id) = (operation.expectation.as_ref(), operation.call_id.as_deref().unwrap_or_default());
    let (context, result) = (context_of(operation), operation.result_info.as_ref());
    let plain = |text: &str| text::stored(text).into_owned();
    let micros = |at: jiff::Timestamp| at.as_microsecond();
    Row {
        number: operation.number,
        id: plain(&operation.id),
        id_hash: lookups::of_id(&operation.id),
        call_id: plain(call_id),
        call_hash: (!call_id.is_empty()).then(|| lookups::of_call(call_id)),
        client_context: context.map(plain),
        context_hash: context.map(lookups::of_context),
        status: plain(operation.status.as_str()),
        is_terminal: operation.status.is_terminal(),
        created_at: micros(operation.created_at),
        modified_at: micros(operation.modified_at),
        version: operation.version,
        tenant_id: operation.tenant_id.as_deref().map(plain),
        completion_reason: operation.completion_reason.as_deref().map(plain),
        result_code: result.map(|it| it.code),
        result_subcode: result.map(|it| it.subcode),
        state_event: *state_event,
        proof: operation.proof.map_or(0, Proof::rank),
        expectation_id: expectation.map(|it| plain(&it.id)),
        expectation_hash: expectation.map(|it| lookups::of_id(&it.id)),
        expectation: expectation.map(|it| it.state.as_str()),
        announced_at: expectation.and_then(|it| it.announced_at).map(micros),
        expected_by: expectation.and_then(|it| it.expected_by).map(micros),
        metadata: expectation.and_then(|it| it.metadata.as_deref()).map(plain),
        sinks: expectation.map(|it| serde_json::to_string(&it.sinks).unwrap_or_default()),
        waits_for: waits_for.as_deref().map(plain),
        waits_hash: waits_for.as_deref().map(lookups::of_context),
        overdue_at: *overdue_at,
        lost_at: *lost_at,
    }
}

/// The number, the creation and the id's hash of a row do not tell it from another: all columns are written.
const WRITE: &str = "INSERT INTO operations (number, id, id_hash, call_id, call_hash, client_context, context_hash, status, \
    is_terminal, created_at, modified_at, version, tenant_id, completion_reason, result_code, result_subcode, state_event, \
    proof, expectation_id, expectation_hash, expectation, announced_at, expected_by, metadata, sinks, waits_for, waits_hash, \
    overdue_at, lost_at) \
    SELECT number, id, id_hash, call_id, call_hash, client_context, context_hash, status, is_terminal, created_at, \
    modified_at, version, tenant_id, completion_reason, result_code, result_subcode, state_event, proof, expectation_id, \
    expectation_hash, expectation, announced_at, expected_by, metadata, sinks, waits_for, waits_hash, overdue_at, lost_at \
    FROM json_populate_recordset(NULL::operations, $1::text::json) \
    ON CONFLICT (number) DO UPDATE SET id = excluded.id, id_hash = excluded.id_hash, call_id = excluded.call_id, \
    call_hash = excluded.call_hash, client_context = excluded.client_context, context_hash = excluded.context_hash, \
    status = excluded.status, is_terminal = excluded.is_terminal, modified_at = excluded.modified_at, \
    version = excluded.version, tenant_id = excluded.tenant_id, completion_reason = excluded.completion_reason, \
    result_code = excluded.result_code, result_subcode = excluded.result_subcode, state_event = excluded.state_event, \
    proof = excluded.proof, expectation_id = excluded.expectation_id, expectation_hash = excluded.expectation_hash, \
    expectation = excluded.expectation, announced_at = excluded.announced_at, expected_by = excluded.expected_by, \
    metadata = excluded.metadata, sinks = excluded.sinks, waits_for = excluded.waits_for, \
    waits_hash = excluded.waits_hash, overdue_at = excluded.overdue_at, lost_at = excluded.lost_at";
