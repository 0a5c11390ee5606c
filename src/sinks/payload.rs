//! A payload: a text of JSON whose strings are templates, for far sides that want a form of their own.
//!
//! **Invariant**: what comes out is JSON, whatever the values are. The placeholders stand in strings only.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use serde_json::{Map, Value, json};

use super::template::{Template, as_it_is};
use crate::config::{Reading, value};
use crate::domain::Delivery;

/// JSON whose strings are filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    text: String,
    json: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Plain(Value),
    Text(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Payload {
    /// Reads a payload from a config.
    pub fn reading() -> Reading<Self> {
        value::text().then(|text| Self::parse(&text), |payload| json!(payload.text))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let example = "JSON, as '{\"text\": \"{client_context} is {status}\"}'";
        let json = serde_json::from_str(text).map_err(|error| format!("found {error}, expected {example}"))?;
        Ok(Self { text: text.to_owned(), json: Node::of(json)? })
    }

    /// Fills it in.
    pub fn write(&self, delivery: &Delivery, out: &mut Vec<u8>) {
        // Writing into memory cannot fail.
        drop(serde_json::to_writer(out, &self.json.filled(delivery)));
    }
}

impl Node {
    fn of(json: Value) -> Result<Self, String> {
        Ok(match json {
            Value::String(text) => {
                let template = Template::parse(&text)?;
                match template.fixed() {
                    Some(text) => Self::Plain(text.into()),
                    None => Self::Text(template),
                }
            }
            Value::Array(items) => Self::List(items.into_iter().map(Self::of).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| Ok((name, Self::of(value)?)));
                Self::Object(members.collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain),
        })
    }

    fn filled(&self, delivery: &Delivery) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => template.fill(delivery, as_it_is).into(),
            Self::List(items) => items.iter().map(|item| item.filled(delivery)).collect(),
            Self::Object(members) => {
                let filled = members.iter().map(|(name, value)| (name.clone(), value.filled(delivery)));
                Value::Object(filled.collect::<Map<_, _>>())
            }
        }
    }
}
