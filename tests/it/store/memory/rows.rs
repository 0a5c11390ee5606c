//! The rows of the store in memory, and how they are found.
//!
//! **Invariants**
//! 1. `unsettled` holds exactly the deliveries that are open or blocked, `operations_by_id` every id of every operation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use super::identity::{Identity, Message};
use super::ids;
use reelhook::domain::{
    CallEnd, Channel, ClientContext, Counts, Event, EventId, Exchange, HeldTokens, Lease, NewDelivery, Operation,
    Origin, Previous, QuarantineClass as Class, Reason, Request, SinkName, WhyEnded,
};
use reelhook::store::{DeliveryState, DeliveryView, EventView, QuarantineView, SinkCondition, Told};

/// An event.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// The event without its deliveries.
    pub view: EventView,
    /// The operation that it is about.
    pub operation: Option<i64>,
    /// The recording's token, or the resource's secrets, while they are kept.
    pub token: Option<SecretString>,
    /// The notification, while it is kept.
    pub raw: Bytes,
    /// What makes two notifications equal.
    pub identity: Identity,
    /// Its Graph id.
    pub graph_id: Option<String>,
    /// The message of the calling platform that brought it.
    pub message: Option<Message>,
    /// Whether it has, or had, deliveries.
    pub is_matched: bool,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// The delivery. Its `at` is in steady time while it is open or blocked.
    pub view: DeliveryView,
    /// The delivery that routing asked for.
    pub new: NewDelivery,
    /// The operation that it belongs to.
    pub operation: Option<i64>,
    /// Whether a lease holds it, until `view.at`.
    pub is_leased: bool,
    /// The token of its last lease.
    pub token: i64,
    /// How many attempts were made since it was last replayed.
    pub n_attempts: u32,
    /// When it was settled, in steady time.
    pub settled_at: Option<i64>,
}

/// The exchange of an attempt.
#[derive(Clone, Debug)]
pub struct ExchangeRow {
    /// The number of its delivery.
    pub delivery: i64,
    /// When the attempt began, and its number since the last replay.
    pub key: (Timestamp, u32),
    /// The exchange.
    pub exchange: Exchange,
}

/// An operation.
#[derive(Clone, Debug)]
pub struct OperationRow {
    /// The values of the row itself; [`Rows::operation`] adds the others.
    pub base: Operation,
    /// The client context that its expectation waits for; `None` once it is bound, or nothing was announced.
    pub waits_for: Option<String>,
    /// The event that set its state.
    pub state_event: Option<i64>,
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct EndedRow {
    /// The call.
    pub call_id: String,
    /// When it ended, in microseconds.
    pub at: i64,
    /// When that became known.
    pub learned_at: i64,
    /// How it ended.
    pub why: WhyEnded,
}

/// A quarantine entry.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// The entry with its bytes.
    pub view: reelhook::store::QuarantineView,
    /// The class of its sender.
    pub class: Class,
    /// The tenant that its sender verifiably belongs to.
    pub tenant_id: Option<String>,
    /// The facts of its request.
    pub request: Arc<Request>,
    /// The first entry of its POST, while it waits for keys.
    pub post: Option<i64>,
    /// An operator's request to verify it again, and whether the operator vouches for its origin.
    pub wish: Option<bool>,
}

/// The kind of a watch; `Overdue` sorts first.
pub type Kind = u8;

