//! Finds runs of characters that a text and the secrets have in common. Of each secret every stretch of a certain length is
//! remembered, so a text is searched in one pass, however many secrets there are.
//!
//! **Invariants**
//! 1. A stretch is a number: its bytes and its length. Two stretches are equal if and only if their numbers are.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use foldhash::fast::FixedState;

/// The shortest secret that is looked for: a shorter one stands in many words.
pub(super) const SHORTEST: usize = 4;
/// The shortest part of a secret that is looked for.
const SHORTEST_PART: usize = 8;
/// A run of so many characters is looked for, however long the secret is.
const LONGEST_RUN: usize = 12;
/// How many bits say which beginnings there are. With 4,000 stretches one text in 16 is looked at twice in vain.
const N_BITS: usize = 1 << 16;

/// The stretches of secrets.
pub(super) struct Runs {
    stretches: HashSet<u128, FixedState>,
    lengths: BTreeSet<usize>,
    /// A bit for each beginning of a stretch: most of a text is no beginning, and costs no more than this look.
    beginnings: Vec<u64>,
}

impl Default for Runs {
    fn default() -> Self {
        Self { stretches: HashSet::default(), lengths: BTreeSet::new(), beginnings: vec![0; N_BITS / 64] }
    }
}

impl Runs {
    /// Adds a secret, as it is compared. One that is shorter than [`SHORTEST`] is not looked for.
    pub(super) fn add(&mut self, secret: &[u8]) {
        let length = run_of(secret.len());
        if length < SHORTEST {
            return;
        }
        self.lengths.insert(length);
        self.stretches.reserve(secret.len());
        for stretch in secret.windows(length) {
            self.stretches.insert(number(stretch));
            if let Some(bit) = bit(stretch) {
                self.beginnings[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// Where a text has runs of the secrets, from the first to the last; they may overlap.
    pub(super) fn find<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let begins = |at: &usize| {
            let bit = text.get(*at..).and_then(bit);
            bit.is_some_and(|bit| self.beginnings[bit / 64] & (1 << (bit % 64)) != 0)
        };
        (0..text.len()).filter(begins).filter_map(|at| {
            let is_found = |length: &&usize| {
                text.get(at..at + **length).is_some_and(|stretch| self.stretches.contains(&number(stretch)))
            };
            self.lengths.iter().rev().find(is_found).map(|length| at..at + length)
        })
    }
}

/// How long a run of a secret is looked for: half of it, from 8 to 12 characters; the whole of a short one.
fn run_of(length: usize) -> usize {
    length.div_ceil(2).clamp(SHORTEST_PART, LONGEST_RUN).min(length)
}

/// At most 15 bytes and their length as a number.
fn number(stretch: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    bytes[..stretch.len()].copy_from_slice(stretch);
    u128::from_le_bytes(bytes) | (stretch.len() as u128) << 120
}

/// The bit of the first bytes of a text.
fn bit(text: &[u8]) -> Option<usize> {
    let first = u32::from_le_bytes(*text.first_chunk::<SHORTEST>()?);
    Some((first.wrapping_mul(0x9e37_79b1) >> 16) as usize % N_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(secrets: &[&str], text: &str) -> Vec<Range<usize>> {
        let mut runs = Runs::default();
        secrets.iter().for_each(|secret| runs.add(secret.as_bytes()));
        runs.find(text.as_bytes()).collect()
    }

    #[test]
    fn of_a_short_secret_the_whole_is_found_of_a_longer_one_half_of_it_and_of_a_long_one_twelve() {
        for (secret, part, shorter) in [
            ("abcd", "abcd", "abc"),
            ("abcdefgh", "abcdefgh", "abcdefg"),
            ("abcdefghijklmnop", "cdefghij", "cdefghi"),
            ("abcdefghijklmnopqrst", "jklmnopqrs", "jklmnopqr"),
            ("abcdefghijklmnopqrstuvwxyz0123456789", "klmnopqrstuv", "klmnopqrstu"),
        ] {
            let place = 1..1 + part.len();
            assert_eq!(found(&[secret], &format!("-{part}-")).iter().collect::<Vec<_>>(), [&place], "{secret}");
            assert!(found(&[secret], &format!("-{shorter}-")).is_empty(), "{secret}");
        }
    }

    #[test]
    fn a_text_and_the_same_text_with_zeros_before_it_differ() {
        assert!(found(&["\0\0abcd"], "abcd").is_empty());
        assert!(found(&["abc"], "abc").is_empty());
        assert_eq!(found(&["abcd", "bcdefgh"], "abcdefgh"), [0..4, 1..8]);
    }
}
