//! Views of the store's rows for operators and the API.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::config;
use crate::domain::{
    CallEnd, Channel, DeliveryId, Envelope, EventId, EventKind, Exchanged, Expectation, OperationEvent, OperatorEvent,
    Order, Origin, Proof, Raw, Reason, RouteName, RoutingKey, SinkName, Status,
};

/// A page of a list that begins with the newest entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest<I> {
    /// Only entries older than this one; it need not exist any more.
    pub before: Option<I>,
    /// The most rows.
    pub limit: usize,
}

impl<I> Newest<I> {
    /// From the newest on.
    pub const fn up_to(limit: usize) -> Self {
        Self { before: None, limit }
    }

    /// The most rows, as SQL counts them.
    pub fn rows(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX)
    }
}

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Waiting for an attempt, or being attempted.
    Open,
    /// Waiting for an earlier delivery of the same operation to the same sink.
    Blocked,
    /// Delivered.
    Delivered,
    /// A dead letter.
    Dead,
}

impl DeliveryState {
    /// Whether it is neither delivered nor a dead letter.
    pub const fn is_waiting(self) -> bool {
        matches!(self, Self::Open | Self::Blocked)
    }
}

/// What became of an attempt's exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// There was none, or an older version made the attempt.
    #[default]
    Nothing,
    /// It was kept. It may have made room since.
    Kept,
    /// Many attempts succeeded in the same second, and it was not among those that were kept.
    OneOfMany,
    /// The config said to keep none.
    Off,
}

impl Keeping {
    /// What becomes of an exchange.
    pub fn of(exchange: &Exchanged, settings: &config::Store) -> Self {
        match exchange {
            Exchanged::Nothing => Self::Nothing,
            _ if settings.exchanges_max_entries == 0 => Self::Off,
            Exchanged::Told(_) => Self::Kept,
            Exchanged::OneOfMany => Self::OneOfMany,
        }
    }

    /// Its number in the store.
    pub fn number(self) -> Option<i64> {
        match self {
            Self::Nothing => None,
            Self::Kept => Some(1),
            Self::OneOfMany => Some(2),
            Self::Off => Some(3),
        }
    }

    /// Of a number in the store.
    pub fn of_number(number: Option<i64>) -> Self {
        let all = [Self::Kept, Self::OneOfMany, Self::Off];
        all.into_iter().find(|it| it.number() == number).unwrap_or_default()
    }
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// From 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What went wrong.
    pub reason: String,
    /// Whether it is the first one after a replay: the retry schedule began again.
    pub is_after_replay: bool,
    /// What became of its exchange.
    pub exchange: Keeping,
}

/// The attempt that delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Success {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Whether it is the first one after a replay: the retry schedule began again.
    pub is_after_replay: bool,
    /// What became of its exchange.
    pub exchange: Keeping,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// The event it delivers.
    pub event: EventId,
    /// Its destination.
    pub sink: SinkName,
    /// The route that asked for it.
    pub route: RouteName,
    /// Its state.
    pub state: DeliveryState,
    /// How many attempts were made, those before a replay included.
    pub n_attempts: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is due (open; while leased, when the lease ends), or when it was settled (delivered, dead).
    pub at: Timestamp,
    /// Whether a dispatcher holds the delivery's lease: an attempt is in progress or about to begin, or waits for the end
    /// of a pause.
    pub is_leased: bool,
    /// The first delivery of the event, if an operator had the event sent again.
    pub resend_of: Option<DeliveryId>,
    /// The last failure's reason; empty where none failed.
    pub reason: String,
    /// The attempts that failed, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// The attempt that delivered; `None` before that, and where an older version delivered.
    pub success: Option<Success>,
}

impl DeliveryView {
    /// Whether an operator can have it attempted now: it waits, and no attempt is in progress.
    pub fn may_be_attempted(&self) -> bool {
        self.state.is_waiting() && !self.is_leased
    }

    /// Converts its due time from steady time to the machine's clock.
    pub(super) fn by(&mut self, clock: &Clock) {
        if self.state.is_waiting() {
            self.at = clock.shown(self.at);
        }
    }
}

