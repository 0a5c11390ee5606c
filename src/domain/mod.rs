//! The values that the house speaks in. No I/O, no async, no clock: time comes in as an argument.
//!
//! **Invariants**
//! 1. A value of these types is valid: what cannot be valid cannot be built.
//! 2. A terminal [`Status`] never regresses ([`Order`] says what became of a notification that tried).
//! 3. No type here prints a secret: tokens are [`secrecy::SecretString`], raw bytes have no `Debug` text.

mod budget;
mod delivery;
mod ended_call;
mod event;
mod event_kind;
mod expectation;
mod facts;
mod identifiers;
mod kept;
mod notification;
mod operation;
mod proof;
mod quarantined;
mod reason;
mod repeat;
mod request;
mod routing_key;
mod secrets;
mod terminal;

pub use budget::{Budget, Held};
pub use delivery::{Attempt, Delivery, Lease, NewDelivery, Outcome, Room, Settlement};
pub use ended_call::{CallEnd, EndedCall, WhyEnded};
pub use event::{Event, POSSIBLE_REPEAT, Previous};
pub use event_kind::{EventKind, may_be_in_attribute};
pub use expectation::{Expectation, ExpectationState, RECOVERED, Watch};
pub use facts::{Carried, Envelope, Origin};
pub use identifiers::{ClientContext, DeliveryId, EventId, GraphId, MAX_CLIENT_CONTEXT_CHARS, RouteName, SinkName};
pub use kept::Operation;
pub use notification::{Channel, Content, Dialect, Notification, Raw};
pub use operation::{Order, RecordOperation, ResultInfo, Status, subcode_in_words};
pub use proof::{MAX_RICH_SUBSCRIPTIONS, Proof, Verified};
pub use quarantined::{HeldTokens, Quarantined};
pub use reason::Reason;
pub use repeat::{Mark, RepeatOf};
pub use request::Request;
pub use routing_key::RoutingKey;
pub use secrets::put_back;
pub use terminal::moves_terminal;
