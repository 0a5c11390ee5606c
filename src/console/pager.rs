//! The links below a list that is read page by page.

use actix_web::HttpRequest;
use actix_web::web::Query;
use url::form_urlencoded::Serializer;

use super::problem::Problem;
use crate::store::{Newest, Page};

/// The parameter that says where a page begins.
const BEFORE: &str = "before";

/// The links to other pages of a list.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// The first page, if this one is another.
    pub first: Option<String>,
    /// The next one, if there may be older rows.
    pub older: Option<String>,
}

/// Where a page begins, as its address says.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Before {
    before: String,
}

impl Before {
    /// What the address of a request says; the first page if it cannot be read.
    pub fn of(request: &HttpRequest) -> Self {
        Query::from_query(request.query_string()).map(Query::into_inner).unwrap_or_default()
    }

    /// The page of `limit` rows that begins there.
    ///
    /// # Errors
    /// The place is none.
    pub fn page<I: std::str::FromStr>(&self, limit: usize) -> Result<Newest<I>, Problem> {
        let known = Some(self.before.as_str()).filter(|text| !text.is_empty());
        let before = known.map(|text| text.parse().map_err(|_error| Problem::unknown(BEFORE, text))).transpose()?;
        Ok(Newest { before, limit })
    }
}

impl Pager {
    /// The links of a list at `path`, that is asked for with these fields.
    pub fn of<T, I: ToString>(path: &str, fields: &[(&str, &str)], before: &Before, page: &Page<T, I>) -> Self {
        let link = |before: &str| {
            let mut query = Serializer::new(String::new());
            let given = fields.iter().copied().chain([(BEFORE, before)]).filter(|(_, value)| !value.trim().is_empty());
            query.extend_pairs(given);
            let query = query.finish();
            if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
        };
        Self {
            first: (!before.before.is_empty()).then(|| link("")),
            older: page.next.as_ref().map(|next| link(&next.to_string())),
        }
    }

    /// Whether there are older rows to look at.
    pub fn goes_on(&self) -> bool {
        self.older.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_repeats_the_question_and_escapes_it() {
        let page: Page<(), i64> = Page { rows: Vec::new(), next: Some(7) };
        let first = Pager::of("/events", &[("text", "a&b='"), ("type", " ")], &Before::default(), &page);
        assert_eq!(first.older.as_deref(), Some("/events?text=a%26b%3D%27&before=7"));
        assert_eq!(first.first, None);
        let last = Page { next: None, ..page };
        let second = Pager::of("/events", &[], &Before { before: "7".into() }, &last);
        assert_eq!((second.first.as_deref(), second.older), (Some("/events"), None));
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        assert!(Before { before: "x".into() }.page::<i64>(9).is_err());
        assert_eq!(Before { before: "7".into() }.page::<i64>(9).unwrap(), Newest { before: Some(7), limit: 9 });
    }
}
