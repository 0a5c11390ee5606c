//! `[reload]`.

use crate::config::section::Section;
use crate::config::value::switch;

/// `[reload]`
#[derive(Clone, Debug)]
pub struct Reload {
    /// Whether a changed file is loaded again by itself.
    pub watch: bool,
}

/// Reads `[reload]`.
pub fn reload(root: &mut Section<'_>) -> Reload {
    let mut section = root.section_or_empty("reload");
    Reload { watch: section.or("watch", false, switch()) }
}
