//! The bounds of the quarantine: its size in entries and bytes, with a share for each class of senders.

use crate::config;

/// A size, or a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// How many entries.
    pub n_entries: i64,
    /// How many bytes.
    pub n_bytes: i64,
}

impl Size {
    /// Whether it is beyond a bound.
    pub fn is_over(self, most: Self) -> bool {
        self.n_entries > most.n_entries || self.n_bytes > most.n_bytes
    }

    /// The smaller of both, part by part.
    pub fn min(self, other: Self) -> Self {
        Self { n_entries: self.n_entries.min(other.n_entries), n_bytes: self.n_bytes.min(other.n_bytes) }
    }

    /// The difference.
    pub fn less(self, other: Self) -> Self {
        Self { n_entries: self.n_entries - other.n_entries, n_bytes: self.n_bytes - other.n_bytes }
    }
}

/// The bound of strangers and known senders together.
fn most(settings: &config::Store) -> Size {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Size { n_entries: number(settings.quarantine_max_entries as u64), n_bytes: number(settings.quarantine_max_bytes) }
}

/// The share of strangers: what known senders leave to them at least.
fn strangers_part(settings: &config::Store) -> Size {
    let (most, share) = (most(settings), settings.quarantine_strangers_share);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a share of a bound need not be exact"
    )]
    let part = |n: i64| ((n as f64) * share) as i64;
    Size { n_entries: part(most.n_entries), n_bytes: part(most.n_bytes) }
}

/// The bound of known senders.
pub fn of_known(settings: &config::Store) -> Size {
    most(settings).less(strangers_part(settings))
}

/// The bound of strangers, beside known senders of this size: they may use the free part of the others' share.
pub fn of_strangers(settings: &config::Store, known: Size) -> Size {
    most(settings).less(known.min(of_known(settings)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_their_part_of_entries_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let settings = config::Store {
            quarantine_max_entries: 10,
            quarantine_max_bytes: 1000,
            quarantine_strangers_share: 0.25,
            ..crate::store::sqlite::plain_settings(folder.path())
        };
        assert_eq!(strangers_part(&settings), Size { n_entries: 2, n_bytes: 250 });
        assert_eq!(most(&settings).less(strangers_part(&settings)), Size { n_entries: 8, n_bytes: 750 });
    }
}
