//! The proof that a notification comes from Microsoft Graph, as a value that cannot be forged by accident.

use std::sync::Arc;

use super::{Notification, Request};

/// The most subscriptions that are stored as sending encrypted content, so that they need more proof. The longest known
/// are removed first, and are recognised again by their next item.
pub const MAX_RICH_SUBSCRIPTIONS: usize = 10_000;

/// What verified a notification's origin, the weakest first. Weaker proof never changes what stronger proof
/// established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// An operator vouched for it; it is not known what its sender had shown.
    OperatorsWord,
    /// `clientState`: everyone who has ever seen a notification of the subscription knows this text.
    ClientState,
    /// A validation token of its tenant, and `clientState`.
    ValidationToken,
    /// The bearer token of its POST.
    BearerToken,
}

impl Proof {
    const ALL: [Self; 4] = [Self::OperatorsWord, Self::ClientState, Self::ValidationToken, Self::BearerToken];
    /// The weakest proof that ends an announced operation.
    pub const FOR_EXPECTATIONS: Self = Self::ValidationToken;

    /// Its rank, from 1.
    pub fn rank(self) -> i64 {
        match self {
            Self::OperatorsWord => 1,
            Self::ClientState => 2,
            Self::ValidationToken => 3,
            Self::BearerToken => 4,
        }
    }

    /// The one that has a rank.
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.rank() == rank)
    }

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OperatorsWord => "operatorsWord",
            Self::ClientState => "clientState",
            Self::ValidationToken => "validationToken",
            Self::BearerToken => "bearerToken",
        }
    }

    /// The one that has a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|proof| proof.as_str() == name)
    }

    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::OperatorsWord => "an operator's word alone",
            Self::ClientState => "clientState alone, which everyone who saw a notification knows",
            Self::ValidationToken => "a validation token",
            Self::BearerToken => "the POST's bearer token",
        }
    }
}

/// A notification whose origin was verified. Only `graph` makes one (also on an operator's explicit word, on replay);
/// everything behind the intake accepts nothing else.
#[derive(Clone, Debug)]
pub struct Verified {
    notification: Notification,
    proof: Proof,
}

impl Verified {
    /// Declares `notification` verified. Call it only where the proof was checked: the floors test lists its callers.
    pub fn declare(notification: Notification, proof: Proof) -> Self {
        Self { notification, proof }
    }

    /// Its proof.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// The notification.
    pub fn notification(&self) -> &Notification {
        &self.notification
    }

    /// Adds the ids and the callback of its POST.
    pub fn came_with(&mut self, request: &Arc<Request>) {
        self.notification.request = Arc::clone(request);
    }

    /// Takes the notification out.
    pub fn into_notification(self) -> Notification {
        self.notification
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_found_again_by_its_rank_and_by_its_name() {
        for proof in Proof::ALL {
            assert_eq!(Proof::of_rank(proof.rank()), Some(proof));
            assert_eq!(Proof::parse(proof.as_str()), Some(proof));
        }
        assert_eq!((Proof::of_rank(0), Proof::parse("")), (None, None));
    }
}
