//! What happened to an operation, line by line: the announcement, each event, each delivery with its attempts.

use super::words::{self, cut};
use super::{Operator, Present};
use crate::domain::{Expectation, Origin, Proof, SinkName};
use crate::store::{DeliveryState, DeliveryView, EventView, Keeping, OperationView, StoreError};
use crate::wording::{duration, instant};

/// What happened to an operation or an event.
#[derive(Clone, Debug)]
pub struct Story {
    /// The operation's id; `None` for an event that belongs to no operation.
    pub operation: Option<String>,
    /// The operation's call, if it is known.
    pub call: Option<String>,
    /// The lines. Text from outside is not escaped: the reader of this value does that.
    pub lines: Vec<String>,
}

impl Operator {
    /// Explains the operations that `subject` names (see [`Operator::find`]), or an event that belongs to no operation.
    /// Empty if nothing is found.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn explain(&self, subject: &str) -> Result<Vec<Story>, StoreError> {
        let present = self.present();
        let found = self.find(subject).await?;
        let of_operations = found.operations.iter().map(|it| Story {
            operation: Some(it.id.clone()),
            call: it.call_id.clone(),
            lines: of_operation(it, &present),
        });
        let of_event =
            found.event.iter().map(|event| Story { operation: None, call: None, lines: of_event(event, &present) });
        Ok(of_operations.chain(of_event).collect())
    }
}

fn of_operation(operation: &OperationView, present: &Present<'_>) -> Vec<String> {
    let mut lines = vec![
        format!("operation      {}", cut(&operation.id, 64)),
        format!("call           {}", cut(operation.call_id.as_deref().unwrap_or("not known"), 64)),
        format!("clientContext  {}", cut(operation.client_context.as_deref().unwrap_or("none"), 256)),
        format!("status         {}", cut(operation.status.as_str(), 64)),
        format!("first known    {}", instant(operation.created_at)),
        format!("last changed   {}", instant(operation.modified_at)),
    ];
    let proof = operation.proof.map_or("none: no notification has arrived", Proof::words);
    lines.push(format!("proof          {proof}"));
    lines.extend(operation.expectation.as_ref().map(announced).unwrap_or_default());
    // When the call is forgotten, the event that reported the operation as lost still has its end.
    let end = operation.call_end.clone().or_else(|| operation.events.iter().rev().find_map(words::call_end));
    lines.extend(end.map(|end| format!("call ended     {}", words::of_call_end(&end))));
    for event in &operation.events {
        lines.push(String::new());
        lines.extend(of_event(event, present));
    }
    lines
}

/// The announcement, and the state of the expectation.
fn announced(expectation: &Expectation) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(at) = expectation.announced_at {
        let by = expectation.expected_by.map_or_else(|| "no deadline".to_owned(), instant);
        let sinks: Vec<&str> = expectation.sinks.iter().map(SinkName::as_str).collect();
        let sinks = if sinks.is_empty() { "chosen by the routes".to_owned() } else { sinks.join(", ") };
        lines.push(format!("announced      {}; deadline: {by}; sinks: {sinks}", instant(at)));
    }
    lines.push(format!("expectation    {}", expectation.state.as_str()));
    lines.extend(expectation.metadata.as_deref().map(|it| format!("metadata       {}", cut(it, 2000))));
    lines
}

/// What happened to one event: what it reported, and where it was delivered.
pub fn of_event(event: &EventView, present: &Present<'_>) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {} (event {})", instant(event.received_at), cut(&event.kind, 64), event.id),
        format!("  {}", origin(event)),
    ];
    lines.extend(words::of_event(event).into_iter().map(|line| format!("  {line}")));
    if event.deliveries.is_empty() && event.is_matched {
        lines.push(format!("  {}", words::NOT_TAKEN));
    } else if event.deliveries.is_empty() {
        lines.push(
            "  no route matched, but the event is kept: correct the routes, run `reelhook reload`, then `reelhook unmatched replay`".into(),
        );
    }
    for delivery in &event.deliveries {
        lines.extend(of_delivery(delivery, present).into_iter().map(|line| format!("  {line}")));
        lines.extend(of_exchanges(delivery).map(|line| format!("    {line}")));
    }
    lines
}

/// Who sent the event, and on which channel.
fn origin(event: &EventView) -> String {
    match event.origin {
        Origin::Graph => {
            format!("from Graph on {}: {}", event.envelope.channel.as_str(), words::of_envelope(event))
        }
        Origin::Reelhook => match words::of_own(event) {
            Some(meaning) => format!("from reelhook itself: {meaning}"),
            None => "from reelhook itself".into(),
        },
    }
}

/// How to see what was sent and answered.
fn of_exchanges(delivery: &DeliveryView) -> Option<String> {
    let failed = delivery.failures.iter().map(|failure| failure.exchange);
    let mut all = failed.chain(delivery.success.map(|success| success.exchange));
    all.any(|exchange| exchange == Keeping::Kept).then(|| {
        format!("`reelhook deliveries show {}` shows what was sent and answered, while it is kept", delivery.id)
    })
}

/// What happened to one delivery, one line for each thing.
pub fn of_delivery(delivery: &DeliveryView, present: &Present<'_>) -> Vec<String> {
    let resend = delivery.resend_of.map(|id| format!(", a resend of delivery {id}")).unwrap_or_default();
    let mut lines =
        vec![format!("to {} {} (delivery {}{resend})", delivery.sink, words::of_route(delivery), delivery.id)];
    let replayed = || "  replayed: the retry schedule began again".to_owned();
    for failure in &delivery.failures {
        lines.extend(failure.is_after_replay.then(replayed));
        lines.push(format!(
            "  attempt {} at {} failed after {}: {}",
            failure.number,
            instant(failure.started_at),
            duration(failure.took),
            cut(&failure.reason, 300)
        ));
    }
    lines.extend(delivery.success.filter(|success| success.is_after_replay).map(|_success| replayed()));
    let replay = match delivery.state {
        DeliveryState::Dead => format!("; `reelhook deadletters replay {}` tries again", delivery.id),
        _ => String::new(),
    };
    lines.push(format!("  {}{replay}", words::of_delivery(delivery, present)));
    lines
}
