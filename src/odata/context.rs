//! The context of an answer: OData's link to the description of what it contains.

use crate::web::address::encoded;

/// The context of an answer with operations: `http://host/v1.0/$metadata#communications/..`. `root` is the part before
/// `/$metadata`. The operations are those of a call, or all; the answer has one of them or many.
pub fn context(root: &str, call_id: Option<&str>, of_one: bool) -> String {
    let collection = match call_id {
        Some(call_id) => format!("calls('{}')/operations", encoded(call_id)),
        None => "recordOperations".to_owned(),
    };
    let entity = if of_one { "/$entity" } else { "" };
    format!("{root}/$metadata#communications/{collection}{entity}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_names_the_collection() {
        let root = "http://host/v1.0";
        assert_eq!(context(root, None, false), "http://host/v1.0/$metadata#communications/recordOperations");
        let of_call = "http://host/v1.0/$metadata#communications/calls('a%27b')/operations/$entity";
        assert_eq!(context(root, Some("a'b"), true), of_call);
    }
}
