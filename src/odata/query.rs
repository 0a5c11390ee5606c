//! A whole query string.
//!
//! As with Graph, the `$` of an option may be missing, and the case of its name does not matter. `$top=0` is refused:
//! use `/$count` to get only a number. A `+` is a blank, as usual in query strings.
//!
//! **Invariants**
//! 1. No option is silently ignored: an unknown one is refused by its name. Parameters without a `$` that are not
//!    options belong to the caller.
//! 2. The link to the next page repeats the query, and adds only the token.

use url::form_urlencoded;

use super::filter::{Filter, FilterError};
use super::order::{OrderBy, OrderError};
use super::select::{Select, SelectError};
use crate::web::address::encoded;
use crate::wording::untrusted_text::cut;

/// The most rows that `$top` may ask for.
pub const MAX_TOP: u16 = 1000;

/// The query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `$filter`
    pub filter: Option<Filter>,
    /// `$orderby`, or the default.
    pub order: OrderBy,
    /// `$top`: 1 to [`MAX_TOP`].
    pub top: Option<u16>,
    /// `$select`
    pub select: Select,
    /// `$count`
    pub count: bool,
    /// `$skiptoken`, not checked yet.
    pub skiptoken: Option<String>,
    /// Everything but the token, decoded; options have their names with `$`.
    given: Vec<(String, String)>,
}

