//! Whether an item was accepted before, by the earlier events with the same bytes.
//!
//! **Invariants**
//! 1. Equal bytes alone never drop an item; a [`RepeatOf`] says why it is dropped.

use super::item::Item;
use crate::domain::{EventId, RepeatOf};

/// How many earlier events are read, the newest first. A repeat behind more events with the same bytes counts as a
/// change.
pub const MOST: i64 = 16;

/// How an item compares with what was accepted before.
#[derive(Default)]
pub struct Seen {
    /// The event that it repeats, and what identifies it.
    pub repeat: Option<(EventId, RepeatOf)>,
    /// Whether the same bytes were accepted before.
    pub possible_repeat: bool,
    /// Whether its Graph id was accepted before with other bytes.
    pub id_conflict: bool,
}

/// An event that the item may be a repeat of.
pub struct Earlier {
    /// Its number.
    pub seq: i64,
    /// Its id.
    pub id: EventId,
    /// When it arrived, in microseconds.
    pub received_at: i64,
    /// The message that brought it.
    pub message: Option<i64>,
    /// Whether it has the bytes of the item.
    pub has_same_bytes: bool,
    /// Whether its POST was not answered.
    pub is_unanswered: bool,
    /// Whether it set its operation's state.
    pub stands: bool,
}

/// Judges an item by earlier events, the newest first. Events accepted up to `since` do not count.
pub fn judge(item: &Item, earlier: &[Earlier], since: i64) -> Seen {
    let is_same = |it: &&Earlier| it.has_same_bytes && it.received_at > since;
    let identified = earlier.iter().filter(is_same).find_map(|it| Some((it.id, identified(item, it)?)));
    // An earlier event with an identifier comes first. It leaves unanswered events for the repeats that they wait for.
    let unanswered = || earlier.iter().filter(is_same).find(|it| it.is_unanswered);
    Seen {
        repeat: identified.or_else(|| unanswered().map(|it| (it.id, RepeatOf::Unanswered))),
        possible_repeat: earlier.iter().any(|it| is_same(&it)),
        id_conflict: item.notification.graph_id.is_some() && earlier.iter().any(|it| !it.has_same_bytes),
    }
}

/// What identifies an item with the same bytes as the same notification.
fn identified(item: &Item, earlier: &Earlier) -> Option<RepeatOf> {
    if item.notification.graph_id.is_some() {
        return Some(RepeatOf::Notification);
    }
    if item.mark.is_some() {
        return item.mark;
    }
    if earlier.message.is_some_and(|message| item.messages.contains(&Some(message))) {
        return Some(RepeatOf::Message);
    }
    earlier.stands.then_some(RepeatOf::State)
}
