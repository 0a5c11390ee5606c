//! Operations, events and deliveries in sentences.

use jiff::Timestamp;

use super::format::{between, counted, duration, instant};
use crate::domain::{Expectation, ExpectationState, Operation, Origin, Reason, Status, result_in_words};
use crate::operator::Present;
use crate::operator::words::{of_call_end, of_own, sentence};
use crate::store::{DeliveryState, DeliveryView, EventView, Phase};

/// The story of an operation.
pub fn of_operation(operation: &Operation, events: &[EventView], present: &Present<'_>) -> Vec<String> {
    let (mut told, now) = (Vec::new(), present.now);
    if let Some(expectation) = &operation.expectation {
        let by = expectation.expected_by.map(|at| format!(" Its deadline: {}.", instant(at))).unwrap_or_default();
        let announced = expectation.announced_at.map(instant);
        told.extend(announced.map(|at| format!("Your bot announced this recording at {at}.{by}")));
        told.extend(of_state(expectation, &operation.status, now));
    }
    told.extend(operation.call_end.as_ref().map(|end| sentence(&of_call_end(end))));
    told.push(of_end(operation));
    let deliveries: Vec<&DeliveryView> = events.iter().flat_map(|event| &event.deliveries).collect();
    let n_unmatched = events.iter().filter(|event| !event.is_matched).count();
    told.extend(of_deliveries(&deliveries, present));
    if n_unmatched > 0 {
        let events = counted(n_unmatched as u64, "event");
        let (they_are, them) = if n_unmatched == 1 { ("It is", "it") } else { ("They are", "them") };
        told.push(format!("{events} matched no route. {they_are} kept under Unmatched, where you can replay {them}."));
    }
    told
}

fn of_state(expectation: &Expectation, status: &Status, now: Timestamp) -> Option<String> {
    let is_over = status.is_terminal();
    Some(match (expectation.state, expectation.expected_by) {
        (ExpectationState::Waiting, Some(at)) if at > now => {
            format!("Its deadline is in {}.", duration(between(now, at)))
        }
        (ExpectationState::Waiting, Some(_)) => "Its deadline has just passed; it will be reported as overdue within a second.".into(),
        (ExpectationState::Waiting, None) => "reelhook waits for its end; there is no deadline.".into(),
        (ExpectationState::Met, _) => "It ended in time.".into(),
        (ExpectationState::Overdue, _) if is_over => "It was overdue, and then it failed without a recording.".into(),
        (ExpectationState::Lost, _) if is_over => "It was lost, and then it failed without a recording.".into(),
        (ExpectationState::Overdue, _) => {
            "It is overdue: Graph did not report its end before the deadline, and reelhook made an overdue event. The \
             deliveries of this event are below. If the recording still arrives, reelhook makes a recovered event."
                .into()
        }
        (ExpectationState::Lost, _) => {
            "It is lost: its call ended, and no notification of the recording's end arrived within the time that the config \
             allows after that (expectations.lost_after). The deadline does not matter then. If the caller hung up first, Graph may send no notification. If the recording still arrives, reelhook makes a recovered event."
                .into()
        }
        (ExpectationState::Recovered, _) => {
            format!("It {} later than expected, and reelhook made a recovered event.", status.as_str())
        }
    })
}

fn of_end(operation: &Operation) -> String {
    let why = operation.result_info.as_ref().map(|result| {
        let words = result_in_words(result.code, result.subcode);
        format!(" (result {}, subcode {}: {words})", result.code, result.subcode)
    });
    let why = why.unwrap_or_default();
    match &operation.status {
        Status::NotStarted => "No notification of this recording has arrived yet.".into(),
        Status::Running if operation.proof.is_none() => {
            "Your bot posted that the recording was running. No notification of it has arrived yet.".into()
        }
        Status::Running => "Graph last reported that the recording was running.".into(),
        Status::Completed if operation.recording_location.is_some() => {
            format!("It completed{why}, and Graph sent the recording's location.")
        }
        Status::Completed => format!("It completed{why}. Graph sent no location of the recording."),
        Status::Failed => format!("It failed{why}."),
        Status::Unknown(text) => {
            format!("Graph sent the status {text:?}, which this version of reelhook does not know.")
        }
    }
}

