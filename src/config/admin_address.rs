//! The admin listener's address alone, from a config that may have mistakes.
//!
//! A server keeps running when somebody breaks its config or removes a secret. Whoever asks whether it is alive must find
//! it then too.
//!
//! **Invariants**
//! 1. No other key and no secret is read.

use std::net::SocketAddr;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::environment::PREFIX;
use super::sections::admin::DEFAULT_LISTEN;

/// An address, and why it may not be the server's.
#[derive(Debug, PartialEq, Eq)]
pub struct AdminAddress {
    /// The address.
    pub listen: SocketAddr,
    /// Why the default was taken, if the config or a variable did not give the address.
    pub doubt: Option<String>,
}

impl AdminAddress {
    /// The address that a variable or the file gives; otherwise the default.
    pub fn find(file: &Path, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        if let Some((name, text)) = variables.into_iter().find(|(name, _)| is_ours(name)) {
            return Self::read(&text, &name);
        }
        match std::fs::read_to_string(file) {
            Ok(text) => Self::in_file(&text, file),
            Err(error) => Self::assumed(Some(format!("{}: {error}", file.display()))),
        }
    }

    fn in_file(text: &str, file: &Path) -> Self {
        // A list or a text that does not end hides what follows it, so the section is tried alone too.
        match listen_in(text).or_else(|| listen_in(from_section(text)?)) {
            Some(Some(listen)) => Self::read(&listen, &format!("{}: admin.listen", file.display())),
            Some(None) => Self::assumed(Some(format!("{}: admin.listen is not a text", file.display()))),
            None if DeTable::parse_recoverable(text).1.is_empty() => Self::assumed(None),
            None => Self::assumed(Some(format!("{}: found no admin.listen, and mistakes", file.display()))),
        }
    }

    fn read(text: &str, origin: &str) -> Self {
        match text.trim().parse() {
            Ok(listen) => Self { listen, doubt: None },
            Err(_syntax) => Self::assumed(Some(format!("{origin} is not an IP address and a port"))),
        }
    }

    fn assumed(doubt: Option<String>) -> Self {
        Self { listen: DEFAULT_LISTEN, doubt }
    }
}

/// The key, if it can be found; and its text, if it is one.
fn listen_in(text: &str) -> Option<Option<String>> {
    let (root, _mistakes) = DeTable::parse_recoverable(text);
    match root.get_ref().get("admin")?.get_ref().as_table()?.get("listen")?.get_ref() {
        DeValue::String(listen) => Some(Some(listen.to_string())),
        _other => Some(None),
    }
}

/// The text from the line `[admin]` on.
fn from_section(text: &str) -> Option<&str> {
    let mut starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    starts.find_map(|at| text[at..].trim_start_matches([' ', '\t']).starts_with("[admin]").then_some(&text[at..]))
}

fn is_ours(variable: &str) -> bool {
    variable.strip_prefix(PREFIX).is_some_and(|key| key.eq_ignore_ascii_case("admin__listen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, variables: &[(&str, &str)]) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reelhook.toml");
        std::fs::write(&file, text).unwrap();
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let AdminAddress { listen, doubt } = AdminAddress::find(&file, variables);
        (listen.to_string(), doubt.is_some())
    }

    #[test]
    fn mistakes_and_missing_secrets_do_not_hide_the_address() {
        const ADMIN: &str = "[admin]\nlisten = '127.0.0.1:9'\n";
        for broken in [
            "",
            "[server]\nlisten = 'nonsense'\nwrokers = 1\n",
            "[calls]\napp_ids = \"x\n",
            "[calls]\napp_ids = [\"x\", \n",
            "[calls\napp_ids = [\"x\"]\n",
            "[calls]\napp_ids\n",
            "[calls]\npath = = '/x'\n",
            "[sinks.crm]\nsecret = { file = '/nowhere' }\n[sinks.crm]\n",
        ] {
            assert_eq!(found(&format!("{broken}{ADMIN}"), &[]), ("127.0.0.1:9".into(), false), "{broken}");
            assert_eq!(found(&format!("{ADMIN}{broken}"), &[]), ("127.0.0.1:9".into(), false), "{broken}");
        }
    }

    #[test]
    fn a_variable_comes_first_and_the_default_last() {
        let file = "[admin]\nlisten = '127.0.0.1:9'\n";
        for name in ["REELHOOK__ADMIN__LISTEN", "REELHOOK__Admin__listen"] {
            assert_eq!(found(file, &[("PATH", "/bin"), (name, " 127.0.0.1:7 ")]), ("127.0.0.1:7".into(), false));
        }
        assert_eq!(found("[server]\nlisten = '127.0.0.1:9'\n", &[]), ("127.0.0.1:8081".into(), false));
    }

    #[test]
    fn the_default_that_is_a_guess_says_why() {
        for (text, variables) in [
            ("[admin]\nlisten = 8081\n", &[][..]),
            ("[admin]\nlisten = '127.0.0.1'\n", &[]),
            ("[admin\nlistne = 1\n", &[]),
            ("", &[("REELHOOK__ADMIN__LISTEN", "localhost")]),
        ] {
            assert_eq!(found(text, variables), ("127.0.0.1:8081".into(), true), "{text}");
        }
        let AdminAddress { doubt, .. } = AdminAddress::find(Path::new("/nowhere/reelhook.toml"), []);
        assert!(doubt.unwrap().starts_with("/nowhere/reelhook.toml: "));
    }
}
