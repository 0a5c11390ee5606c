//! Deliveries and events as the API shows them. Instants are RFC 3339 in UTC, durations ISO 8601.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::exchanges::ExchangeShape;
use crate::domain::{Envelope, Order};
use crate::operator::DeliveryOfEvent;
use crate::store::{DeliveryState, DeliveryView, EventView, FailedAttempt, Phase};

/// A delivery with every attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryShape {
    /// The delivery's id, the same in every attempt.
    pub id: String,
    /// The event that it delivers.
    pub event_id: String,
    /// The sink.
    pub sink: String,
    /// The name of the route that chose the sink. `expectation` if the announcement named the sink.
    pub route: String,
    /// `waiting`, `underWay` (taken for an attempt: it is in progress or about to begin; while reelhook pauses the sink, no attempt begins), `delivered` or `dead`.
    pub state: &'static str,
    /// Whether it waits for an earlier delivery of the same operation to the same sink.
    pub is_blocked: bool,
    /// The first delivery of the event, if an operator had the event sent again. Null otherwise.
    pub resend_of: Option<String>,
    /// When it was created.
    pub created_date_time: String,
    /// When the next attempt is due. If the sink is paused then, the attempt is made when the pause ends. During an attempt: when the delivery is attempted again if this attempt has no
    /// result. Null if it is delivered or dead.
    pub due_date_time: Option<String>,
    /// When it was delivered or became a dead letter. Null before that.
    pub settled_date_time: Option<String>,
    /// How many attempts were made, including those before a replay.
    pub attempt_count: u32,
    /// The reason of the last failed attempt.
    pub last_failure: Option<String>,
    /// The attempts, oldest first.
    pub attempts: Vec<AttemptShape>,
}

/// An attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptShape {
    /// Numbered from 1, including the attempts before a replay.
    pub number: u32,
    /// When it began. Null if an older version of reelhook delivered.
    pub started_date_time: Option<String>,
    /// When it ended.
    pub ended_date_time: String,
    /// How long it took. Null if an older version of reelhook delivered.
    pub duration: Option<String>,
    /// `failed` or `delivered`.
    pub result: &'static str,
    /// Why it failed.
    pub reason: Option<String>,
    /// Whether it is the first one after a replay, or after a move to another sink: the retry schedule began again.
    pub is_after_replay: bool,
    /// What was sent and answered, for sinks that speak HTTP. Only where one delivery is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeShape>,
    /// Why reelhook kept no exchange of this attempt, although there was one. Only where one delivery is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange_missing: Option<String>,
}

/// An event, without its data.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventShape {
    /// Its id.
    pub id: String,
    /// Its CloudEvents type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the event comes from: `https://graph.microsoft.com`, or `/reelhook` for reelhook's own reports.
    pub source: &'static str,
    /// The channel: `calls`, `subscriptions` or `lifecycle`.
    pub channel: &'static str,
    /// When it was received.
    pub received_date_time: String,
    /// When it was accepted out of the quarantine. Absent if it was accepted when it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_date_time: Option<String>,
    /// Its client context.
    pub client_context: Option<String>,
    /// Its tenant.
    pub tenant_id: Option<String>,
    /// Its subscription.
    pub subscription_id: Option<String>,
    /// When that subscription expires, as Graph sent it.
    pub subscription_expiration_date_time: Option<String>,
    /// What happened to the resource: `created`, `updated`, `deleted`, or the lifecycle event.
    pub change_type: Option<String>,
    /// The resource's type.
    pub resource_type: String,
    /// The call that it belongs to.
    pub call_id: Option<String>,
    /// The rest of the request's address after the configured path: further path segments and the query.
    pub callback: Option<String>,
    /// `X-Microsoft-Skype-Chain-ID`.
    pub chain_id: Option<String>,
    /// `X-Microsoft-Skype-Message-ID`.
    pub message_id: Option<String>,
    /// `X-Microsoft-Skype-Original-Message-ID`.
    pub original_message_id: Option<String>,
    /// `Scenario-Id`.
    pub scenario_id: Option<String>,
    /// `client-request-id`.
    pub client_request_id: Option<String>,
    /// `traceparent`: the trace that the request was part of.
    pub traceparent: Option<String>,
    /// The path of the resource, as Graph spelled it.
    pub resource: String,
    /// For operations: the status in the notification.
    pub status: Option<String>,
    /// For operations: how it compares with the stored state.
    pub order: Option<&'static str>,
    /// Whether a route matched it, or an announcement named sinks.
    pub is_matched: bool,
}

