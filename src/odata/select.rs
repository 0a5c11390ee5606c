//! `$select`: the properties of the answer.

use crate::wording::untrusted_text::cut;

/// The selected properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// `None`: all of them.
    names: Option<Vec<&'static str>>,
}

/// A name that cannot be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected some of {expected}")]
pub struct SelectError {
    /// The name.
    pub found: String,
    /// The names that can be selected.
    pub expected: String,
}

impl Select {
    /// Reads `id,status`; only names in `selectable` are allowed, and `*` means all of them. A name may be repeated.
    ///
    /// # Errors
    /// A name is not selectable, or there is no name at all.
    pub fn parse(text: &str, selectable: &[&'static str]) -> Result<Self, SelectError> {
        let mut names = Vec::new();
        let mut is_all = false;
        for name in text.split(',').map(str::trim) {
            match selectable.iter().find(|known| **known == name) {
                Some(known) if names.contains(known) => {}
                Some(known) => names.push(*known),
                None if name == "*" => is_all = true,
                None => {
                    let found = cut(name, 40).to_owned();
                    return Err(SelectError { found, expected: selectable.join(", ") });
                }
            }
        }
        Ok(Self { names: (!is_all).then_some(names) })
    }

    /// Selects these properties.
    pub fn only(names: &[&'static str]) -> Self {
        Self { names: Some(names.to_vec()) }
    }

    /// Whether the answer contains a property.
    pub fn has(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELECTABLE: &[&str] = &["id", "status", "resultInfo"];

    #[test]
    fn what_is_selected_is_answered_and_nothing_else() {
        let select = Select::parse("status, id,status", SELECTABLE).unwrap();
        assert!(select.has("id") && select.has("status") && !select.has("resultInfo"));
        for all in [Select::default(), Select::parse("id,*", SELECTABLE).unwrap()] {
            assert!(SELECTABLE.iter().all(|name| all.has(name)));
        }
    }

    #[test]
    fn an_unknown_name_is_told() {
        for (text, found) in [("id,secret", "secret"), ("", ""), ("ID", "ID"), ("resultInfo/code", "resultInfo/code")] {
            let error = Select::parse(text, SELECTABLE).unwrap_err().to_string();
            assert_eq!(error, format!("found {found:?}, expected some of id, status, resultInfo"));
        }
    }
}
