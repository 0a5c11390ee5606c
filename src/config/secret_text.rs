//! Reading secrets, and texts that may be secrets, from a section.
//!
//! **Invariant**: no mistake shows a value that was found: it may be the secret itself.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use url::Url;

use super::reading::Shown;
use super::rotating_secret::RotatingSecret;
use super::secret::{EXPECTED, SecretSource};
use super::section::{Ask, Section};
use super::tree::{Node, Value};

/// A text that the config holds, or that it names as a secret.
#[derive(Clone, Debug)]
pub struct Text {
    text: SecretString,
    is_secret: bool,
}

impl Text {
    /// The text.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Whether it was read from a file or a variable: then it is never shown.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// The text as it may be shown: of an address the host, since its path may hold a secret; of others nothing.
    fn shown(&self) -> Shown {
        match Url::parse(self.expose()) {
            Ok(url) if !self.is_secret && url.has_host() => {
                Shown::Value(format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or_default()).into())
            }
            _ => Shown::Set,
        }
    }

    fn form() -> Json {
        json!({ "anyOf": [{ "type": "string" }, SecretSource::form()] })
    }
}

impl Ask {
    /// For a secret, or for secrets.
    fn hidden(form: Json, is_required: bool) -> Self {
        Self { form, is_required, default: Shown::NotSet }
    }
}

/// A value and its key path, which a mistake that is found later names.
#[derive(Clone, Debug)]
pub struct Named<T> {
    /// The key path.
    pub path: String,
    /// The last part of it.
    pub name: String,
    /// The value.
    pub value: T,
}

