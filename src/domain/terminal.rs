//! What text from outside must not do to whoever reads it on a terminal or in a log.

/// Whether a character moves the cursor, begins a line or turns the direction of what follows: it is shown spelt out.
pub fn moves_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
