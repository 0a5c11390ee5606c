//! The count that a page shows, in the form of its button: the button does what was counted.

use jiff::Timestamp;

use crate::operator::Count;
use crate::store::Counted;

/// A count as the form's field `counted` has it: the number, with `+` if there may be more, and the instant.
pub fn written(count: &Count) -> String {
    let Count { counted: Counted { n, is_all }, at } = count;
    format!("{n}{} {at}", if *is_all { "" } else { "+" })
}

/// The count in such a field; `None`: it cannot be read, so that the page with the count is shown again.
pub fn read(field: &str) -> Option<Count> {
    let (number, at) = field.split_once(' ')?;
    let (number, is_all) = number.strip_suffix('+').map_or((number, true), |number| (number, false));
    Some(Count { counted: Counted { n: number.parse().ok()?, is_all }, at: at.parse::<Timestamp>().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_comes_back_as_it_was_written() {
        let at = "2026-11-24T08:00:00.123456Z".parse().unwrap();
        for is_all in [true, false] {
            let count = Count { counted: Counted { n: 58, is_all }, at };
            assert_eq!(read(&written(&count)), Some(count));
        }
        for wrong in ["", "58", "58 ", "x 2026-11-24T08:00:00Z", "-1 2026-11-24T08:00:00Z", "58++ 2026-11-24T08:00:00Z"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