impl Section<'_> {
    /// Reads a secret from where the config says it is.
    pub fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        self.secret_at(key, Ask::hidden(SecretSource::form(), false))
    }

    /// Reads a secret that has no default.
    pub fn need_secret(&mut self, key: &'static str) -> Option<SecretString> {
        self.expect(key, EXPECTED);
        self.secret_at(key, Ask::hidden(SecretSource::form(), true))
    }

    /// Reads where a secret is. It is not read: whoever needs it reads it.
    pub fn secret_source(&mut self, key: &'static str) -> Option<SecretSource> {
        let source = self.take(key).map(SecretSource::of).transpose();
        let source = source.unwrap_or_else(|text| {
            self.mistake(key, text);
            None
        });
        self.note(key, Ask::hidden(SecretSource::form(), false), source.as_ref().map(|_source| Shown::Set));
        source
    }

    /// Reads a secret that is read again whenever it is needed. It must be there now.
    pub fn rotating_secret(&mut self, key: &'static str) -> Option<RotatingSecret> {
        let path = self.path_of(key);
        let secret = self.take(key).and_then(|node| {
            self.report.note_place(path.clone(), node.place.clone());
            let source = SecretSource::of(node).map_err(|text| self.report.mistake(&path, text)).ok()?;
            let first = self.open_source(&path, &source)?;
            Some(RotatingSecret::new(source, first))
        });
        self.note(key, Ask::hidden(SecretSource::form(), false), secret.as_ref().map(|_secret| Shown::Set));
        secret
    }

    fn secret_at(&mut self, key: &'static str, ask: Ask) -> Option<SecretString> {
        let secret = self.take(key).and_then(|node| self.open(&self.path_of(key), node));
        self.note(key, ask, secret.as_ref().map(|_secret| Shown::Set));
        secret
    }

    /// Reads a list of secrets that must hold something; `missing` says what was found and what was expected.
    pub fn need_secrets(&mut self, key: &'static str, missing: &str) -> Vec<Named<SecretString>> {
        let node = self.take(key);
        let (is_set, path) = (node.is_some(), self.path_of(key));
        let secrets = node.map(|node| self.listed(&path, node)).unwrap_or_default();
        let form = json!({ "type": "array", "items": SecretSource::form(), "minItems": 1 });
        self.note(key, Ask::hidden(form, true), is_set.then_some(Shown::Set));
        if secrets.is_empty() && !self.has_mistake(key) {
            self.mistake(key, missing);
        }
        secrets
    }

    fn listed(&self, path: &str, node: Node) -> Vec<Named<SecretString>> {
        let Value::List(items) = node.into_structured().value else {
            self.report.mistake(path, format!("found no list, expected a list of {EXPECTED}"));
            return Vec::new();
        };
        self.open_all(path, items)
    }

    /// Reads a secret or a list of them; empty where it is absent.
    pub fn one_or_more_secrets(&mut self, key: &'static str) -> Vec<Named<SecretString>> {
        let node = self.take(key);
        let one = SecretSource::form();
        let form = json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] });
        self.note(key, Ask::hidden(form, false), node.is_some().then_some(Shown::Set));
        let Some(node) = node.map(Node::into_structured) else { return Vec::new() };
        let path = self.path_of(key);
        match node.value {
            Value::List(items) => {
                if items.is_empty() {
                    let text = format!("found an empty list, expected {EXPECTED}, or a list of them, or no such key");
                    self.report.mistake(&path, text);
                }
                self.open_all(&path, items)
            }
            _ => {
                let secret = self.open(&path, node);
                secret.map(|value| Named { path, name: key.to_owned(), value }).into_iter().collect()
            }
        }
    }

    /// Reads a text that may be a secret, and that has no default; `expected` says what it is.
    pub fn need_text_or_secret(&mut self, key: &'static str, expected: &str) -> Option<Text> {
        self.expect(key, expected);
        let text = self.take(key).and_then(|node| self.text_of(&self.path_of(key), node));
        self.note(key, Ask::hidden(Text::form(), true), text.as_ref().map(Text::shown));
        text
    }

    /// The same, for a text that may be absent.
    pub fn text_or_secret(&mut self, key: &'static str) -> Option<Text> {
        let text = self.take(key).and_then(|node| self.text_of(&self.path_of(key), node));
        self.note(key, Ask::hidden(Text::form(), false), text.as_ref().map(Text::shown));
        text
    }

    /// Reads a table of texts that may be secrets.
    pub fn texts_or_secrets(&mut self, key: &'static str) -> Vec<Named<Text>> {
        let node = self.take(key);
        let is_set = node.is_some();
        let texts = node.map(|node| self.texts_of(&self.path_of(key), node)).unwrap_or_default();
        // Of each the name.
        let names = texts.iter().map(|text| (text.name.clone(), Json::from("set"))).collect();
        let form = json!({ "type": "object", "additionalProperties": Text::form() });
        let ask = Ask { form, is_required: false, default: Shown::Value(json!({})) };
        self.note(key, ask, is_set.then_some(Shown::Value(Json::Object(names))));
        texts
    }

    fn texts_of(&self, path: &str, node: Node) -> Vec<Named<Text>> {
        let node = node.into_structured();
        let sort = node.sort();
        let Value::Table(table) = node.value else {
            self.report.mistake(path, format!("found {sort}, expected a table of names, each with text or {EXPECTED}"));
            return Vec::new();
        };
        let texts = table.into_iter().filter_map(|(name, node)| {
            let path = format!("{path}.{name}");
            let value = self.text_of(&path, node)?;
            Some(Named { path, name, value })
        });
        texts.collect()
    }

    fn text_of(&self, path: &str, node: Node) -> Option<Text> {
        self.report.note_place(path.to_owned(), node.place.clone());
        let node = node.into_structured();
        if let Some(text) = node.as_text() {
            return Some(Text { text: SecretString::from(text), is_secret: false });
        }
        if !matches!(node.value, Value::Table(_)) {
            self.report.mistake(path, format!("found {}, expected text, {EXPECTED}", node.sort()));
            return None;
        }
        Some(Text { text: self.open(path, node)?, is_secret: true })
    }

    fn open_all(&self, path: &str, items: Vec<Node>) -> Vec<Named<SecretString>> {
        let opened = items.into_iter().enumerate().filter_map(|(index, item)| {
            let path = format!("{path}[{index}]");
            let value = self.open(&path, item)?;
            Some(Named { path, name: index.to_string(), value })
        });
        opened.collect()
    }

    fn open(&self, path: &str, node: Node) -> Option<SecretString> {
        self.report.note_place(path.to_owned(), node.place.clone());
        let source = SecretSource::of(node).map_err(|text| self.report.mistake(path, text)).ok()?;
        self.open_source(path, &source)
    }

    fn open_source(&self, path: &str, source: &SecretSource) -> Option<SecretString> {
        let secret = source.read_with(|name| self.report.variables.get(name));
        secret.map_err(|error| self.report.mistake(path, error.to_string())).ok()
    }
}
