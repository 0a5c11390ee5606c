//! Events and deliveries in words. Each function returns phrases; [`sentence`] makes a sentence of a phrase.
//!
//! **Invariants**
//! 1. Text from outside is cut, but not escaped: the reader of this value does that.

use serde_json::Value;

use super::{Held, Present};
use crate::clock::between;
use crate::dispatch::KEPT_A_SECOND;
use crate::domain::{CallEnd, OperationEvent, OperatorEvent, Origin, POSSIBLE_REPEAT, Status, result_in_words};
use crate::store::{DeliveryState, DeliveryView, EventView, Keeping, Phase};
use crate::wording::{counted, duration, instant, untrusted_text};

/// Why an event that is not unmatched has no deliveries.
pub const NOT_TAKEN: &str =
    "a route matched, but none of its sinks takes events of this type (`events` of the sink): no delivery was made";

/// What an event reports, one phrase for each fact.
pub fn of_event(event: &EventView) -> Vec<String> {
    let mut told: Vec<String> = event.order.map(|order| order.words().to_owned()).into_iter().collect();
    let accepted = event.envelope.carried.accepted_at;
    told.extend(accepted.map(|at| format!("it was in the quarantine, and was accepted at {}", instant(at))));
    told.extend(event.possible_repeat.then(|| POSSIBLE_REPEAT.to_owned()));
    if let (Origin::Graph, Some(Status::Unknown(status))) = (event.origin, &event.status) {
        told.push(format!("Graph sent the status {:?}, which this version of reelhook does not know", cut(status, 64)));
    }
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
        told.push("the event's data cannot be opened with this store's key".into());
        return told;
    };
    told.extend(call_end(event).map(|end| of_call_end(&end)));
    if event.own() == Some(OperationEvent::Recovered) {
        told.push(format!(
            "the operation {}, later than expected",
            cut(data["status"].as_str().unwrap_or_default(), 64)
        ));
    }
    told.extend(of_result(&data));
    if let Some(reason) = data.get("completionReason").and_then(Value::as_str) {
        told.push(format!("completionReason {}", cut(reason, 64)));
    }
    match data.get("recordingLocation").and_then(Value::as_str) {
        Some(_) => told.push("it has a recordingLocation".into()),
        None if event.status.as_ref().is_some_and(Status::is_terminal) => {
            told.push("it has no recordingLocation".into())
        }
        None => {}
    }
    told
}

/// What an event of reelhook itself means; `None`: [`of_event`] says it, or Graph sent the event.
pub fn of_own(event: &EventView) -> Option<&'static str> {
    let of_itself = event.for_operators().map(OperatorEvent::meaning);
    of_itself.or_else(|| event.own().filter(|own| *own != OperationEvent::Recovered).map(OperationEvent::meaning))
}

/// The end of the call, from an event in which reelhook reported an operation as lost.
pub fn call_end(event: &EventView) -> Option<CallEnd> {
    let is_lost = event.own() == Some(OperationEvent::Lost);
    let data: Value = serde_json::from_str(&event.data).ok().filter(|_| is_lost)?;
    CallEnd::from_json(&data["callEnd"])
}

/// How a call ended.
pub fn of_call_end(end: &CallEnd) -> String {
    cut(&end.words(&instant(end.at)), 1000)
}

fn of_result(data: &Value) -> Option<String> {
    let result = data.get("resultInfo").filter(|result| result.is_object())?;
    let number = |key: &str| result.get(key).and_then(Value::as_i64).unwrap_or_default();
    let (code, subcode) = (number("code"), number("subcode"));
    let words = result_in_words(code, subcode);
    let message = result.get("message").and_then(Value::as_str).filter(|message| !message.is_empty());
    let message = message.map(|message| format!(". Graph's message: \"{}\"", cut(message, 200)));
    Some(format!("result {code}, subcode {subcode}: {words}{}", message.unwrap_or_default()))
}

