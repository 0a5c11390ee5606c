//! The parts of a filter, and how they are written as text.

use std::fmt::{self, Display};

use jiff::Timestamp;

use crate::odata::property::{Property, Value};

/// A filter, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::odata) enum Expression {
    /// All of at least two conditions. A chain is a list, not a tree, so its length adds no depth.
    And(Vec<Expression>),
    /// Any of at least two conditions.
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Property, Comparison, Operand),
    In(Property, Vec<Operand>),
    /// A function over a property of text.
    Call(Function, Property, String),
}

/// `None` is `null`.
pub(in crate::odata) type Operand = Option<Literal>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::odata) enum Literal {
    Text(String),
    Integer(i64),
    Instant(Timestamp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::odata) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::odata) enum Function {
    StartsWith,
    EndsWith,
    Contains,
}

impl Comparison {
    pub(in crate::odata) const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Greater, Self::GreaterOrEqual, Self::Less, Self::LessOrEqual];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }
}

impl Function {
    pub(in crate::odata) const ALL: [Self; 3] = [Self::StartsWith, Self::EndsWith, Self::Contains];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Contains => "contains",
        }
    }
}

impl Literal {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Integer(number) => Value::Integer(*number),
            Self::Instant(instant) => Value::from(*instant),
        }
    }
}

/// `text` as a literal, for code that builds a filter from a person's words.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // `and` binds closer than `or`, so only an `or` inside an `and` gets parentheses. A list inside a list of
            // its own kind gets them too, because it was written so.
            Self::And(members) => chain(f, members, (" and ", |member| matches!(member, Self::And(_) | Self::Or(_)))),
            Self::Or(members) => chain(f, members, (" or ", |member| matches!(member, Self::Or(_)))),
            Self::Not(inner) => {
                f.write_str("not ")?;
                part(f, inner, matches!(**inner, Self::And(_) | Self::Or(_)))
            }
            Self::Compare(property, comparison, operand) => {
                write!(f, "{property} {} {}", comparison.word(), written(operand))
            }
            Self::In(property, operands) => {
                let operands: Vec<String> = operands.iter().map(written).collect();
                write!(f, "{property} in ({})", operands.join(","))
            }
            Self::Call(function, property, text) => write!(f, "{}({property},{})", function.word(), quoted(text)),
        }
    }
}

fn chain(
    f: &mut fmt::Formatter<'_>,
    members: &[Expression],
    (joint, is_bracketed): (&str, fn(&Expression) -> bool),
) -> fmt::Result {
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            f.write_str(joint)?;
        }
        part(f, member, is_bracketed(member))?;
    }
    Ok(())
}

fn part(f: &mut fmt::Formatter<'_>, expression: &Expression, is_bracketed: bool) -> fmt::Result {
    if is_bracketed { write!(f, "({expression})") } else { write!(f, "{expression}") }
}

fn written(operand: &Operand) -> String {
    match operand {
        None => "null".to_owned(),
        Some(Literal::Text(text)) => quoted(text),
        Some(Literal::Integer(number)) => number.to_string(),
        Some(Literal::Instant(instant)) => instant.to_string(),
    }
}
