//! The keys of a config, as the sections read them: the form, the value and the origin of each.

use std::fmt;

use serde_json::Value as Json;

use super::places::Places;
use super::reading::Shown;
use super::remark::Place;

/// A key that was read.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its path: `server.listen`, `routes[0].name`. In a description `routes[].name`, `sinks.*.kind`.
    pub path: String,
    /// The form of its values, as a JSON Schema.
    pub form: Json,
    /// Whether it must be there.
    pub is_required: bool,
    /// Its value if it is not set.
    pub default: Shown,
    /// Its value; `None` for a section that is present, whose keys have the values.
    pub value: Option<Shown>,
    /// The origin of the value.
    pub origin: Origin,
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was not set.
    Default,
    /// It was set there.
    Set(Place),
    /// Another key was set there, and is the default of this one.
    Inherited {
        /// The other key.
        key: String,
        /// Its place.
        place: Place,
    },
}

impl Origin {
    /// The origin as it is shown: `default`, `my.toml:7`, the name of a variable, or another key and its place.
    pub fn told(&self, places: &Places) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Set(place) => places.told(place),
            Self::Inherited { key, place } => format!("{key}, {}", places.told(place)),
        }
    }
}

/// A rule for several keys of a section.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The section.
    pub path: String,
    /// Members of its JSON Schema.
    pub rule: Json,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Set => f.write_str("set"),
            Self::NotSet => f.write_str("not set"),
        }
    }
}
