//! Actions on many entries in words: what is done, and to which entries.
//!
//! **Invariants**
//! 1. Text from outside is cut, but not escaped: the reader of this value does that.

use jiff::Timestamp;

use super::Action;
use super::words::cut;
use crate::wording::instant;

/// The most characters of a text that was asked for.
const MAX_CHARS: usize = 200;

/// An action as a phrase: `replay of the dead letters of sink crm, with "answered 500" in the reason`.
pub fn of_action(action: &Action) -> String {
    let text = |words: &str, text: &str| format!("{words} {}", cut(text, MAX_CHARS));
    let since = |words: &str, at: Timestamp| format!("{words} since {}", instant(at));
    let (verb, what, conditions) = match action {
        Action::Resend(which) => {
            let conditions = [
                which.sink.as_ref().map(|sink| text("of sink", sink.as_str())),
                which.route.as_ref().map(|route| text("of route", route.as_str())),
                which.kind.as_deref().map(|kind| text("of type", kind)),
                Some(since("of events received", which.since)),
                which.to.as_ref().map(|sink| text("to sink", sink.as_str())),
            ];
            ("resend of", "successful deliveries", conditions.to_vec())
        }
        Action::Replay(which) => {
            let conditions = [
                which.sink.as_ref().map(|sink| text("of sink", sink.as_str())),
                which.reason.as_deref().map(|reason| format!("with {:?} in the reason", cut(reason, MAX_CHARS))),
                which.since.map(|at| since("dead", at)),
            ];
            ("replay of", "dead letters", conditions.to_vec())
        }
        Action::Verify(which, vouch) => {
            let conditions = [
                which.reason.map(|reason| text("with the reason", reason.as_str())),
                which.since.map(|at| since("received", at)),
                vouch.then(|| "accepted without their tokens".to_owned()),
            ];
            ("replay of", "quarantine entries", conditions.to_vec())
        }
        Action::Route(which) => {
            let conditions =
                [which.kind.as_deref().map(|kind| text("of type", kind)), which.since.map(|at| since("received", at))];
            ("routing of", "unmatched events", conditions.to_vec())
        }
    };
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    match conditions.is_empty() {
        true => format!("{verb} all {what}"),
        false => format!("{verb} the {what} {}", conditions.join(", ")),
    }
}

/// Why an action did something to fewer entries than were counted before, as a phrase about those that are missing.
pub const fn why_gone(action: &Action) -> &'static str {
    match action {
        Action::Replay(_) => {
            "no dead letters any more when the job came to them: replayed, or removed by the retention"
        }
        Action::Verify(..) => "not in the quarantine any more when the job came to them, or checked again since",
        Action::Route(_) => {
            "no unmatched events any more when the job came to them: routed, or removed by the retention; or no route \
             matches them any more"
        }
        Action::Resend(_) => "not there any more when the job came to them: removed by the retention",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Reason, SinkName};
    use crate::operator::Resend;
    use crate::store::{DeadFilter, QuarantineFilter, UnmatchedFilter};

    #[test]
    fn an_action_names_what_it_does_and_to_which_entries() {
        let since = Timestamp::UNIX_EPOCH;
        let (sink, reason) = (Some(SinkName::new("crm")), Some("answered \"500\"".to_owned()));
        let replay = Action::Replay(DeadFilter { sink: sink.clone(), reason, since: Some(since), until: None });
        let expected = "replay of the dead letters of sink crm, with \"answered \\\"500\\\"\" in the reason, dead since 1970-01-01 00:00:00 UTC";
        assert_eq!(of_action(&replay), expected);
        assert_eq!(of_action(&Action::Replay(DeadFilter::default())), "replay of all dead letters");
        let which = QuarantineFilter { reason: Some(Reason::ClientState), ..QuarantineFilter::default() };
        let expected = "replay of the quarantine entries with the reason client_state, accepted without their tokens";
        assert_eq!(of_action(&Action::Verify(which, true)), expected);
        let which = UnmatchedFilter { kind: Some("call.updated".into()), since: None };
        assert_eq!(of_action(&Action::Route(which)), "routing of the unmatched events of type call.updated");
        let resend = Resend { sink, route: None, kind: None, since, to: Some(SinkName::new("archive")) };
        let expected = "resend of the successful deliveries of sink crm, of events received since 1970-01-01 00:00:00 UTC, to sink archive";
        assert_eq!(of_action(&Action::Resend(resend)), expected);
    }
}