fn of_deliveries(deliveries: &[&DeliveryView], present: &Present<'_>) -> Option<String> {
    if deliveries.is_empty() {
        return None;
    }
    let n = |state| deliveries.iter().filter(|it| it.state == state).count() as u64;
    match (deliveries.len(), n(DeliveryState::Delivered)) {
        (1, 1) => return Some("The only delivery of its events succeeded.".into()),
        (2, 2) => return Some("Both deliveries of its events succeeded.".into()),
        (all, arrived) if all as u64 == arrived => {
            return Some(format!("All {all} deliveries of its events succeeded."));
        }
        _ => {}
    }
    let mut parts = Vec::new();
    let mut part = |n: u64, what: &str| {
        if n > 0 {
            parts.push(format!("{n} {what}"))
        }
    };
    part(n(DeliveryState::Delivered), "delivered");
    part(n(DeliveryState::Open), "waiting");
    part(n(DeliveryState::Blocked), "waiting for an earlier one of the same operation");
    match n(DeliveryState::Dead) {
        1 => part(1, "dead letter (replay it on the page of its sink)"),
        n => part(n, "dead letters (replay them on the pages of their sinks)"),
    }
    let next = deliveries
        .iter()
        .filter(|it| it.state == DeliveryState::Open && !it.is_leased)
        .filter_map(|it| present.next_attempt(it).filter(|at| *at > present.now))
        .min();
    let next = next.map(|at| format!("; the next attempt is in {}", duration(between(present.now, at))));
    let next = next.unwrap_or_default();
    Some(format!("{}: {}{next}.", counted(deliveries.len() as u64, "delivery"), parts.join(", ")))
}

/// The state of an expectation, with its meaning.
pub fn of_expectation(state: ExpectationState) -> String {
    let meaning = match state {
        ExpectationState::Waiting => "announced, and in time so far",
        ExpectationState::Met => "ended in time",
        ExpectationState::Overdue => "reported as overdue",
        ExpectationState::Lost => "reported as lost",
        ExpectationState::Recovered => {
            "was overdue or lost; then it completed, or it failed and Graph sent a recordingLocation"
        }
    };
    format!("{} ({meaning})", state.as_str())
}

/// What verified the status of an operation, as the API calls it and in words.
pub fn of_proof(operation: &Operation) -> String {
    match operation.proof {
        Some(proof) => format!("{} ({})", proof.as_str(), proof.words()),
        None if operation.status == Status::NotStarted => "none: no notification has arrived".into(),
        None => "none: no notification has arrived, the status is what your bot posted".into(),
    }
}

/// What a fact is called where it is copied; `None`: there is nothing to copy.
pub fn copied(fact: &str, value: &str) -> Option<&'static str> {
    Some(match fact {
        _ if matches!(value, "none" | "not known") => return None,
        "Delivery" => "the id of the delivery",
        "Event" => "the id of the event",
        "Operation" => "the id of the operation",
        "Call" => "the id of the call",
        "Tenant" => "the id of the tenant",
        "Recording" => "the address of the recording",
        _ => return None,
    })
}

/// What an event's envelope says, each with its name. An event that reelhook made came in on no channel.
pub fn of_envelope(event: &EventView) -> Vec<(&'static str, String)> {
    let channel = (event.origin == Origin::Graph).then(|| ("channel", event.envelope.channel.as_str()));
    let told = channel.into_iter().chain(event.envelope.told());
    told.map(|(name, value)| (name, value.to_owned())).collect()
}

/// The origin of an event.
pub fn of_coming(event: &EventView) -> String {
    match event.origin {
        Origin::Graph => {
            format!("Sent by Graph to the {} path.", event.envelope.channel.as_str())
        }
        Origin::Reelhook => {
            let meaning = of_own(event).map(|meaning| format!(": {meaning}")).unwrap_or_default();
            format!("Made by reelhook itself{meaning}.")
        }
    }
}

/// The name and the colour of a delivery's state at an instant. The filter of the deliveries has the same names.
pub fn of_delivery_state(delivery: &DeliveryView, now: Timestamp) -> (&'static str, &'static str) {
    match Phase::of(delivery, now) {
        Phase::Delivered => ("delivered", "good"),
        Phase::Dead => ("dead letter", "bad"),
        Phase::UnderWay => ("under way", "running"),
        Phase::Waiting | Phase::Unsettled if delivery.state == DeliveryState::Blocked => ("waiting", "quiet"),
        Phase::Waiting | Phase::Unsettled => ("waiting", "running"),
    }
}

