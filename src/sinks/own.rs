//! Kinds of sinks that another program brings, which uses reelhook as a library.
//!
//! They are registered once for the whole process. Every command reads a config, and so does a reload: to hand the kinds to
//! whoever reads one would give a parameter to each function on the way that only passes it on.
//!
//! **Invariant**: no two kinds have one name, and the kinds do not change once a config was read.

use std::sync::OnceLock;

use super::{KINDS, Kind};

static OWN: OnceLock<Vec<Kind>> = OnceLock::new();

/// Why kinds were not registered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// A name is taken.
    #[error("found a second kind of sink {0:?}, expected another name: see KIND of its FromConfig")]
    Twice(&'static str),
    /// It is too late.
    #[error("found kinds of sinks that are registered already, expected it once, before a config is read")]
    TooLate,
}

/// Registers kinds beside those of reelhook. Call it once, before a config is read.
///
/// # Errors
/// A name is taken, or kinds were registered before.
pub fn register(own: Vec<Kind>) -> Result<(), NotRegistered> {
    let earlier = |n: usize| KINDS.iter().chain(&own[..n]);
    let is_twice = |(n, kind): &(usize, &Kind)| earlier(*n).any(|other| other.name == kind.name);
    if let Some((_, kind)) = own.iter().enumerate().find(is_twice) {
        return Err(NotRegistered::Twice(kind.name));
    }
    OWN.set(own).map_err(|_own| NotRegistered::TooLate)
}

/// Every kind: those of this build of reelhook, then those that were registered.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(OWN.get_or_init(Vec::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind with another name.
    fn other() -> Kind {
        let mut kind = KINDS[0];
        kind.name = "other";
        kind
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let known = KINDS[0];
        assert_eq!(register(vec![known]), Err(NotRegistered::Twice(known.name)));
        assert_eq!(register(vec![other(), other()]), Err(NotRegistered::Twice("other")));
    }

    #[test]
    fn kinds_that_come_after_a_config_was_read_are_refused() {
        assert_eq!(kinds().count(), KINDS.len());
        assert_eq!(register(vec![other()]), Err(NotRegistered::TooLate));
    }
}