/// All rows.
#[derive(Debug, Default)]
pub struct Rows {
    /// The last numbers given to an event, an operation, an ended call and a quarantine entry.
    pub last: [i64; 4],
    /// By number.
    pub events: BTreeMap<i64, EventRow>,
    /// Events by their operation.
    pub events_of: HashMap<i64, BTreeSet<i64>>,
    /// Events whose POST was not answered.
    pub unanswered: BTreeSet<i64>,
    /// When housekeeping checks which event.
    pub upkeep: BTreeSet<(i64, i64)>,
    /// By number.
    pub deliveries: BTreeMap<i64, DeliveryRow>,
    /// The deliveries that are open or blocked.
    pub unsettled: BTreeSet<i64>,
    /// In the order of writing.
    pub exchanges: BTreeMap<u64, ExchangeRow>,
    /// By number.
    pub operations: BTreeMap<i64, OperationRow>,
    /// Operations by their id and by their expectation's id.
    pub operations_by_id: HashMap<String, BTreeSet<i64>>,
    /// When which operation has to be reported, and as what.
    pub watches: BTreeSet<(i64, i64, Kind)>,
    /// In the order of their ends.
    pub ended_calls: BTreeMap<i64, EndedRow>,
    /// By number.
    pub quarantine: BTreeMap<i64, EntryRow>,
    /// The tokens of POSTs that wait for keys, by the number of their first entry.
    pub waiting_posts: BTreeMap<i64, std::sync::Arc<HeldTokens>>,
    /// Subscriptions with encrypted content, the longest known first.
    pub rich: Vec<String>,
    /// Since when sinks are paused.
    pub paused: BTreeMap<SinkName, Timestamp>,
    /// What the last attempts said about each sink.
    pub conditions: BTreeMap<SinkName, SinkCondition>,
    /// What operators were told of what goes on, by its subject.
    pub told: BTreeMap<String, Told>,
    /// What happened, by the minute.
    pub history: BTreeMap<i64, Counts>,
}

/// The kinds of numbers in [`Rows::last`].
#[derive(Clone, Copy, Debug)]
pub enum Counter {
    /// Events.
    Event,
    /// Operations.
    Operation,
    /// Ended calls.
    EndedCall,
    /// Quarantine entries.
    Quarantine,
}

