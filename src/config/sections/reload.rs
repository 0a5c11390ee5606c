//! `[reload]`.

use crate::config::Reload;
use crate::config::section::Section;
use crate::config::value::switch;

/// Reads `[reload]`.
pub fn reload(root: &mut Section<'_>) -> Reload {
    let mut section = root.section_or_empty("reload");
    Reload { watch: section.or("watch", false, switch) }
}
