//! The names of the properties that requests may use. They come from the types that `/openapi.json` describes.

use std::sync::LazyLock;

use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use super::schema::{Announcement, Changes, RecordOperation};

static OF_OPERATION: LazyLock<Vec<String>> = LazyLock::new(names::<RecordOperation>);
static OF_ANNOUNCEMENT: LazyLock<Vec<String>> = LazyLock::new(names::<Announcement>);
static OF_CHANGES: LazyLock<Vec<String>> = LazyLock::new(names::<Changes>);
static SELECTABLE: LazyLock<Vec<&str>> = LazyLock::new(|| OF_OPERATION.iter().map(String::as_str).collect());

/// The properties of an operation. `$select` may name these.
pub fn of_operation() -> &'static [&'static str] {
    &SELECTABLE
}

/// The properties of an announcement.
pub fn of_announcement() -> impl Iterator<Item = &'static str> + Clone {
    OF_ANNOUNCEMENT.iter().map(String::as_str)
}

/// The properties that can be changed.
pub fn of_changes() -> impl Iterator<Item = &'static str> + Clone {
    OF_CHANGES.iter().map(String::as_str)
}

/// In the order of their declaration, without the names that OData adds.
fn names<T: PartialSchema>() -> Vec<String> {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => {
            object.properties.into_keys().filter(|name| !name.starts_with('@')).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_are_described() {
        assert_eq!(of_operation()[..5], ["id", "callId", "tenantId", "clientContext", "status"]);
        let own = ["clientContext", "metadata", "sinks", "expectWithin", "expectedBy"];
        assert!(of_changes().eq(own), "{:?}", *OF_CHANGES);
        assert!(of_announcement().any(|name| name == "allowDuplicate"));
    }
}
