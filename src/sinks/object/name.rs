//! The names of objects: the key `path`.
//!
//! **Invariant**: a value never adds a part to a name, and no part is `.` or `..`: an object is always below the prefix.

use object_store::path::Path;

use super::Settings;
use crate::config::Reading;
use crate::domain::Delivery;
use crate::sinks::template::{Limit, percent_encode};
use crate::sinks::{DeliveryError, Template, reason};

/// Where no `path` is configured: each delivery has a name of its own, and the names sort by time.
pub(super) const DEFAULT: &str = "{date}/{delivery_id}.json";
/// S3 takes names of 1,024 bytes; some are left for the prefix.
const LIMIT: Limit = Limit { place: "path", n_bytes: 800 };
/// File systems take 255 bytes; some are left for the name while a file is written.
const MAX_PART_BYTES: usize = 240;
/// What means something in a path, an address, or a name of the services.
const SPECIAL: &str = "/\\{}^`[]\"<>~#|*?:";

/// Reads the template of a path.
pub(super) fn reading() -> Reading<Template> {
    Template::reading().check(|template| {
        let text = template.as_str();
        let is_wrong = |part: &str| part.is_empty() || part == "." || part == "..";
        if text.split('/').any(is_wrong) || text.contains(['\\', '#', '?']) || text.chars().any(char::is_control) {
            return Err(format!(
                "found {text:?}, expected names between single slashes, as {DEFAULT:?}, without \\, # and ?, and neither . nor .."
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
    let filled = settings.path.fill_within(delivery, LIMIT, escape)?;
    if let Some(part) = filled.split('/').find(|part| part.len() > MAX_PART_BYTES) {
        let text = format!("a part of the path would have {} bytes, and may have {MAX_PART_BYTES}", part.len());
        return Err(reason::reject(&text));
    }
    let name = Path::parse(&filled).map_err(|_shown| reason::reject("the path has a part that is . or .."))?;
    Ok(settings.place.prefix.parts().chain(name.parts()).collect())
}

fn escape(value: &str, out: &mut String) {
    // A value that is all dots could make a part that leads elsewhere.
    let is_dots = value.chars().all(|it| it == '.');
    let is_special = |it: char| SPECIAL.contains(it) || it.is_control() || it.is_whitespace() || (is_dots && it == '.');
    percent_encode(value, is_special, out);
}