/// Why a notification was quarantined, and what to do about it.
pub fn of_reason(reason: Reason) -> (&'static str, &'static str) {
    use Reason as R;
    match reason {
        R::AuthHeader => (
            "It has no token that verifies its origin.",
            "The token of a call's notification is in the Authorization header. reelhook stores no tokens, so a replay cannot check it. If you know that Graph sent it, accept it without a token.",
        ),
        R::JwtMissing => (
            "No token in its body verifies its origin.",
            "Graph sends the tokens of a subscription in validationTokens of the body, if the subscription was created with includeResourceData. reelhook stores no tokens, so a replay cannot check them. If you know that Graph sent it, accept it without a token.",
        ),
        R::JwtMalformed | R::JwtAlg | R::JwtHeader | R::JwtKidMissing | R::JwtClaimType | R::JwtTooMany => (
            "Its token does not have the form of Microsoft's tokens.",
            "It was probably forged. You need to do nothing: newer entries will replace it.",
        ),
        R::JwtKidUnknown | R::JwtKeyUse | R::JwtSignature => (
            "Its token is not signed with one of the provider's published keys.",
            "Check openid_configuration in the config. If that is right, the token was forged.",
        ),
        R::JwtExp | R::JwtNbf => (
            "Its token is not valid at this time.",
            "Check this machine's clock. A replayed old request looks the same.",
        ),
        R::JwtAud => (
            "Its token is for another application.",
            "If the application is yours, add its id to app_ids, run `reelhook reload`, and replay the entry.",
        ),
        R::JwtIss | R::JwtTenant => (
            "Its tenant or issuer is not allowed, or differs from the item's.",
            "If the tenant is yours, add it to tenants, run `reelhook reload`, and replay the entry.",
        ),
        R::JwtPublisher => (
            "Its token was not issued for Graph's change tracking.",
            "In a national cloud the publisher differs: correct subscriptions.publisher, run `reelhook reload`, and replay the entry.",
        ),
        R::KeysUnavailable => (
            "The provider's keys could not be fetched, so the token could not be verified.",
            "Check that this machine can reach openid_configuration. Once the keys are fetched, reelhook verifies the entry by itself. After 24 h its token is deleted; then you can only accept it without a token.",
        ),
        R::ClientState => (
            "It has no clientState, or one that is not configured.",
            "If you created a subscription with another clientState, add that value to client_states, run `reelhook reload`, and replay the entry.",
        ),
        R::CertUnknown => (
            "It is encrypted for a certificate that is not configured.",
            "Add the certificate in [[subscriptions.certificates]], run `reelhook reload`, and replay the entry.",
        ),
        R::EncInvalid => (
            "Its encrypted content does not fit its key or its signature.",
            "Check that the configured private key belongs to the subscription's certificate; then replay the entry.",
        ),
        R::JsonInvalid | R::JsonDepth | R::JsonDuplicate | R::Shape => of_unreadable(reason),
        _ => (
            "It is larger than a limit allows, or it is a request that reelhook does not serve.",
            "Check the limits in [server], run `reelhook reload`, and replay the entry.",
        ),
    }
}

/// The same for what cannot be read as a notification, whatever its sender proves.
fn of_unreadable(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::JsonInvalid => (
            "It is not valid JSON.",
            "If you know that Graph sent it, accept it without a token: if only a text in it is not valid, it is then delivered unchanged. What is not JSON stays here.",
        ),
        Reason::JsonDepth => {
            ("It is nested too deeply.", "It cannot be accepted: it stays here until newer entries replace it.")
        }
        Reason::JsonDuplicate => (
            "A key that decides about trust, such as clientState, is twice in it or in its POST.",
            "If you know that Graph sent it, accept it without a token. If the key is twice in the body below, that does not help, unless the channel is calls: it stays here.",
        ),
        _ => (
            "It does not have the shape of a notification.",
            "If you know that Graph sent it, accept it without a token: a JSON object is then delivered unchanged. Anything else stays here, unless it is JSON from the channel calls.",
        ),
    }
}

/// How to see the hidden part of a quarantined body, or the whole body if nothing of it is shown.
pub fn to_see_a_body(id: i64, (needs_token, shows_bodies): (bool, bool)) -> String {
    match (needs_token, shows_bodies) {
        (true, false) => "To see it, log in with a token that has the scopes `read` and `admin`.".into(),
        (true, true) => {
            "To see everything, log in with a token that has the scopes `read`, `admin` and `recordings`.".into()
        }
        (false, _) => format!(
            "To see everything, add a token with the scopes `read`, `admin` and `recordings` to the config (`reelhook \
             token new`), run `reelhook reload` and log in with the token. `reelhook quarantine show {id} --offline` shows it \
             too, but only while no server runs."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_accepted_is_not_said_to_be_delivered() {
        assert!(of_reason(Reason::Shape).1.contains("a JSON object is then delivered unchanged"));
        assert!(of_reason(Reason::JsonDuplicate).0.contains("twice"));
        assert!(of_reason(Reason::JsonDuplicate).1.contains("does not help"));
        assert!(of_reason(Reason::JsonDepth).1.contains("cannot be accepted"));
    }

    #[test]
    fn each_reason_has_words_and_a_next_step() {
        for reason in Reason::ALL {
            let (why, next) = of_reason(reason);
            assert!(why.ends_with('.') && next.ends_with('.'), "{}", reason.as_str());
        }
    }
}
