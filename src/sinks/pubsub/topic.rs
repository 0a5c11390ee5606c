//! The names of the project and the topic.

use url::Url;

use super::Settings;
use crate::config::{Reading, value};
use crate::sinks::Template;
use crate::sinks::template::{Limit, percent_encode};

/// The longest id of a project, with that of its organisation.
const MAX_PROJECT_CHARS: usize = 128;
/// The longest name of a topic.
pub(super) const LIMIT: Limit = Limit { place: "topic", n_bytes: 255 };

/// The address of the service.
pub(super) fn endpoint() -> Option<Url> {
    Url::parse("https://pubsub.googleapis.com").ok()
}

/// Reads the id of a project.
pub(super) fn project() -> Reading<String> {
    value::name(MAX_PROJECT_CHARS).check(|id| {
        let is_legal = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | ':');
        if id.chars().all(is_legal) && id.chars().any(|it| it.is_ascii_alphanumeric()) {
            return Ok(());
        }
        Err(format!("found {id:?}, expected the id of a project, as \"example-123456\""))
    })
}

/// Reads the template of a topic. Its own text has only the characters that a topic can have.
pub(super) fn reading() -> Reading<Template> {
    Template::reading().check(|template| {
        let text = template.as_str();
        let is_name = template.fixed().is_none_or(|name| name.len() >= 3);
        if template.texts().all(|text| text.chars().all(is_legal)) && text.starts_with(|it: char| it.is_ascii_alphabetic()) && is_name {
            return Ok(());
        }
        Err(format!(
            "found {text:?}, expected the name of a topic alone, as \"recordings\": a letter, then letters, digits and - . _ ~ + %"
        ))
    })
}

/// The address of a topic, or of what is asked of one. What a topic's name has of special characters is encoded.
pub(super) fn address(settings: &Settings, rest: &str) -> Url {
    let mut url = settings.endpoint.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop_if_empty().extend(["v1", "projects", &settings.project, "topics"]).extend(rest.split('/'));
    }
    url
}

/// Appends a value to the name of a topic.
pub(super) fn escape(value: &str, out: &mut String) {
    percent_encode(value, |it| !is_legal(it) || it == '.', out);
}

fn is_legal(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~' | '+' | '%')
}
