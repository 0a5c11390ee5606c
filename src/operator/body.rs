//! What a caller may see of bytes that came from outside.

use crate::domain::Raw;
use crate::graph::without_secrets;
use crate::store::QuarantineView;

/// How much of a quarantined body a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether the caller may see bodies. A body may hold a secret.
    pub bodies: bool,
    /// Whether the caller may also see the secrets in them.
    pub secrets: bool,
}

/// The part of a quarantined body that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The whole body, byte for byte.
    Whole(Vec<u8>),
    /// The body with tokens and `clientState` hidden.
    WithoutSecrets(String),
    /// Nothing.
    Withheld,
}

impl Body {
    /// The part of an entry that a caller may see. Without the right to see secrets, only JSON is shown: reelhook
    /// cannot find the secrets in other bodies.
    pub fn of(entry: &QuarantineView, sight: Sight) -> Self {
        Self::shown(entry.raw.as_ref(), sight)
    }

    /// The same, of any bytes that came from outside.
    pub(super) fn shown(raw: Option<&Raw>, sight: Sight) -> Self {
        match raw.filter(|_| sight.bodies) {
            Some(raw) if sight.secrets => Self::Whole(raw.0.to_vec()),
            Some(raw) => without_secrets(&raw.0).map_or(Self::Withheld, Self::WithoutSecrets),
            None => Self::Withheld,
        }
    }
}
