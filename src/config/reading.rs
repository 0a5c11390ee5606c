//! How one value is read from a node of the tree, which form it must have, and how it is printed.
//!
//! A reading describes itself. So the JSON Schema and `config print` follow from what reads the config, and no second
//! list of the keys exists.

use serde_json::{Value as Json, json};

use super::tree::Node;

/// A value, or what was found and what was expected.
pub type Read<T> = Result<T, String>;

/// How a value may be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Unchanged.
    Value(Json),
    /// Only that it is set: it is a secret, or may hold one.
    Set,
    /// It is not set.
    NotSet,
}

/// Reads a node.
type Function<T> = Box<dyn Fn(&Node) -> Read<T>>;

/// How one value is read.
pub struct Reading<T> {
    form: Json,
    read: Function<T>,
    show: Box<dyn Fn(&T) -> Shown>,
}

impl<T: 'static> Reading<T> {
    /// A reading of values that have `form`, a JSON Schema, and that may be shown as they are.
    pub fn new(form: Json, show: impl Fn(&T) -> Json + 'static, read: impl Fn(&Node) -> Read<T> + 'static) -> Self {
        Self { form, read: Box::new(read), show: Box::new(move |value| Shown::Value(show(value))) }
    }

    /// With another way to show a value.
    pub fn shown(mut self, show: impl Fn(&T) -> Shown + 'static) -> Self {
        self.show = Box::new(show);
        self
    }

    /// Refuses values in which `check` finds a mistake.
    pub fn check(self, check: impl Fn(&T) -> Read<()> + 'static) -> Self {
        let read = self.read;
        let checked = move |node: &Node| {
            let value = read(node)?;
            check(&value).map(|()| value)
        };
        Self { read: Box::new(checked), ..self }
    }

    /// Converts the values; `show` prints the result.
    pub fn then<U>(self, make: impl Fn(T) -> Read<U> + 'static, show: impl Fn(&U) -> Json + 'static) -> Reading<U> {
        let read = self.read;
        let made = move |node: &Node| make(read(node)?);
        Reading { form: self.form, read: Box::new(made), show: Box::new(move |value| Shown::Value(show(value))) }
    }

    /// Reports `text` for every mistake: for values that are not shown, because they may be secrets.
    pub fn or_say(self, text: String) -> Self {
        let read = self.read;
        Self { read: Box::new(move |node| read(node).map_err(|_shown| text.clone())), ..self }
    }

    /// Reads a node.
    pub fn read(&self, node: &Node) -> Read<T> {
        (self.read)(node)
    }

    /// Shows a value.
    pub fn show(&self, value: &T) -> Shown {
        (self.show)(value)
    }

    /// Shows several values.
    pub fn show_all(&self, values: &[T]) -> Shown {
        let shown: Option<Vec<Json>> = values.iter().map(|value| self.show(value).value()).collect();
        shown.map_or(Shown::Set, |values| Shown::Value(Json::Array(values)))
    }

    /// The form of one value.
    pub fn of_one(&self) -> Json {
        self.form.clone()
    }

    /// The form of a list of values.
    pub fn of_list(&self) -> Json {
        json!({ "type": "array", "items": self.form })
    }

    /// The form of a value, or of a list of at least one.
    pub fn of_one_or_more(&self) -> Json {
        json!({ "anyOf": [self.form, { "type": "array", "items": self.form, "minItems": 1 }] })
    }
}

impl Shown {
    /// The value, if it is shown.
    pub fn value(self) -> Option<Json> {
        match self {
            Self::Value(value) => Some(value),
            Self::Set | Self::NotSet => None,
        }
    }
}
