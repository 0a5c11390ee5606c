//! The tables of checks, in the order in which they are made.
//!
//! **Invariants**
//! 1. A check is made after those that it names, and each receiver in `tests/it/conformance` with one fault fails one.

mod calls;
mod encrypted;
mod handshake;
mod hostile_bodies;
mod subscriptions;
mod tokens;

pub(super) use self::encrypted::{CONTENT, DECRYPTED};
pub(super) use self::handshake::{AT_LIFECYCLE, ECHO};
pub(super) use self::tokens::GENUINE as GENUINE_CALL;
use super::check::{Channel, Check};

/// The check that shows whether recordings are delivered at all.
pub(super) const DELIVERS_RECORDINGS: &str = "calls-delivers-recordings";
/// The check that shows whether changes are delivered at all.
pub(super) const DELIVERS_CHANGES: &str = "notifications-delivers-changes";

/// Every table with its channel.
pub(super) const TABLES: &[(Channel, &[Check])] = &[
    (Channel::Calls, tokens::CHECKS),
    (Channel::Calls, calls::CHECKS),
    (Channel::Subscriptions, handshake::CHECKS),
    (Channel::Subscriptions, subscriptions::CHECKS),
    (Channel::Subscriptions, encrypted::CHECKS),
];

/// The checks of one channel, or of both, each with its channel.
pub(super) fn of(channel: Channel) -> impl Iterator<Item = (Channel, &'static Check)> {
    let tables = TABLES.iter().filter(move |(of, _)| channel == Channel::Both || channel == *of);
    tables.flat_map(|(of, checks)| checks.iter().map(|check| (*of, check)))
}

/// The checks with these names.
pub(super) fn named(names: &[&str]) -> impl Iterator<Item = &'static Check> {
    of(Channel::Both).map(|(_, check)| check).filter(|check| names.contains(&check.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_each_check_comes_after_those_that_it_names() {
        let mut before: Vec<&str> = Vec::new();
        for (_, check) in of(Channel::Both) {
            assert!(!before.contains(&check.name), "{}", check.name);
            for name in check.after.iter().chain(&check.with) {
                assert!(before.contains(name), "{}: {name} comes before it", check.name);
            }
            before.push(check.name);
        }
        assert!(before.contains(&DELIVERS_RECORDINGS) && before.contains(&DELIVERS_CHANGES));
    }

    #[test]
    fn a_check_of_one_channel_is_made_without_the_other() {
        for (channel, check) in of(Channel::Both) {
            let of_channel: Vec<&str> = of(channel).map(|(_, check)| check.name).collect();
            assert!(check.after.iter().all(|name| of_channel.contains(name)), "{}", check.name);
        }
    }

    #[test]
    fn what_is_assumed_is_never_a_must() {
        use crate::simulator::conformance::check::Level;
        for (_, check) in of(Channel::Both) {
            let is_assumed = check.source.at().is_none();
            assert!(!is_assumed || check.level != Level::Must, "{}: {}", check.name, check.source);
        }
    }
}