/// An event.
#[derive(Clone, Debug)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Its number among this store's events.
    pub number: i64,
    /// Whether Graph or reelhook made it.
    pub origin: Origin,
    /// Where it came in, for whom, and which events belong together.
    pub envelope: Envelope,
    /// Its CloudEvents type.
    pub kind: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// The client context, if it has one.
    pub client_context: Option<String>,
    /// The resource's path.
    pub resource: String,
    /// For operations: the status in the notification.
    pub status: Option<Status>,
    /// For operations: how it compares with the stored state.
    pub order: Option<Order>,
    /// For operations: the status before it.
    pub previous: Option<Status>,
    /// Whether the same bytes arrived before, and it is not known whether this is a repeat or a change.
    pub possible_repeat: bool,
    /// Whether a route matched, or an announcement named sinks.
    pub is_matched: bool,
    /// Its deliveries. A matched event has none if none of its sinks takes events of its type.
    pub deliveries: Vec<DeliveryView>,
    /// CloudEvents data as JSON text; empty if the stored value cannot be opened.
    pub data: String,
}

impl EventView {
    /// The report that it is, if reelhook itself made it.
    pub fn own(&self) -> Option<OperationEvent> {
        match (self.origin, EventKind::parse(&self.kind)) {
            (Origin::Reelhook, EventKind::Operation(event)) => Some(event),
            _ => None,
        }
    }

    /// What happened to reelhook itself, if it is about that.
    pub fn for_operators(&self) -> Option<OperatorEvent> {
        match (self.origin, EventKind::parse(&self.kind)) {
            (Origin::Reelhook, EventKind::Operator(event)) => Some(event),
            _ => None,
        }
    }

    /// What routes are matched against.
    pub fn routing_key(&self) -> RoutingKey<'_> {
        RoutingKey {
            client_context: self.client_context.as_deref(),
            status: self.status.as_ref(),
            tenant_id: self.envelope.tenant_id.as_deref(),
            resource_type: &self.envelope.resource_type,
            resource: &self.resource,
            change_type: self.envelope.carried.change_type.as_deref(),
            subscription_id: self.envelope.subscription_id.as_deref(),
            channel: self.envelope.channel,
            kind: EventKind::parse(&self.kind),
        }
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub struct OperationView {
    /// Its id.
    pub id: String,
    /// The call that is recorded.
    pub call_id: Option<String>,
    /// The bot's correlation key.
    pub client_context: Option<String>,
    /// Its status.
    pub status: Status,
    /// When it first became known.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// What its client announced, if it was announced.
    pub expectation: Option<Expectation>,
    /// The proof of its status; `None` before the first notification.
    pub proof: Option<Proof>,
    /// How its call ended, if it ended and that is still stored.
    pub call_end: Option<CallEnd>,
    /// Its events, oldest first.
    pub events: Vec<EventView>,
}

/// A quarantine entry. Holds the bytes only where it was read alone.
#[derive(Clone, Debug)]
pub struct QuarantineView {
    /// Its number.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// The reason for which it was refused last.
    pub reason: Reason,
    /// The reason for which it was quarantined.
    pub first_reason: Reason,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When it was last verified again; `None`: only once, on arrival.
    pub verified_at: Option<Timestamp>,
    /// Whether an operator asked for another check, which is still to come.
    pub is_wished: bool,
    /// Its size.
    pub n_bytes: u64,
    /// The bytes, unsealed.
    pub raw: Option<Raw>,
}

/// The deliveries that one sink has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Open and blocked deliveries.
    pub n_open: u64,
    /// Dead letters.
    pub n_dead: u64,
    /// The oldest open delivery.
    pub oldest: Option<Oldest>,
}

/// The oldest delivery that waits for a sink: the one that was created first, also if it was replayed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// When it was created, by the machine's clock.
    pub at: Timestamp,
    /// How long ago that was. Setting that clock does not change this.
    pub age: Duration,
}
