//! `reelhook explain`: tells the story of one operation in sentences.

use std::process::ExitCode;

use serde_json::Value;

use super::print::{remark, say};
use super::{ConfigArg, load, text};
use crate::clock::Clock;
use crate::domain::{
    CallEnd, Expectation, OperationEvent, Origin, POSSIBLE_REPEAT, SinkName, Status, subcode_in_words,
};
use crate::store::{EventView, OperationView, Store};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  reelhook explain 0fe0623f-d628-42ed-b4bd-8ac290072cc5")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// The operation's id, with or without hyphens
    id: String,
}

/// Explains an operation. The server may keep running. Exit code 1 if the operation is not known.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match load::config(&args.config.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let operations = load::store(&config)?.operations(&args.id).await?;
    if operations.is_empty() {
        remark!(
            "operation {} is not known: no notification of it was accepted here, or its retention is over. \
             `reelhook quarantine list` shows the refused notifications.",
            text::safe(&args.id, 64)
        );
        return Ok(ExitCode::FAILURE);
    }
    for operation in &operations {
        for line in tell(operation) {
            say!("{line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(operation: &OperationView) -> Vec<String> {
    let now = Clock::system().now();
    let mut lines = vec![
        format!("operation      {}", text::safe(&operation.id, 64)),
        format!("call           {}", text::safe(operation.call_id.as_deref().unwrap_or("not known"), 64)),
        format!("clientContext  {}", text::safe(operation.client_context.as_deref().unwrap_or("none"), 256)),
        format!("status         {}", text::safe(operation.status.as_str(), 64)),
        format!("first known    {}", text::instant(operation.created_at)),
        format!("last changed   {}", text::instant(operation.modified_at)),
    ];
    lines.extend(operation.proof.map(|proof| format!("proof          {}", proof.words())));
    lines.extend(operation.expectation.as_ref().map(announced).unwrap_or_default());
    // After retention has removed the call, the event that reported the operation as lost still has its end.
    let end = operation.call_end.clone().or_else(|| operation.events.iter().rev().find_map(call_end));
    lines.extend(end.map(|end| format!("call ended     {}", text::safe(&end.words(&text::instant(end.at)), 1000))));
    for event in &operation.events {
        lines.push(String::new());
        lines.push(format!(
            "{}  {} (event {})",
            text::instant(event.received_at),
            text::safe(&event.kind, 64),
            event.id
        ));
        lines.push(format!("  {}", origin(event)));
        lines.extend(meaning(event).into_iter().map(|line| format!("  {line}")));
        if event.deliveries.is_empty() {
            lines.push(
                "  no route matched, but the event is kept: fix the routes and run `reelhook unmatched replay`".into(),
            );
        }
        for delivery in &event.deliveries {
            lines.extend(text::delivery(delivery, now).into_iter().map(|line| format!("  {line}")));
        }
    }
    lines
}

/// The announcement and its state.
fn announced(expectation: &Expectation) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(at) = expectation.announced_at {
        let by = expectation.expected_by.map_or_else(|| "no deadline".to_owned(), text::instant);
        let sinks: Vec<&str> = expectation.sinks.iter().map(SinkName::as_str).collect();
        let sinks = if sinks.is_empty() { "as the routes say".to_owned() } else { sinks.join(", ") };
        lines.push(format!("announced      {}; deadline: {by}; sinks: {sinks}", text::instant(at)));
    }
    lines.push(format!("expectation    {}", expectation.state.as_str()));
    lines.extend(expectation.metadata.as_deref().map(|it| format!("metadata       {}", text::safe(it, 2000))));
    lines
}

/// The end of the call in one of reelhook's own events.
fn call_end(event: &EventView) -> Option<CallEnd> {
    let is_own = event.own() == Some(OperationEvent::Lost);
    let data: Value = serde_json::from_str(&event.data).ok().filter(|_| is_own)?;
    CallEnd::from_json(&data["callEnd"])
}

/// Who made the event, and how it arrived.
fn origin(event: &EventView) -> String {
    let facts = text::facts(event);
    match event.origin {
        Origin::Graph => format!("from Graph on {}: {facts}", event.envelope.channel.as_str()),
        Origin::Reelhook => match event.own() {
            Some(own) => format!("from reelhook itself: {}", own.meaning()),
            None => "from reelhook itself".into(),
        },
    }
}

/// The notification's content in words.
fn meaning(event: &EventView) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Origin::Graph, Some(Status::Unknown(status))) = (event.origin, &event.status) {
        lines.push(format!(
            "found status {:?} from Graph, which this version of reelhook does not know",
            text::safe(status, 64)
        ));
    }
    lines.extend(event.order.map(|order| order.words().to_owned()));
    lines.extend(event.possible_repeat.then(|| POSSIBLE_REPEAT.to_owned()));
    let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return lines };
    if let Some(end) = call_end(event) {
        lines.push(text::safe(&end.words(&text::instant(end.at)), 1000));
    }
    if event.own() == Some(OperationEvent::Recovered) {
        lines.push(format!("ended after all: {}", text::safe(data["status"].as_str().unwrap_or_default(), 64)));
    }
    if let Some(result) = data.get("resultInfo").filter(|result| result.is_object()) {
        let number = |key: &str| result.get(key).and_then(Value::as_i64).unwrap_or_default();
        let (code, subcode) = (number("code"), number("subcode"));
        let words = subcode_in_words(subcode);
        let message = result.get("message").and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("result {code}, subcode {subcode}: {words}. {}", text::safe(message, 200)));
    }
    if let Some(reason) = data.get("completionReason").and_then(Value::as_str) {
        lines.push(format!("completionReason {}", text::safe(reason, 64)));
    }
    match data.get("recordingLocation").and_then(Value::as_str) {
        Some(_) => lines.push("the recording is at its recordingLocation".into()),
        None if event.status.as_ref().is_some_and(Status::is_terminal) => {
            lines.push("it has no recordingLocation".into())
        }
        None => {}
    }
    lines
}
