//! The upright axis of a plot: from zero to a round number, with round numbers between.

/// The most lines above zero.
const MOST_TICKS: u64 = 4;

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// From one line to the next.
    step: u64,
    /// The number at the upper end.
    top: u64,
}

impl Axis {
    /// Up to the highest value or a little further.
    pub fn to(highest: u64) -> Self {
        let highest = highest.max(1);
        let mut steps = (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let step = steps.find(|step| highest.div_ceil(*step) <= MOST_TICKS).unwrap_or(highest);
        Self { step, top: highest.div_ceil(step).saturating_mul(step) }
    }

    /// The number at the upper end.
    pub fn top(self) -> u64 {
        self.top
    }

    /// The numbers that have a line, from zero up.
    pub fn ticks(self) -> impl Iterator<Item = u64> {
        (0..=self.top / self.step).map(move |n| n * self.step)
    }
}

/// A round number in few characters: `0`, `950`, `1.5k`, `20k`, `3M`.
pub fn short(n: u64) -> String {
    let (unit, name) = match n {
        0..1_000 => return n.to_string(),
        1_000..1_000_000 => (1_000, "k"),
        _ => (1_000_000, "M"),
    };
    let tenths = n / (unit / 10);
    if tenths.is_multiple_of(10) {
        format!("{}{name}", tenths / 10)
    } else {
        format!("{}.{}{name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lines_stand_at_round_numbers() {
        let ticks = |highest| Axis::to(highest).ticks().collect::<Vec<_>>();
        assert_eq!(ticks(0), [0, 1]);
        assert_eq!(ticks(4), [0, 1, 2, 3, 4]);
        assert_eq!(ticks(5), [0, 2, 4, 6]);
        assert_eq!(ticks(17), [0, 5, 10, 15, 20]);
        assert_eq!(ticks(21), [0, 10, 20, 30]);
        assert_eq!(ticks(1_000_000), [0, 500_000, 1_000_000]);
    }

    #[test]
    fn a_number_is_short() {
        let numbers = [0, 999, 1_000, 1_500, 20_000, 500_000, 2_500_000];
        assert_eq!(numbers.map(short), ["0", "999", "1k", "1.5k", "20k", "500k", "2.5M"]);
    }

    proptest! {
        #[test]
        fn the_axis_is_a_little_higher_than_the_highest_value(highest in 1u64..1 << 50) {
            let axis = Axis::to(highest);
            let n_lines = axis.ticks().count();
            prop_assert!(axis.top() >= highest && axis.top() < 2 * highest + 1);
            prop_assert!((2..=5).contains(&n_lines), "{n_lines}");
        }
    }
}
