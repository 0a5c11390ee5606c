//! `[events]`.

use std::borrow::Cow;

use url::Url;

use crate::config::section::Section;
use crate::config::value::{folder, reverse_dns};

/// `[events]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// What is put before the type of an event that is sent.
    pub type_prefix: String,
    /// The address of the folder with the schemas; `None`: an event names no schema.
    pub schema_base: Option<Url>,
}

impl Events {
    /// The type of an event as it is sent.
    pub fn sent_type<'a>(&self, kind: &'a str) -> Cow<'a, str> {
        match self.type_prefix.as_str() {
            "" => kind.into(),
            prefix => format!("{prefix}{kind}").into(),
        }
    }
}

/// Reads `[events]`.
pub fn events(root: &mut Section<'_>) -> Events {
    let mut section = root.section_or_empty("events");
    Events {
        type_prefix: section.or("type_prefix", String::new(), reverse_dns()),
        schema_base: section.read("schema_base", folder()),
    }
}
