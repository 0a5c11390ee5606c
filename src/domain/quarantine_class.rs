//! The classes of quarantine entries, by what is known of their senders.

/// The class of a quarantine entry. The numbers are those of the store's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuarantineClass {
    /// Its sender showed nothing that we know.
    Strangers = 0,
    /// Its sender proved something, but not enough.
    Known = 1,
    /// Like [`QuarantineClass::Known`], and the entry waits for the provider's keys.
    Waiting = 2,
}

impl QuarantineClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Strangers, Self::Known, Self::Waiting];

    /// The text used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strangers => "unverified",
            Self::Known => "verified",
            Self::Waiting => "waiting_for_keys",
        }
    }
}
