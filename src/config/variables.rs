//! The environment variables that hold secrets, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::tree::{Node, Value};

/// Variables by name. Their texts are never printed, and are wiped at the end.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<BTreeMap<String, SecretString>>);

impl Secrets {
    /// The text of a variable.
    pub fn get(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).cloned()
    }

    /// Those that `node` names by `{ env = ".." }`, itself or below: no other has to be kept.
    pub fn named_by(node: &Node, variable: &impl Fn(&str) -> Option<SecretString>) -> Self {
        let mut named = BTreeMap::new();
        gather(node, variable, &mut named);
        Self(Arc::new(named))
    }
}

fn gather(node: &Node, variable: &impl Fn(&str) -> Option<SecretString>, named: &mut BTreeMap<String, SecretString>) {
    match node.clone().into_structured().value {
        Value::Table(table) => {
            let name = table.get("env").and_then(Node::as_text);
            if let Some((name, secret)) = name.and_then(|name| Some((name, variable(name)?))) {
                named.insert(name.to_owned(), secret);
            }
            table.values().for_each(|node| gather(node, variable, named));
        }
        Value::List(items) => items.iter().for_each(|node| gather(node, variable, named)),
        Value::Leaf(_) | Value::Variable(_) => {}
    }
}

impl FromIterator<(String, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().map(|(name, text)| (name, SecretString::from(text))).collect()))
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        let same = |((name, secret), (other_name, other)): ((&String, &SecretString), (&String, &SecretString))| {
            name == other_name && secret.expose_secret() == other.expose_secret()
        };
        self.0.len() == other.0.len() && self.0.iter().zip(other.0.iter()).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    #[test]
    fn only_the_variables_that_are_named_are_kept_and_none_is_printed() {
        let node =
            tree::parse("a = { env = 'A' }\nb = [{ env = 'B' }, { file = 'F' }]\nc.d = { env = 'UNSET' }\n").unwrap();
        let of = |name: &str| (name != "UNSET").then(|| SecretString::from(format!("canary of {name}")));
        let secrets = Secrets::named_by(&node, &of);
        assert_eq!(secrets.0.keys().collect::<Vec<_>>(), ["A", "B"]);
        assert_eq!(secrets.get("B").unwrap().expose_secret(), "canary of B");
        assert!(!format!("{secrets:?}").contains("canary"));
    }

    #[test]
    fn two_are_equal_by_names_and_texts() {
        let of = |text: &str| [("A".to_owned(), text.to_owned())].into_iter().collect::<Secrets>();
        assert_eq!(of("x"), of("x"));
        assert_ne!(of("x"), of("y"));
        assert_ne!(of("x"), Secrets::default());
    }
}
