//! The JSON Schemas (2020-12) of what is sent: of an event, and of the data of each type. They are made of the types that are
//! serialised.
//!
//! **Invariant**: each file stands alone. It refers to no other one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use super::data::Added;
use super::data_schema::DataSchema;
use super::envelope::CloudEvent;
use crate::domain::{OperationData, OperationResource, OperatorData};

/// The file of the schema of an event in structured mode.
pub const EVENT: &str = "event.v1.json";
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Where a schema that is made of a type refers to those of others.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";
/// What a report of reelhook's own lacks of the operation that the API shows.
const NOT_REPORTED: [&str; 2] = ["@odata.etag", "proof"];

/// Schemas of types, by their names.
type Parts = Vec<(String, RefOr<Schema>)>;

static SCHEMAS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(made);

/// Every schema, by the name of its file.
pub fn all() -> &'static BTreeMap<&'static str, Value> {
    &SCHEMAS
}

fn made() -> BTreeMap<&'static str, Value> {
    let of_data = |schema: DataSchema| match schema {
        DataSchema::Operation => operation(),
        DataSchema::Report => report(),
        DataSchema::Operator => {
            let (data, parts) = of::<OperatorData>();
            whole(RefOr::T(Schema::Object(data)), parts)
        }
        DataSchema::Resource => json!({
            "description": "A resource as Graph sent it, or a lifecycle event without its clientState. Usually an object; \
                            null if Graph sent none.",
        }),
    };
    let data = DataSchema::ALL.into_iter().map(|schema| (schema.file(), of_data(schema)));
    let event = whole(CloudEvent::schema(), Parts::new());
    data.chain([(EVENT, event)]).map(|(file, schema)| (file, begun(file, schema))).collect()
}

fn operation() -> Value {
    let (mut data, parts) = of::<OperationData<'_>>();
    for name in OperationData::READ {
        if let Some(member) = data.properties.get_mut(name) {
            *member = or_as_sent(member.clone());
        }
    }
    with_added(data, parts)
}

fn report() -> Value {
    let (mut data, parts) = of::<OperationResource>();
    for name in NOT_REPORTED {
        data.properties.shift_remove(name);
        data.required.retain(|it| it != name);
    }
    with_added(data, parts)
}

/// The schema of a struct, and those that it refers to.
fn of<T: ToSchema>() -> (Object, Parts) {
    let mut parts = Parts::new();
    T::schemas(&mut parts);
    let object = match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
    };
    (object, parts)
}

/// A member that could not be read as documented is as Graph sent it, whatever that is.
fn or_as_sent(member: RefOr<Schema>) -> RefOr<Schema> {
    let description = "As Graph sent it, if reelhook could not read it";
    let sent = ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some(description));
    AnyOfBuilder::new().item(member).item(sent).into()
}

/// With what reelhook adds to an operation.
fn with_added(mut data: Object, mut parts: Parts) -> Value {
    let description = "The recording's token, for sinks with include_access_token = true, as long as it is stored";
    let token = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).description(Some(description));
    data.properties.insert("recordingAccessToken".into(), token.into());
    data.properties.insert("reelhook".into(), Added::schema());
    data.required.push("reelhook".into());
    Added::schemas(&mut parts);
    whole(RefOr::T(Schema::Object(data)), parts)
}

fn whole(schema: RefOr<Schema>, parts: Parts) -> Value {
    let mut schema = json!(schema);
    if !parts.is_empty() {
        schema["$defs"] = parts.into_iter().map(|(name, part)| (name, json!(part))).collect::<Map<_, _>>().into();
    }
    // A member that is absent is not `null`, so that is no default either.
    let text = schema.to_string().replace(COMPONENTS, DEFINITIONS).replace("\"default\":null,", "");
    serde_json::from_str(&text).unwrap_or_default()
}

/// With the members that each file has.
fn begun(file: &'static str, mut schema: Value) -> Value {
    schema["$schema"] = DIALECT.into();
    schema["$id"] = file.into();
    schema["title"] = file.split('.').next().unwrap_or(file).into();
    schema
}
