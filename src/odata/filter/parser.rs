//! Recursive descent over a filter's tokens. Types are checked at once, so that a mistake is reported with its place.
//!
//! **Invariants**
//! 1. A filter has at most [`MAX_BYTES`] bytes and [`MAX_NODES`] conditions, `and`s, `or`s and `not`s; a list has at
//!    most [`MAX_MEMBERS`] members.
//! 2. Only `(` and `not` recurse, and at most [`MAX_DEPTH`] of them are open at once.

use jiff::Timestamp;

use super::FilterError;
use super::expression::{Comparison, Expression, Function, Literal, Operand};
use super::lexer::{Kind as Sign, Lexer, Token, unquoted};
use crate::odata::property::{Kind, Property, names};

pub(super) const MAX_BYTES: usize = 8 << 10;
pub(super) const MAX_DEPTH: usize = 20;
pub(super) const MAX_NODES: usize = 200;
pub(super) const MAX_MEMBERS: usize = 100;

type Parsed<T> = Result<T, FilterError>;

pub(super) fn parse(text: &str) -> Parsed<Expression> {
    if text.len() > MAX_BYTES {
        let position = text.char_indices().take_while(|(at, _)| *at < MAX_BYTES).count() + 1;
        let (found, expected) = (format!("{} bytes", text.len()), format!("at most {MAX_BYTES} bytes"));
        return Err(FilterError { position, found, expected });
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, depth: 0, n_nodes: 0 };
    let expression = parser.any()?;
    parser.take(Sign::End, "and, or, or the end")?;
    Ok(expression)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The current token. All tokens before it were read.
    token: Token<'a>,
    depth: usize,
    n_nodes: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Parsed<Expression> {
        self.chain("or", Self::all, Expression::Or)
    }

    fn all(&mut self) -> Parsed<Expression> {
        self.chain("and", Self::term, Expression::And)
    }

    fn chain(
        &mut self,
        joint: &str,
        member: fn(&mut Self) -> Parsed<Expression>,
        joined: fn(Vec<Expression>) -> Expression,
    ) -> Parsed<Expression> {
        let first = member(self)?;
        if !self.is_word(joint) {
            return Ok(first);
        }
        self.count()?;
        let mut members = vec![first];
        while self.is_word(joint) {
            self.advance()?;
            members.push(member(self)?);
        }
        Ok(joined(members))
    }

    fn term(&mut self) -> Parsed<Expression> {
        if self.token.kind == Sign::Open {
            return self.nested(|parser| {
                let inner = parser.any()?;
                parser.take(Sign::Close, "and, or, or )")?;
                Ok(inner)
            });
        }
        self.count()?;
        if self.is_word("not") {
            // In OData `not` binds closer than `eq`. No property is a boolean, so only one reading makes sense.
            return self.nested(|parser| Ok(Expression::Not(Box::new(parser.term()?))));
        }
        if let Some(function) = Function::ALL.into_iter().find(|it| it.word().eq_ignore_ascii_case(self.token.text)) {
            return self.call(function);
        }
        let property = self.property(Property::ALL, || {
            let functions = Function::ALL.map(Function::word).join(", ");
            format!("one of {}, {functions}, not, (", names(Property::ALL))
        })?;
        self.condition(property)
    }

    fn call(&mut self, function: Function) -> Parsed<Expression> {
        self.advance()?;
        self.take(Sign::Open, "(")?;
        let of_text = Property::ALL.into_iter().filter(|property| property.kind() == Kind::Text);
        let property = self.property(of_text.clone(), || format!("a property of text: {}", names(of_text)))?;
        self.take(Sign::Comma, ",")?;
        let text = self.take(Sign::Text, "text in single quotes")?;
        self.take(Sign::Close, ")")?;
        Ok(Expression::Call(function, property, unquoted(text.text)))
    }

    fn condition(&mut self, property: Property) -> Parsed<Expression> {
        if self.is_word("in") {
            self.advance()?;
            return Ok(Expression::In(property, self.members(property)?));
        }
        let Some(comparison) = Comparison::ALL.into_iter().find(|comparison| self.is_word(comparison.word())) else {
            let comparisons = Comparison::ALL.map(Comparison::word).join(", ");
            return Err(self.unexpected(format!("one of {comparisons}, in")));
        };
        self.advance()?;
        Ok(Expression::Compare(property, comparison, self.operand(property)?))
    }

    fn members(&mut self, property: Property) -> Parsed<Vec<Operand>> {
        self.take(Sign::Open, "(")?;
        let mut members = vec![self.operand(property)?];
        while self.token.kind == Sign::Comma {
            if members.len() == MAX_MEMBERS {
                return Err(self.unexpected(format!("at most {MAX_MEMBERS} members")));
            }
            self.advance()?;
            members.push(self.operand(property)?);
        }
        self.take(Sign::Close, ", or )")?;
        Ok(members)
    }

    fn operand(&mut self, property: Property) -> Parsed<Operand> {
        if self.is_word("null") {
            self.advance()?;
            return Ok(None);
        }
        let Token { kind, text, .. } = self.token;
        let (literal, expected) = match property.kind() {
            Kind::Text => {
                let literal = (kind == Sign::Text).then(|| Literal::Text(property.normalised(unquoted(text))));
                (literal, "text in single quotes or null")
            }
            Kind::Integer => (text.parse().ok().map(Literal::Integer), "a whole number or null"),
            Kind::Instant => {
                let expected = "a date-time such as 2026-01-31T12:00:00Z or null (in a URL, the + of an offset is %2B)";
                (instant(text).map(Literal::Instant), expected)
            }
        };
        let Some(literal) = literal else {
            return Err(self.unexpected(expected));
        };
        self.advance()?;
        Ok(Some(literal))
    }

    fn property(
        &mut self,
        allowed: impl IntoIterator<Item = Property>,
        expected: impl FnOnce() -> String,
    ) -> Parsed<Property> {
        match Property::named(self.token.text) {
            Some(property) if allowed.into_iter().any(|it| it == property) => {
                self.advance()?;
                Ok(property)
            }
            _ => Err(self.unexpected(expected())),
        }
    }

    /// Reads the token that opens a level, and then the level.
    fn nested(&mut self, inner: fn(&mut Self) -> Parsed<Expression>) -> Parsed<Expression> {
        if self.depth == MAX_DEPTH {
            return Err(self.unexpected(format!("at most {MAX_DEPTH} levels of ( and not")));
        }
        self.advance()?;
        self.depth += 1;
        let expression = inner(self)?;
        self.depth -= 1;
        Ok(expression)
    }

    fn count(&mut self) -> Parsed<()> {
        self.n_nodes += 1;
        if self.n_nodes > MAX_NODES {
            return Err(self.unexpected(format!("at most {MAX_NODES} conditions, and, or, not")));
        }
        Ok(())
    }

    fn is_word(&self, word: &str) -> bool {
        self.token.kind == Sign::Word && self.token.text == word
    }

    fn take(&mut self, kind: Sign, expected: &str) -> Parsed<Token<'a>> {
        let token = self.token;
        if token.kind != kind {
            return Err(self.unexpected(expected));
        }
        self.advance()?;
        Ok(token)
    }

    fn advance(&mut self) -> Parsed<()> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn unexpected(&self, expected: impl Into<String>) -> FilterError {
        self.lexer.error(&self.token, expected)
    }
}

