//! The button that copies a text. Only the script can copy, so without it the button is hidden.

use std::fmt::{self, Display};

use askama::filters::{Escaper, Html, HtmlSafe};

/// The button.
#[derive(Clone, Copy, Debug)]
pub struct CopyButton<'a> {
    what: &'a str,
    text: &'a str,
}

/// Copies `text`, which is called `what`: "the id of the call".
pub fn copy_button<'a>(what: &'a str, text: &'a str) -> CopyButton<'a> {
    CopyButton { what, text }
}

impl HtmlSafe for CopyButton<'_> {}

impl Display for CopyButton<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return Ok(());
        }
        f.write_str("<button type=\"button\" class=\"copy\" data-test=\"copy\" hidden data-copy=\"")?;
        Html.write_escaped_str(&mut *f, self.text)?;
        f.write_str("\">Copy<span class=\"hidden\"> ")?;
        Html.write_escaped_str(&mut *f, self.what)?;
        f.write_str("</span></button>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_to_copy_stays_in_its_attribute_and_nothing_has_no_button() {
        let shown = copy_button("the client context", "\"><img src=x>").to_string();
        assert!(shown.contains("data-copy=\"&#34;&#62;&#60;img src=x&#62;\">Copy<span"), "{shown}");
        assert_eq!(copy_button("nothing", "").to_string(), "");
    }
}
