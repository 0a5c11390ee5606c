//! A filter as SQL.
//!
//! **Invariants**
//! 1. Each condition is 0 or 1, never NULL, because it first asks whether there is a value. So `NOT` has two values
//!    too.
//! 2. `LIKE` and `GLOB` are not used, so text from outside has no wildcards.
//! 3. A NUL character is like any other. SQLite's text functions would stop at it, so they get bytes. PostgreSQL stores none:
//!    whoever asks it writes NUL in another way, in columns and in values.

use super::expression::{Comparison, Expression, Function, Operand};
use crate::odata::property::{Property, Value};
use crate::odata::sql::{Column, Condition, Dialect, SqlValue};

impl Expression {
    pub(super) fn to_sql(&self, column: (Dialect, Column)) -> (String, Vec<SqlValue>) {
        let mut sql = Condition::new(column);
        sql.expression(self);
        sql.finish()
    }
}

impl Condition {
    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::And(members) => self.chain(members, " AND "),
            Expression::Or(members) => self.chain(members, " OR "),
            Expression::Not(inner) => {
                self.push("(NOT ");
                self.expression(inner);
                self.push(")");
            }
            Expression::Compare(property, comparison, operand) => self.compare(*property, *comparison, operand),
            Expression::In(property, operands) => self.list(*property, operands),
            Expression::Call(function, property, text) => self.call(*function, *property, text),
        }
    }

    fn chain(&mut self, members: &[Expression], joint: &str) {
        self.push("(");
        for (index, member) in members.iter().enumerate() {
            if index > 0 {
                self.push(joint);
            }
            self.expression(member);
        }
        self.push(")");
    }

    fn compare(&mut self, property: Property, comparison: Comparison, operand: &Operand) {
        match (comparison, operand) {
            (Comparison::Equal, None) => self.absent(property),
            (Comparison::NotEqual, None) => self.present(property),
            (_, None) => self.constant(false),
            (Comparison::NotEqual, Some(literal)) => {
                self.push("(");
                self.absent(property);
                self.push(" OR ");
                self.binary(property, " <> ", literal.value());
                self.push(")");
            }
            (_, Some(literal)) => {
                let operator = match comparison {
                    Comparison::Greater => " > ",
                    Comparison::GreaterOrEqual => " >= ",
                    Comparison::Less => " < ",
                    Comparison::LessOrEqual => " <= ",
                    Comparison::Equal | Comparison::NotEqual => " = ",
                };
                self.guarded(property, |sql| sql.binary(property, operator, literal.value()));
            }
        }
    }

    fn list(&mut self, property: Property, operands: &[Operand]) {
        let has_null = operands.iter().any(Option::is_none);
        if has_null {
            self.push("(");
            self.absent(property);
            self.push(" OR ");
        }
        self.guarded(property, |sql| {
            sql.column(property, " IN (");
            for (index, literal) in operands.iter().flatten().enumerate() {
                if index > 0 {
                    sql.push(", ");
                }
                sql.bind(literal.value());
            }
            sql.push(")");
        });
        if has_null {
            self.push(")");
        }
    }

    fn call(&mut self, function: Function, property: Property, text: &str) {
        self.guarded(property, |sql| match function {
            // Every text begins with, ends with and contains the empty text.
            _ if text.is_empty() => sql.constant(true),
            Function::StartsWith => {
                sql.binary(property, " >= ", Value::Text(text));
                if let Some(end) = after_prefix(text) {
                    sql.push(" AND ");
                    sql.binary(property, " < ", Value::Text(&end));
                }
            }
            Function::EndsWith if sql.dialect == Dialect::Postgres => {
                sql.push("right(");
                sql.column(property, ", length(");
                sql.bind(Value::Text(text));
                sql.push("::text)) = ");
                sql.bind(Value::Text(text));
            }
            Function::Contains if sql.dialect == Dialect::Postgres => {
                sql.push("strpos(");
                sql.column(property, ", ");
                sql.bind(Value::Text(text));
                sql.push(") > 0");
            }
            Function::EndsWith => {
                sql.push("substr(CAST(");
                sql.column(property, " AS BLOB), -");
                sql.push(&text.len().to_string());
                // `IS`, because `substr` of an empty value is NULL.
                sql.push(") IS CAST(");
                sql.bind(Value::Text(text));
                sql.push(" AS BLOB)");
            }
            Function::Contains => {
                sql.push("instr(CAST(");
                sql.column(property, " AS BLOB), CAST(");
                sql.bind(Value::Text(text));
                sql.push(" AS BLOB)) > 0");
            }
        });
    }

    /// `condition` if the property has a value, otherwise 0.
    fn guarded(&mut self, property: Property, condition: impl FnOnce(&mut Self)) {
        self.push("(");
        self.present(property);
        self.push(" AND ");
        condition(self);
        self.push(")");
    }

    fn binary(&mut self, property: Property, operator: &str, value: Value<'_>) {
        self.column(property, operator);
        self.bind(value);
    }

    fn present(&mut self, property: Property) {
        self.column(property, if property == Property::CallId { " <> ''" } else { " IS NOT NULL" });
    }

    fn absent(&mut self, property: Property) {
        self.column(property, if property == Property::CallId { " = ''" } else { " IS NULL" });
    }
}

/// The smallest text that is greater than every text that begins with `prefix`. `None`: there is no such text, because
/// the prefix consists only of the last character of Unicode.
fn after_prefix(prefix: &str) -> Option<String> {
    let kept = prefix.trim_end_matches(char::MAX);
    let last = kept.chars().next_back()?;
    // Surrogates are not characters, so the range of characters skips them.
    let next = (last..=char::MAX).nth(1)?;
    let mut end = kept[..kept.len() - last.len_utf8()].to_owned();
    end.push(next);
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_found_for_any_character() {
        for (prefix, end) in [
            ("ab", Some("ac")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{7f}", Some("a\u{80}")),
            ("a\u{10ffff}\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(after_prefix(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}