/// Why a query string is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `$filter` is wrong.
    #[error("$filter: {0}")]
    Filter(#[from] FilterError),
    /// `$orderby` is wrong.
    #[error("$orderby: {0}")]
    Order(#[from] OrderError),
    /// `$select` is wrong.
    #[error("$select: {0}")]
    Select(#[from] SelectError),
    /// Another option's value is wrong.
    #[error("{option}: found {found:?}, expected {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// Its value, shortened.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// An option occurs twice.
    #[error("{0}: found the option twice, expected it once")]
    Repeated(&'static str),
    /// An option of OData that reelhook does not support.
    #[error("{option} is not supported: {hint}")]
    Unsupported {
        /// The option.
        option: &'static str,
        /// What to use instead.
        hint: &'static str,
    },
    /// A name with `$` that is not an option.
    #[error("found the option {0:?}, expected some of {known}", known = KNOWN.join(", "))]
    Unknown(String),
}

const KNOWN: [&str; 6] = ["$filter", "$orderby", "$top", "$select", "$count", "$skiptoken"];

const UNSUPPORTED: [(&str, &str); 3] = [
    ("$skip", "follow @odata.nextLink, which leads from page to page"),
    ("$search", "use $filter, for example contains(clientContext,'text')"),
    ("$expand", "an operation has nothing to expand"),
];

impl Query {
    /// Reads a query string without its `?`. `selectable`: the names that `$select` may use.
    ///
    /// # Errors
    /// The first option that is wrong, unknown, repeated or not supported.
    pub fn parse(query_string: &str, selectable: &[&'static str]) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
            let Some(option) = option(&name)? else {
                query.given.push((name.into_owned(), value.into_owned()));
                continue;
            };
            if query.skiptoken.is_some() && option == "$skiptoken" || query.given.iter().any(|(name, _)| name == option)
            {
                return Err(QueryError::Repeated(option));
            }
            query.take(option, &value, selectable)?;
            if option != "$skiptoken" {
                query.given.push((option.to_owned(), value.into_owned()));
            }
        }
        Ok(query)
    }

    fn take(&mut self, option: &'static str, value: &str, selectable: &[&'static str]) -> Result<(), QueryError> {
        let wrong = |expected: String| {
            let found = cut(value, 40).to_owned();
            Err(QueryError::Value { option, found, expected })
        };
        match option {
            "$filter" => self.filter = Some(Filter::parse(value)?),
            "$orderby" => self.order = OrderBy::parse(value)?,
            "$select" => self.select = Select::parse(value, selectable)?,
            "$top" => match value.parse() {
                Ok(top @ 1..=MAX_TOP) => self.top = Some(top),
                Ok(0) => return wrong("1 or more; the number alone is at /$count".into()),
                _ => return wrong(format!("a whole number from 1 to {MAX_TOP}")),
            },
            "$count" => match value {
                "true" => self.count = true,
                "false" => self.count = false,
                _ => return wrong("true or false".into()),
            },
            _ => self.skiptoken = Some(value.to_owned()),
        }
        Ok(())
    }

    /// The parameters that are not options, decoded, in their order.
    pub fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given().filter(|(name, _)| !name.starts_with('$'))
    }

    /// The whole query except the token.
    pub(super) fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The query string of the next page: the same query, and the token.
    pub fn continued(&self, skiptoken: &str) -> String {
        let pairs = self.given().chain([("$skiptoken", skiptoken)]);
        let pairs = pairs.map(|(name, value)| {
            // Clients look for the `$`, so it is not escaped.
            let (sign, name) = if let Some(name) = name.strip_prefix('$') { ("$", name) } else { ("", name) };
            format!("{sign}{}={}", encoded(name), encoded(value))
        });
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// The option with a name; `None`: the name belongs to the caller.
fn option(name: &str) -> Result<Option<&'static str>, QueryError> {
    let meant = format!("${}", name.strip_prefix('$').unwrap_or(name).to_ascii_lowercase());
    if let Some((option, hint)) = UNSUPPORTED.into_iter().find(|(option, _)| *option == meant) {
        return Err(QueryError::Unsupported { option, hint });
    }
    match KNOWN.into_iter().find(|option| *option == meant) {
        None if name.starts_with('$') => Err(QueryError::Unknown(cut(name, 40).to_owned())),
        known => Ok(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SELECTABLE: &[&str] = &["id", "status"];

    fn read(text: &str) -> Query {
        Query::parse(text, SELECTABLE).unwrap()
    }

    fn refused(text: &str) -> String {
        Query::parse(text, SELECTABLE).unwrap_err().to_string()
    }

    #[test]
    fn a_query_string_is_read_with_and_without_dollars() {
        let text =
            "$filter=clientContext+eq+'a%26b%2B'&$orderby=status%20desc&$top=5&$select=id&$count=true&$skiptoken=x";
        let query = read(text);
        assert_eq!(query.filter, Filter::parse("clientContext eq 'a&b+'").ok());
        assert_eq!(Ok(&query.order), OrderBy::parse("status desc").as_ref());
        assert_eq!((query.top, query.count, query.skiptoken.as_deref()), (Some(5), true, Some("x")));
        assert!(query.select.has("id") && !query.select.has("status"));
        assert_eq!(read(&text.replace('$', "")), query);
        assert_eq!(read(&text.replace('$', "%24").replace("orderby", "orderBy")), query);
        assert_eq!(read(""), Query::default());
    }

    #[test]
    fn what_is_no_option_is_the_callers() {
        let query = read("waitFor=terminal&$top=1&timeout=PT30S&Timeout=");
        assert_eq!(
            query.others().collect::<Vec<_>>(),
            [("waitFor", "terminal"), ("timeout", "PT30S"), ("Timeout", "")]
        );
    }

    #[test]
    fn nothing_is_passed_over_in_silence() {
        for (text, expected) in [
            ("$top=0", r#"$top: found "0", expected 1 or more; the number alone is at /$count"#),
            ("$top=1001", r#"$top: found "1001", expected a whole number from 1 to 1000"#),
            ("$top=-1", r#"$top: found "-1", expected a whole number from 1 to 1000"#),
            ("$count=True", r#"$count: found "True", expected true or false"#),
            ("$filter=x", "$filter: position 1: found \"x\", expected"),
            ("$orderby=x", "$orderby: found \"x\", expected"),
            ("$select=x", "$select: found \"x\", expected"),
            ("$top=5&top=5", "$top: found the option twice, expected it once"),
            ("$skiptoken=a&$skiptoken=b", "$skiptoken: found the option twice, expected it once"),
            ("skip=5", "$skip is not supported: follow @odata.nextLink"),
            ("$search=x", "$search is not supported"),
            ("$expand=x", "$expand is not supported"),
            ("$format=json", r#"found the option "$format", expected some of $filter, $orderby"#),
            ("$=1", r#"found the option "$", expected some of $filter, $orderby"#),
        ] {
            let error = refused(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_next_page_asks_the_same() {
        let query = read("filter=clientContext+eq+'a%26b%2B%24'&$count=true&wait=a%20b");
        let next = query.continued("to-ken_");
        let expected = "$filter=clientContext%20eq%20%27a%26b%2B%24%27&$count=true&wait=a%20b&$skiptoken=to-ken_";
        assert_eq!(next, expected);
        assert_eq!(read(&next), Query { skiptoken: Some("to-ken_".into()), ..query });
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_a_query_continues(text in "([$&=%+a-f0-9é]|filter|top|count|id eq 'x'){0,20}") {
            if let Ok(query) = Query::parse(&text, SELECTABLE) {
                let next = Query::parse(&query.continued("t"), SELECTABLE);
                prop_assert_eq!(next, Ok(Query { skiptoken: Some("t".into()), ..query }));
            }
        }
    }
}
