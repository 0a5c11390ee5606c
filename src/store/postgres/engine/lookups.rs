//! Keys for looking up rows by texts of any length. The row decides.

use crate::store::hashes::{digest, head, operation_lookup};

/// Of an operation's id, or its expectation's.
pub fn of_id(id: &str) -> i64 {
    operation_lookup(id)
}

/// Of a client context.
pub fn of_context(context: &str) -> i64 {
    head(&digest("client context", &[context.as_bytes()]))
}

/// Of a call.
pub fn of_call(call_id: &str) -> i64 {
    head(&digest("call", &[call_id.as_bytes()]))
}
