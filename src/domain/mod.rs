//! The values that all modules share. No I/O, no async, no clock: the time is an argument.
//!
//! **Invariants**
//! 1. A value of these types is valid: an invalid one cannot be built.
//! 2. A terminal [`Status`] never regresses ([`Order`] says how a notification compares with it).
//! 3. No type here prints a secret: tokens are [`secrecy::SecretString`], raw bytes have no `Debug` text.

mod budget;
mod channel;
mod delivery;
mod ended_call;
mod event;
mod event_choice;
mod event_kind;
mod exchange;
mod expectation;
mod facts;
mod identifiers;
mod minute;
mod notification;
mod operation;
mod operation_data;
mod operation_event;
mod operator_data;
mod operator_event;
mod proof;
mod quarantine_class;
mod quarantined_item;
mod raw_bytes;
mod reason;
mod repeat;
mod request;
mod resource;
mod result_info;
mod routing_key;
mod secrets;
mod stored_operation;

pub use budget::{Budget, Held};
pub use channel::Channel;
pub use delivery::{Attempt, Delivery, Lease, NewDelivery, Outcome, Room, Settlement};
pub use ended_call::{CallEnd, EndedCall, WhyEnded};
pub use event::{Event, POSSIBLE_REPEAT, Previous};
pub use event_choice::EventChoice;
pub use event_kind::{EventKind, may_be_in_attribute};
pub use exchange::{Answered, Body, Exchange, Exchanged, HIDDEN, Headers, MAX_BODY_BYTES, MAX_LINE_CHARS, Sent};
pub use expectation::{Expectation, ExpectationState, Watch};
pub use facts::{Carried, Envelope, Origin};
pub use identifiers::{ClientContext, DeliveryId, EventId, GraphId, MAX_CLIENT_CONTEXT_CHARS, RouteName, SinkName};
pub use minute::{ANSWER_BOUNDS, Counts, KEPT_MINUTES, Minute, N_BUCKETS};
pub use notification::{CHANGE_TYPES, Content, Dialect, LIFECYCLE_EVENTS, Notification};
pub use operation::{Order, RecordOperation, Status};
pub use operation_data::OperationData;
pub use operation_event::{OperationEvent, Tone};
pub use operator_data::OperatorData;
pub use operator_event::OperatorEvent;
pub use proof::{MAX_RICH_SUBSCRIPTIONS, Proof, Verified};
pub use quarantine_class::QuarantineClass;
pub use quarantined_item::{HeldTokens, Quarantined};
pub use raw_bytes::Raw;
pub use reason::Reason;
pub use repeat::{Mark, RepeatOf};
pub use request::Request;
pub use resource::{CallEndResource, ExpectationResource, OperationResource};
pub use result_info::{ResultInfo, result_in_words};
pub use routing_key::RoutingKey;
pub use secrets::put_back;
pub use stored_operation::Operation;
