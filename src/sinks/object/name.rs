//! The names of objects: the key `path`.
//!
//! **Invariant**: a value never adds a part to a name, and no part is `.` or `..`: an object is always below the prefix.

use object_store::path::Path;

use super::Settings;
use super::lines::SAMPLE_ID;
use crate::config::{Reading, Section};
use crate::domain::Delivery;
use crate::sinks::template::{OWN, percent_encode};
use crate::sinks::{DeliveryError, Template, reason};

/// Where no `path` is configured: each delivery has a name of its own, and the names sort by time.
const DEFAULT: &str = "{date}/{delivery_id}.json";
/// The same, where several events are one object.
const DEFAULT_OF_BATCH: &str = "{date}/{batch_id}.jsonl";
/// The placeholder that is known only when a batch is complete.
const BATCH_ID: &str = "batch_id";
/// S3 takes names of 1,024 bytes; some are left for the prefix.
const MAX_BYTES: usize = 800;
/// File systems take 255 bytes; some are left for the name while a file is written.
const MAX_PART_BYTES: usize = 240;
/// What means something in a path, an address, or a name of the services.
const SPECIAL: &str = "/\\{}^`[]\"<>~#|*?:";

/// Reads the key `path`. `None` where a mistake was noted.
pub(super) fn read(section: &mut Section<'_>) -> Option<Template> {
    let is_batched = section.has("batch");
    let (default, own) = if is_batched { (DEFAULT_OF_BATCH, Some(BATCH_ID)) } else { (DEFAULT, None) };
    Some(section.or("path", Template::parse_with(default, own).ok()?, reading(is_batched)))
}

/// Reads the template of a path; `is_batched`: of batches.
fn reading(is_batched: bool) -> Reading<Template> {
    Template::reading_with(is_batched.then_some(BATCH_ID)).check(move |template| {
        let text = template.as_str();
        let is_wrong = |part: &str| part.is_empty() || part == "." || part == "..";
        if text.split('/').any(is_wrong) || text.contains(['\\', '#', '?']) || text.chars().any(char::is_control) {
            return Err(format!(
                "found {text:?}, expected names between single slashes, as {DEFAULT:?}, without \\, # and ?, and neither . nor .."
            ));
        }
        if is_batched && (!template.has_own() || template.has_delivery_id()) {
            return Err(format!(
                "found {text:?} beside batch, expected {{batch_id}} in it and no {{delivery_id}}, as {DEFAULT_OF_BATCH:?}: \
                 each batch is an object of its own"
            ));
        }
        Ok(())
    })
}

/// The name of a delivery's object. In the values, what means something in a path is percent-encoded.
///
/// # Errors
/// [`DeliveryError::Reject`]: it is too long, or no name.
pub(super) fn of(settings: &Settings, delivery: &Delivery) -> Result<Path, DeliveryError> {
    whole(settings, &settings.path.fill(delivery, escape))
}

/// What the name of a batch's object has of a delivery, with [`OWN`] in the place of the id. Deliveries with the same text can
/// be in one batch.
///
/// # Errors
/// As [`of`].
pub(super) fn text_of_batch(settings: &Settings, delivery: &Delivery) -> Result<String, DeliveryError> {
    let text = settings.path.fill(delivery, escape);
    of_batch(settings, &text, SAMPLE_ID).map(|_path| text)
}

/// The name of a batch's object.
///
/// # Errors
/// As [`of`].
pub(super) fn of_batch(settings: &Settings, text: &str, id: &str) -> Result<Path, DeliveryError> {
    whole(settings, &text.replace(OWN, id))
}

fn whole(settings: &Settings, filled: &str) -> Result<Path, DeliveryError> {
    if filled.len() > MAX_BYTES {
        let n_bytes = filled.len();
        return Err(reason::reject(&format!("the path would have {n_bytes} bytes, and may have {MAX_BYTES}")));
    }
    if let Some(part) = filled.split('/').find(|part| part.len() > MAX_PART_BYTES) {
        let text = format!("a part of the path would have {} bytes, and may have {MAX_PART_BYTES}", part.len());
        return Err(reason::reject(&text));
    }
    let name = Path::parse(filled).map_err(|_shown| reason::reject("the path has a part that is . or .."))?;
    Ok(settings.place.prefix.parts().chain(name.parts()).collect())
}

fn escape(value: &str, out: &mut String) {
    // A value that is all dots could make a part that leads elsewhere.
    let is_dots = value.chars().all(|it| it == '.');
    let is_special = |it: char| SPECIAL.contains(it) || it.is_control() || it.is_whitespace() || (is_dots && it == '.');
    percent_encode(value, is_special, out);
}
