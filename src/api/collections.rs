//! The two places of operations: all operations, and those of one call.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// The version of Graph under which the document lists the paths.
const VERSION: &str = "/v1.0";

/// The path of all operations, and the path of those of one call.
pub const COLLECTIONS: [&str; 2] = ["/communications/recordOperations", "/communications/calls/{callId}/operations"];

/// `part`, with each path below the first collection repeated below the second one, whose paths have the parameter
/// `named`.
pub fn also_at(mut part: utoipa::openapi::OpenApi, [from, to]: [&str; 2], named: &str) -> utoipa::openapi::OpenApi {
    let call = ParameterBuilder::new()
        .name(named)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("Graph's id of the call"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    let mut again = Vec::new();
    for (path, item) in &part.paths.paths {
        if let Some(rest) = path.strip_prefix(VERSION).and_then(|path| path.strip_prefix(from)) {
            again.push((format!("{VERSION}{to}{rest}"), of_call(item.clone(), &call)));
        }
    }
    part.paths.paths.extend(again);
    part
}

fn of_call(mut item: PathItem, call: &Parameter) -> PathItem {
    for operation in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
        operation.parameters.get_or_insert_default().insert(0, call.clone().into());
        // An id may occur only once in a document.
        operation.operation_id = operation.operation_id.take().map(|id| format!("{id}OfCall"));
    }
    item
}
