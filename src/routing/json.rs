//! Client contexts that are JSON: parsed once, and only if a route needs it. Then each pointer is looked up once.

use std::collections::HashMap;

use serde_json::Value;

/// The values that routes expect, by pointer.
#[derive(Debug, Default)]
pub struct JsonValues {
    pointers: Vec<(String, HashMap<Value, Vec<usize>>)>,
}

impl JsonValues {
    /// Adds the value that `route` expects at `pointer`.
    pub fn add(&mut self, pointer: &str, equals: &Value, route: usize) {
        let at = match self.pointers.iter().position(|(known, _)| known == pointer) {
            Some(at) => at,
            None => {
                self.pointers.push((pointer.to_owned(), HashMap::new()));
                self.pointers.len() - 1
            }
        };
        if let Some((_, values)) = self.pointers.get_mut(at) {
            values.entry(equals.clone()).or_default().push(route);
        }
    }

    /// Adds the routes whose value is in `text` to `found`. Text that is not JSON has no values.
    pub fn find(&self, text: &str, found: &mut Vec<usize>) {
        if self.pointers.is_empty() {
            return;
        }
        let Ok(json) = serde_json::from_str::<Value>(text) else { return };
        for (pointer, values) in &self.pointers {
            if let Some(routes) = json.pointer(pointer).and_then(|value| values.get(value)) {
                found.extend_from_slice(routes);
            }
        }
    }
}
