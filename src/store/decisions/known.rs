//! The stored operations that a notification may be about, and the choice among them.

use super::announced::Announced;
use super::news::News;
use crate::domain::{ClientContext, Order, Proof, Status};

/// Up to this many calls may share an operation's id before only some of them are read.
pub const MOST: usize = 8;

/// A stored operation.
pub struct Known {
    /// Its row.
    pub seq: i64,
    /// The event that set its state.
    pub state_event: Option<i64>,
    /// Its call; empty if that is not known.
    pub call_id: String,
    /// Its status.
    pub status: Status,
    /// Whether a notification of it arrived. If not, only its client announced it.
    pub is_heard: bool,
    /// Whether it is watched.
    pub is_watched: bool,
    /// The rank of its proof.
    pub proof: i64,
    /// The announcement of its client.
    pub announced: Option<Announced>,
    /// Its client context.
    pub client_context: Option<ClientContext>,
    /// Whether it has had many events.
    pub is_long: bool,
}

impl Known {
    /// Its status, if Graph notified of it.
    pub fn heard(&self) -> Option<&Status> {
        Some(&self.status).filter(|_| self.is_heard)
    }

    /// How a notification compares with it.
    pub fn order(&self, news: &News<'_>) -> Order {
        let announced = if self.announced.is_some() { Proof::FOR_EXPECTATIONS.rank() } else { 0 };
        if news.proof.rank() < self.proof.max(announced) {
            return Order::Weaker;
        }
        match Order::of(self.heard(), &news.operation.status) {
            Order::Late | Order::Conflicting if self.is_weaker_than(news) => Order::Advanced,
            order => order,
        }
    }

    /// Whether Graph notified of it before, with weaker proof than this notification has.
    pub fn is_weaker_than(&self, news: &News<'_>) -> bool {
        self.is_heard && self.proof < news.proof.rank()
    }
}

/// The operation of a notification among those that share its id; an empty call means that the call is unknown.
pub fn choose(mut known: Vec<Known>, call_id: &str) -> Option<Known> {
    let joins = |operation: &Known| operation.call_id.is_empty() || call_id.is_empty();
    let at = match &known[..] {
        [only] if joins(only) => 0,
        _ => known.iter().position(|operation| operation.call_id == call_id)?,
    };
    Some(known.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(calls: &[&str], call_id: &str) -> Option<String> {
        let known = calls.iter().zip(1..);
        let known = known.map(|(call, seq)| Known {
            seq,
            call_id: (*call).into(),
            status: Status::Running,
            is_heard: true,
            is_watched: false,
            state_event: None,
            proof: 4,
            announced: None,
            client_context: None,
            is_long: false,
        });
        choose(known.collect(), call_id).map(|known| known.call_id)
    }

    #[test]
    fn a_notification_joins_the_operation_of_its_call() {
        assert_eq!(chosen(&["a", "b"], "b").as_deref(), Some("b"));
        assert_eq!(chosen(&["a"], "b"), None);
        assert_eq!(chosen(&[], "a"), None);
    }

    #[test]
    fn an_unknown_call_joins_the_only_operation() {
        assert_eq!(chosen(&["a"], "").as_deref(), Some("a"));
        assert_eq!(chosen(&[""], "a").as_deref(), Some(""));
    }

    #[test]
    fn where_it_would_be_a_guess_nothing_is_joined() {
        assert_eq!(chosen(&["a", "b"], ""), None);
        assert_eq!(chosen(&["", "a"], "b"), None);
        assert_eq!(chosen(&["a", "b", ""], "").as_deref(), Some(""));
    }
}