/// An instant, from microseconds.
pub fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// A duration in microseconds, saturating.
pub fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Rows {
    /// The next number.
    pub fn number(&mut self, counter: Counter) -> i64 {
        let last = match counter {
            Counter::Event => &mut self.last[0],
            Counter::Operation => &mut self.last[1],
            Counter::EndedCall => &mut self.last[2],
            Counter::Quarantine => &mut self.last[3],
        };
        *last += 1;
        *last
    }

    /// The operations with an id, or whose expectation has it, oldest first.
    pub fn of_id<'a>(&'a self, id: &str) -> impl DoubleEndedIterator<Item = &'a OperationRow> {
        let numbers = self.operations_by_id.get(id).into_iter().flatten();
        numbers.filter_map(|number| self.operations.get(number))
    }

    /// An operation with the data of the event that set its state, and with the end of its call.
    pub fn operation(&self, number: i64) -> Option<Operation> {
        let row = self.operations.get(&number)?;
        let mut operation = row.base.clone();
        if let Some(event) = row.state_event.and_then(|event| self.events.get(&event)) {
            let data: Value = serde_json::from_str(&event.view.data).unwrap_or_default();
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
            operation.recording_location = text(data.get("recordingLocation"));
            operation.recording_access_token = event.token.clone();
            if let Some(result) = &mut operation.result_info {
                result.message = text(data.get("resultInfo").and_then(|result| result.get("message")));
            }
        }
        let call_id = operation.call_id.as_deref();
        let ended = self.ended_calls.values().find(|ended| Some(ended.call_id.as_str()) == call_id);
        operation.call_end = ended.map(|ended| CallEnd { at: instant(ended.at), why: ended.why.clone() });
        Some(operation)
    }

    /// The deliveries of an event, in their order.
    pub fn deliveries_of(&self, event: i64) -> impl Iterator<Item = &DeliveryRow> {
        self.deliveries.range(ids::first_delivery(event)..=ids::last_delivery(event)).map(|(_, row)| row)
    }

    /// The event of a row, for operators.
    pub fn event_view(&self, row: &EventRow) -> EventView {
        let deliveries = self.deliveries_of(row.view.number).map(DeliveryRow::shown).collect();
        EventView { deliveries, ..row.view.clone() }
    }

    /// The event of a row, for sinks.
    pub fn event(&self, row: &EventRow) -> Event {
        let view = row.view.clone();
        let is_of_operation = view.order.is_some() || view.origin == Origin::Reelhook;
        let (recording_access_token, secrets) = match is_of_operation {
            true => (row.token.clone(), None),
            false => (None, row.token.clone()),
        };
        Event {
            id: view.id,
            origin: view.origin,
            kind: view.kind,
            number: view.number,
            envelope: view.envelope,
            subject: Some(view.resource).filter(|resource| !resource.is_empty()),
            time: view.received_at,
            client_context: view.client_context.and_then(ClientContext::new),
            order: view.order,
            previous: view.previous.map(|status| Previous { status }),
            possible_repeat: view.possible_repeat,
            data: view.data,
            recording_access_token,
            secrets,
            metadata: self.metadata_of(row),
        }
    }

    /// The metadata that the client of an event's operation announced.
    pub fn metadata_of(&self, row: &EventRow) -> Option<String> {
        let operation = self.operations.get(&row.operation?)?;
        operation.base.expectation.as_ref()?.metadata.clone()
    }

    /// The row of an event, by its id.
    pub fn event_row(&self, id: EventId) -> Option<&EventRow> {
        self.events.get(&ids::event_row(id.0)).filter(|row| row.view.id == id)
    }

    /// The row of a lease, if it is in this state and the lease is its last one.
    pub fn held(&mut self, lease: &Lease, state: DeliveryState) -> Option<&mut DeliveryRow> {
        let row = self.deliveries.get_mut(&ids::delivery_row(lease.delivery.id.0))?;
        (row.is_leased && row.token == lease.token && row.view.state == state).then_some(row)
    }

    /// Puts a delivery into a state.
    pub fn set_state(&mut self, number: i64, state: DeliveryState) {
        let Some(row) = self.deliveries.get_mut(&number) else { return };
        row.view.state = state;
        match state {
            DeliveryState::Open | DeliveryState::Blocked => self.unsettled.insert(number),
            DeliveryState::Delivered | DeliveryState::Dead => self.unsettled.remove(&number),
        };
    }

    /// Whether an operation has a delivery to a sink that is neither delivered nor dead.
    pub fn is_waited_for(&self, sink: &SinkName, operation: Option<i64>) -> bool {
        operation.is_some() && self.unsettled_of(sink, operation).next().is_some()
    }

    /// The deliveries of an operation to a sink that are neither delivered nor dead, in their order.
    pub fn unsettled_of(&self, sink: &SinkName, operation: Option<i64>) -> impl Iterator<Item = i64> {
        let of_sink = move |number: &&i64| {
            self.deliveries.get(number).is_some_and(|row| row.operation == operation && row.new.sink == *sink)
        };
        self.unsettled.iter().filter(of_sink).copied()
    }
}

impl DeliveryRow {
    /// The delivery for operators, in steady time.
    pub fn shown(&self) -> DeliveryView {
        let n_failures = u32::try_from(self.view.failures.len()).unwrap_or(u32::MAX);
        let is_delivered = self.view.state == DeliveryState::Delivered;
        let n_attempts = n_failures.saturating_add(u32::from(is_delivered));
        let mut view = DeliveryView { n_attempts, is_leased: self.is_leased, ..self.view.clone() };
        // Numbered through: each replay begins with 1 again.
        for (number, failure) in (1..).zip(&mut view.failures) {
            failure.is_after_replay = number > 1 && failure.number == 1;
            failure.number = number;
        }
        if let Some(success) = &mut view.success {
            success.is_after_replay = self.n_attempts == 1 && n_failures > 0;
        }
        view
    }
}

impl EntryRow {
    /// Its bytes.
    pub fn raw(&self) -> Bytes {
        self.view.raw.as_ref().map(|raw| raw.0.clone()).unwrap_or_default()
    }

    /// Where it came in.
    pub fn channel(&self) -> Channel {
        self.view.channel
    }

    /// Notes why it was refused again.
    pub fn refuse(&mut self, reason: Reason, at: Timestamp) {
        (self.wish, self.view.reason, self.view.verified_at) = (None, reason, Some(at));
    }

    /// The entry for operators.
    pub fn shown(&self) -> QuarantineView {
        QuarantineView { is_wished: self.wish.is_some(), ..self.view.clone() }
    }
}