/// A date-time, cut to the microseconds that stores keep.
fn instant(text: &str) -> Option<Timestamp> {
    let instant: Timestamp = text.parse().ok()?;
    Timestamp::from_microsecond(instant.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::Filter;

    fn read(text: &str) -> String {
        Filter::parse(text).unwrap().to_string()
    }

    fn refused(text: &str) -> String {
        Filter::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        let expected = "id eq 'a' or id eq 'b' and not id eq 'c'";
        assert_eq!(read("(id eq 'a') or ((id eq 'b') and (not(id eq 'c')))"), expected);
        assert_eq!(read("(id eq 'a' or id eq 'b') and id eq 'c'"), "(id eq 'a' or id eq 'b') and id eq 'c'");
    }

    #[test]
    fn every_form_is_read() {
        for text in [
            "clientContext eq 'O''Neil'",
            "completionReason ne null",
            "resultInfo/code ge -5",
            "resultInfo/subcode in (8508,8515,null)",
            "createdDateTime lt 2026-01-31T12:00:00.123456Z",
            "not contains(clientContext,'')",
            "not not startsWith(tenantId,'x')",
        ] {
            assert_eq!(read(text), text);
        }
        assert_eq!(read("STARTSWITH( clientContext , 'x' )"), "startsWith(clientContext,'x')");
        assert_eq!(read("lastModifiedDateTime gt 2026-01-31T12:00:00.1234567+02:00"), {
            "lastModifiedDateTime gt 2026-01-31T10:00:00.123456Z"
        });
    }

    #[test]
    fn a_status_and_an_id_are_brought_into_the_spelling_that_is_kept() {
        assert_eq!(read("status in ('NOTSTARTED','Other','')"), "status in ('notStarted','Other','')");
        let id = "0fe0623f-d628-42ed-b4bd-8ac290072cc5";
        assert_eq!(read("callId eq '0FE0623FD62842EDB4BD8AC290072CC5'"), format!("callId eq '{id}'"));
        assert_eq!(read("id eq 'Call-1' or id eq ''"), "id eq 'Call-1' or id eq ''");
    }

    #[test]
    fn a_mistake_is_told_where_it_stands() {
        let known = "clientContext, status, completionReason, id, callId, resultInfo/code, resultInfo/subcode, \
                     createdDateTime, lastModifiedDateTime, tenantId, expectation/state, startsWith, endsWith, contains, not, (";
        for (text, expected) in [
            ("", format!("position 1: found the end, expected one of {known}")),
            ("recordingLocation eq 'x'", format!(r#"position 1: found "recordingLocation", expected one of {known}"#)),
            ("clientContext foo 'x'", r#"position 15: found "foo", expected one of eq, ne, gt, ge, lt, le, in"#.into()),
            ("clientContext EQ 'x'", r#"position 15: found "EQ", expected one of eq, ne, gt, ge, lt, le, in"#.into()),
            ("id eq 'é' id", r#"position 11: found "id", expected and, or, or the end"#.into()),
            ("(id eq 'x'", "position 11: found the end, expected and, or, or )".into()),
            ("id in ()", r#"position 8: found ")", expected text in single quotes or null"#.into()),
            ("id eq \"x\"", r#"position 7: found "\"", expected text in single quotes or null"#.into()),
            ("resultInfo/code eq 'x'", r#"position 20: found "'x'", expected a whole number or null"#.into()),
        ] {
            assert_eq!(refused(text), expected);
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for text in [
            "contains(createdDateTime,'x')",
            "contains(clientContext,null)",
            "contains(clientContext,5)",
            "contains(clientContext)",
            "clientContext eq 5",
            "resultInfo/code eq 1.5",
            "resultInfo/code eq 99999999999999999999",
            "createdDateTime eq '2026-01-31T12:00:00Z'",
            "createdDateTime eq 2026-01-31T12:00:00",
            "createdDateTime eq 2026-01-31T12:00:00 02:00",
            "clientContext eq status",
            "'x' eq clientContext",
            "clientcontext eq 'x'",
            "not",
            "id eq 'x' and",
            "id eq 'x' or or id eq 'y'",
            "id eq 'x'; DROP TABLE operations",
            "id eq 'x' -- ",
            "length(id) eq 1",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn size_is_bounded() {
        let long = |n_bytes: usize| format!("id eq '{}'", "x".repeat(n_bytes - 8));
        assert!(Filter::parse(&long(MAX_BYTES)).is_ok());
        assert_eq!(refused(&long(64 << 10)), "position 8193: found 65536 bytes, expected at most 8192 bytes");

        let chain = |n: usize| vec!["id eq 'x'"; n].join(" and ");
        assert!(Filter::parse(&chain(MAX_NODES - 1)).is_ok());
        assert!(refused(&chain(MAX_NODES)).ends_with("expected at most 200 conditions, and, or, not"));

        let list = |n: usize| format!("resultInfo/code in ({})", vec!["1"; n].join(","));
        assert!(Filter::parse(&list(MAX_MEMBERS)).is_ok());
        assert!(refused(&list(MAX_MEMBERS + 1)).ends_with("expected at most 100 members"));
    }

    #[test]
    fn nesting_is_bounded() {
        for (open, close) in [("(", ")"), ("not ", ""), ("not(", ")"), ("(not ", ")")] {
            let levels = if open.len() == 1 || close.is_empty() { 1 } else { 2 };
            let nested = |n: usize| format!("{}id eq 'x'{}", open.repeat(n), close.repeat(n));
            assert!(Filter::parse(&nested(MAX_DEPTH / levels)).is_ok());
            let error = refused(&nested(MAX_DEPTH / levels + 1));
            assert!(error.ends_with("expected at most 20 levels of ( and not"), "{error}");
        }
        assert!(Filter::parse(&"(".repeat(MAX_BYTES)).is_err());
        assert!(Filter::parse(&"not ".repeat(MAX_BYTES / 4)).is_err());
    }
}