/// The state of a delivery.
pub fn of_delivery(delivery: &DeliveryView, present: &Present<'_>) -> String {
    match delivery.state {
        DeliveryState::Delivered => {
            let took = delivery.success.map(|success| format!(" in {}", duration(success.took))).unwrap_or_default();
            format!("delivered at {}{took} (attempt {})", instant(delivery.at), delivery.n_attempts)
        }
        DeliveryState::Dead => {
            let n = u64::from(delivery.n_attempts);
            let since_replay = of_attempts_since_replay(delivery);
            let attempts = counted(n, &n.to_string(), "attempt");
            format!("dead letter since {} after {attempts}{since_replay}", instant(delivery.at))
        }
        DeliveryState::Blocked => "waits for an earlier delivery of the same operation to this sink".into(),
        DeliveryState::Open if Phase::of(delivery, present.now) == Phase::UnderWay => of_under_way(delivery, present),
        DeliveryState::Open => of_waiting(delivery, present),
    }
}

/// How many of a dead letter's attempts its last reason counts: those of the schedule that began again.
fn of_attempts_since_replay(delivery: &DeliveryView) -> String {
    let first = delivery.failures.iter().rposition(|failure| failure.is_after_replay);
    first.map(|first| format!(", {} of them since the replay", delivery.failures.len() - first)).unwrap_or_default()
}

/// A delivery that the sink's dispatcher has taken: it takes new ones also during a pause of reelhook's own.
fn of_under_way(delivery: &DeliveryView, present: &Present<'_>) -> String {
    if present.is_attempted(delivery) {
        return "an attempt is in progress".into();
    }
    match present.held(&delivery.sink) {
        Some(Held::Until(until)) => {
            let left = duration(between(present.now, until));
            format!("next attempt in {left} ({}): {}", instant(until), of_pause(delivery))
        }
        _ => "an attempt is in progress or about to begin".into(),
    }
}

/// Why reelhook makes no attempt before an instant that was told.
fn of_pause(delivery: &DeliveryView) -> String {
    format!("reelhook pauses {} until then, because most of its last attempts failed", delivery.sink)
}

/// Until when an open delivery waits, and why.
fn of_waiting(delivery: &DeliveryView, present: &Present<'_>) -> String {
    let DeliveryView { sink, at, .. } = delivery;
    let left = |at| format!("{} ({})", duration(between(present.now, at)), instant(at));
    match present.held(sink) {
        Some(Held::Removed) => format!("waits: the config does not have the sink {sink} any more"),
        Some(Held::ByOperator) => format!("waits until somebody resumes {sink}"),
        Some(Held::Until(until)) if *at < until => {
            format!("next attempt in {}: {}", left(until), of_pause(delivery))
        }
        _ if *at <= present.now => "due now".into(),
        _ => format!("next attempt in {}", left(*at)),
    }
}

/// Why no exchange is kept of an attempt, for one of which none is there.
pub fn of_missing_exchange(keeping: Keeping) -> Option<String> {
    let why = match keeping {
        Keeping::Nothing => return None,
        Keeping::Kept => "it was removed to make room for newer ones".to_owned(),
        Keeping::OneOfMany => format!("more than {KEPT_A_SECOND} a second succeeded"),
        Keeping::Off => "the config keeps none (store.exchanges_max_entries = 0)".to_owned(),
    };
    Some(format!("reelhook kept no exchange of this attempt: {why}"))
}

/// What chose the sink of a delivery.
pub fn of_route(delivery: &DeliveryView) -> String {
    if delivery.route.is_of_announcement() {
        "as the announcement says".to_owned()
    } else {
        format!("by route \"{}\"", delivery.route)
    }
}

/// What an event's envelope says, in one line.
pub fn of_envelope(event: &EventView) -> String {
    let facts = event.envelope.told().into_iter().map(|(name, value)| format!("{name} {}", cut(value, 256)));
    facts.collect::<Vec<_>>().join(", ")
}

/// A phrase as a sentence.
pub fn sentence(phrase: &str) -> String {
    let mut characters = phrase.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if phrase.ends_with(".") || phrase.ends_with(".\"") { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

/// At most `limit` characters of a text.
pub fn cut(text: &str, limit: usize) -> String {
    let cut = untrusted_text::cut(text, limit);
    if cut.len() < text.len() { format!("{cut}…") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_and_ends_as_one() {
        assert_eq!(sentence("took it further"), "Took it further.");
        assert_eq!(sentence("result 400: cancelled. It stopped."), "Result 400: cancelled. It stopped.");
        assert_eq!(sentence("Graph's message: \"It stopped.\""), "Graph's message: \"It stopped.\"");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("ééé", 2), "éé…");
        assert_eq!(cut("éé", 2), "éé");
    }
}