impl DeliveryShape {
    /// As it is at an instant.
    pub fn of(view: &DeliveryView, now: Timestamp) -> Self {
        let at = view.at.to_string();
        let is_waiting = view.state.is_waiting();
        let (due_date_time, settled_date_time) = if is_waiting { (Some(at), None) } else { (None, Some(at)) };
        let last = (view.state == DeliveryState::Delivered).then(|| AttemptShape::delivered(view));
        let failed = (1..).zip(&view.failures).map(|(number, failure)| AttemptShape::failed(number, failure));
        Self {
            id: view.id.to_string(),
            event_id: view.event.to_string(),
            sink: view.sink.to_string(),
            route: view.route.to_string(),
            state: Phase::of(view, now).as_str(),
            is_blocked: view.state == DeliveryState::Blocked,
            resend_of: view.resend_of.map(|id| id.to_string()),
            created_date_time: view.created_at.to_string(),
            due_date_time,
            settled_date_time,
            attempt_count: view.n_attempts,
            last_failure: Some(view.reason.clone()).filter(|reason| !reason.is_empty()),
            attempts: failed.chain(last).collect(),
        }
    }

    /// The same, with the exchanges of its attempts.
    pub fn with_exchanges(found: &DeliveryOfEvent, now: Timestamp) -> Self {
        let mut shape = Self::of(&found.delivery, now);
        for attempt in &mut shape.attempts {
            attempt.exchange = found.exchanges.get(&attempt.number).map(ExchangeShape::from);
            attempt.exchange_missing = found.why_no_exchange(attempt.number);
        }
        shape
    }
}

impl AttemptShape {
    fn failed(number: u32, failure: &FailedAttempt) -> Self {
        let ended_at = failure.started_at.saturating_add(failure.took).unwrap_or(failure.started_at);
        Self {
            number,
            started_date_time: Some(failure.started_at.to_string()),
            ended_date_time: ended_at.to_string(),
            duration: Some(iso_8601(failure.took)),
            result: "failed",
            reason: Some(failure.reason.clone()),
            is_after_replay: failure.is_after_replay,
            exchange: None,
            exchange_missing: None,
        }
    }

    fn delivered(view: &DeliveryView) -> Self {
        Self {
            number: view.n_attempts,
            started_date_time: view.success.map(|success| success.started_at.to_string()),
            ended_date_time: view.at.to_string(),
            duration: view.success.map(|success| iso_8601(success.took)),
            result: "delivered",
            reason: None,
            is_after_replay: view.success.is_some_and(|success| success.is_after_replay),
            exchange: None,
            exchange_missing: None,
        }
    }
}

impl From<&EventView> for EventShape {
    fn from(view: &EventView) -> Self {
        let Envelope { channel, resource_type, tenant_id, subscription_id, carried } = view.envelope.clone();
        let request = &carried.request;
        let text = |id: &Option<Box<str>>| id.as_deref().map(str::to_owned);
        Self {
            id: view.id.to_string(),
            kind: view.kind.clone(),
            source: view.origin.source(),
            channel: channel.as_str(),
            received_date_time: view.received_at.to_string(),
            accepted_date_time: carried.accepted_at.map(|at| at.to_string()),
            client_context: view.client_context.clone(),
            tenant_id,
            subscription_id,
            subscription_expiration_date_time: carried.subscription_expires_at,
            change_type: carried.change_type,
            resource_type,
            call_id: carried.call_id,
            callback: text(&request.callback),
            chain_id: text(&request.chain_id),
            message_id: text(&request.message_id),
            original_message_id: text(&request.original_message_id),
            scenario_id: text(&request.scenario_id),
            client_request_id: text(&request.client_request_id),
            traceparent: text(&request.traceparent),
            resource: view.resource.clone(),
            status: view.status.as_ref().map(|status| status.as_str().to_owned()),
            order: view.order.map(Order::as_str),
            is_matched: view.is_matched,
        }
    }
}

/// A duration as ISO 8601 has it: `PT0.0125S`.
pub fn iso_8601(duration: Duration) -> String {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX).to_string()
}
