//! The events as an AsyncAPI document (<https://www.asyncapi.com/docs/reference/specification/v3.1.0>): one channel, for
//! whatever the sinks are, with a message for each type of reelhook's events about operations and about itself, and one for all other types.

use serde_json::{Map, Value, json};

use super::CONTENT_TYPE;
use super::data_schema::DataSchema;
use super::schemas::EVENT;
use crate::config::Events;
use crate::domain::{OperationEvent, OperatorEvent, Origin};

/// How AsyncAPI names the dialect of the schemas.
const DIALECT: &str = "application/schema+json;version=draft-2020-12";
/// The folder of the schemas, beside the document.
const FOLDER: &str = "schemas";
/// The name of the message for every other type.
const RESOURCE: &str = "resource";

/// The document, with the names that a config gives to events.
pub fn document(events: &Events) -> Value {
    let messages = messages(events);
    let of_channel =
        messages.keys().map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") })));
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "reelhook",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0" },
            "description": "Microsoft Graph's notifications as CloudEvents 1.0, delivered at least once.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "events": {
                "address": null,
                "title": "Events",
                "description": "Each sink of the config. Its kind and its place are the config's. This is the format \
                                \"cloudevents\"; with \"cloudevents-binary\" the attributes are headers.",
                "messages": of_channel.collect::<Map<_, _>>(),
            },
        },
        "operations": {
            "sendEvents": {
                "action": "send",
                "channel": { "$ref": "#/channels/events" },
                "summary": "reelhook delivers an event to a sink",
            },
        },
        "components": { "messages": messages },
    })
}

fn messages(events: &Events) -> Map<String, Value> {
    let of_operation = OperationEvent::ALL.iter().map(|event| {
        let (origin, schema) = if event.is_own() {
            (Origin::Reelhook, DataSchema::Report)
        } else {
            (Origin::Graph, DataSchema::Operation)
        };
        let fixed = fixed(events, event.kind(), origin);
        (event.kind().to_owned(), message(event.kind(), event.meaning(), schema, fixed))
    });
    let of_itself = OperatorEvent::ALL.iter().map(|event| {
        let fixed = fixed(events, event.kind(), Origin::Reelhook);
        (event.kind().to_owned(), message(event.kind(), event.meaning(), DataSchema::Operator, fixed))
    });
    let meaning =
        "any other resource of Graph, such as call.updated, or a lifecycle event, such as subscription.missed";
    let fixed = json!({ "source": { "const": Origin::Graph.source() } });
    let others = message(RESOURCE, meaning, DataSchema::Resource, fixed);
    of_operation.chain(of_itself).chain([(RESOURCE.to_owned(), others)]).collect()
}

/// The attributes that have one value in every event of a type.
fn fixed(events: &Events, kind: &str, origin: Origin) -> Value {
    json!({ "type": { "const": events.sent_type(kind) }, "source": { "const": origin.source() } })
}

/// A message: an event with this data, and with attributes that have one value.
fn message(name: &str, meaning: &str, data: DataSchema, mut fixed: Value) -> Value {
    fixed["data"] = json!({ "$ref": format!("{FOLDER}/{}", data.file()) });
    json!({
        "name": name,
        "summary": meaning,
        "contentType": CONTENT_TYPE,
        "payload": {
            "schemaFormat": DIALECT,
            "schema": { "allOf": [{ "$ref": format!("{FOLDER}/{EVENT}") }, { "properties": fixed }] },
        },
    })
}
