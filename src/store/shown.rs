//! What operators and the API are shown of the store's rows.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::domain::{
    CallEnd, Channel, DeliveryId, Envelope, EventId, EventKind, Expectation, OperationEvent, Order, Origin, Proof, Raw,
    Reason, RouteName, RoutingKey, SinkName, Status,
};

/// Which part of a list that begins with the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest<I> {
    /// Only what is older than this; it need not be there any more.
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

/// A failed attempt, as it is shown.
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
}

/// The attempt that delivered, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Success {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
}

/// A delivery, as it is shown.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// The event it delivers.
    pub event: EventId,
    /// Where to.
    pub sink: SinkName,
    /// By which route.
    pub route: RouteName,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many attempts were made, those before a replay included.
    pub n_attempts: u32,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it is due (open; while leased, when the lease ends), or when it was settled (delivered, dead).
    pub at: Timestamp,
    /// The last failure's reason; empty where none failed.
    pub reason: String,
    /// The attempts that failed, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// The attempt that delivered; `None` before that, and where an older version delivered.
    pub success: Option<Success>,
}

impl DeliveryView {
    /// Tells when it is due by the machine's clock; the store goes by steady time.
    pub(super) fn by(&mut self, clock: &Clock) {
        if matches!(self.state, DeliveryState::Open | DeliveryState::Blocked) {
            self.at = clock.shown(self.at);
        }
    }
}

/// An event, as it is shown.
#[derive(Clone, Debug)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// Its number among this store's events.
    pub number: i64,
    /// Whose word it is.
    pub origin: Origin,
    /// Where it came in, for whom, and what belongs together.
    pub envelope: Envelope,
    /// Its CloudEvents type.
    pub kind: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// The client context, if it has one.
    pub client_context: Option<String>,
    /// The resource's path.
    pub resource: String,
    /// For operations: the status that the notification told.
    pub status: Option<Status>,
    /// For operations: how it stood to what was known.
    pub order: Option<Order>,
    /// For operations: the status that was known before.
    pub previous: Option<Status>,
    /// Whether the same bytes had come before, and nothing told a repeat from a change.
    pub possible_repeat: bool,
    /// Its deliveries; empty means that no route matched.
    pub deliveries: Vec<DeliveryView>,
    /// CloudEvents data as JSON text; empty where what is stored cannot be opened.
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

/// An operation, as it is shown.
#[derive(Clone, Debug)]
pub struct OperationView {
    /// Its id.
    pub id: String,
    /// The call that is recorded.
    pub call_id: Option<String>,
    /// The bot's correlation key.
    pub client_context: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When it last moved.
    pub modified_at: Timestamp,
    /// What its client announced, if it did.
    pub expectation: Option<Expectation>,
    /// What proved where it stands; none where no notification was heard.
    pub proof: Option<Proof>,
    /// How its call ended, where it did and that is still remembered.
    pub call_end: Option<CallEnd>,
    /// Its events, oldest first.
    pub events: Vec<EventView>,
}

/// A quarantine entry, as it is shown. The body only where it was asked for.
#[derive(Clone, Debug)]
pub struct QuarantineView {
    /// Its number.
    pub id: i64,
    /// Where it came in.
    pub channel: Channel,
    /// Why it is here: why it was last refused.
    pub reason: Reason,
    /// Why it came here.
    pub first_reason: Reason,
    /// When it came.
    pub received_at: Timestamp,
    /// Its size.
    pub n_bytes: u64,
    /// The bytes, unsealed.
    pub raw: Option<Raw>,
}

/// What waits for one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Open and blocked deliveries.
    pub n_open: u64,
    /// Dead letters.
    pub n_dead: u64,
    /// The oldest open delivery.
    pub oldest: Option<Oldest>,
}

/// The oldest delivery that waits for a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oldest {
    /// When it was asked for, by the machine's clock.
    pub at: Timestamp,
    /// How long it has waited, whatever was done to that clock.
    pub age: Duration,
}
