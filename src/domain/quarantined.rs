//! What arrived but proved nothing.

use super::{Channel, Raw, Reason};

/// Something that arrived but proved nothing. It is kept, bounded, and never reaches a sink.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// Where it came in.
    pub channel: Channel,
    /// Why it is here.
    pub reason: Reason,
    /// The tenant that its sender proved, where it proved one.
    pub tenant_id: Option<String>,
    /// The item (or the whole body, where no items could be told apart), byte for byte.
    pub raw: Raw,
}
