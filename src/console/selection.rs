//! What a filter form asks for, and which rows were ticked.

use actix_web::HttpRequest;
use jiff::Timestamp;

use super::format::encoded;
use super::parameters;
use super::problem::Problem;
use crate::domain::{Reason, SinkName};
use crate::operator;
use crate::store::{DeadFilter, QuarantineFilter, UnmatchedFilter};

/// The fields of a filter form; empty: not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Selection {
    /// A sink.
    pub sink: String,
    /// A reason, or a part of one.
    pub reason: String,
    /// How long ago, or an instant.
    pub since: String,
    /// An event's type.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Selection {
    /// What the address of a page asks for, which has these parameters.
    ///
    /// # Errors
    /// It has others.
    pub fn in_list(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        parameters::read(request, known)
    }

    /// The same, with a time that does not count from now.
    pub fn fixed(&self, now: Timestamp) -> Self {
        Self { since: parameters::fixed(&self.since, now), ..self.clone() }
    }

    /// Whether it asks for fewer than all.
    pub fn narrows(&self) -> bool {
        [&self.reason, &self.since, &self.kind].iter().any(|text| !text.trim().is_empty())
    }

    /// Its fields, as a form has them.
    pub fn fields(&self) -> [(&str, &str); 4] {
        [("sink", &self.sink), ("reason", &self.reason), ("since", &self.since), ("type", &self.kind)]
    }

    /// It as the query of an address. A time that counts from now becomes an instant, so that a page and the button on it
    /// mean the same.
    ///
    /// # Errors
    /// The time cannot be read.
    pub fn query(&self, now: Timestamp) -> Result<String, Problem> {
        let since = instant("Since", &self.since, now)?.map(|at| at.to_string()).unwrap_or_default();
        let fields = [("sink", &self.sink), ("reason", &self.reason), ("since", &since), ("type", &self.kind)];
        let given = fields.iter().filter(|(_, value)| !value.trim().is_empty());
        Ok(given.map(|(name, value)| format!("{name}={}", encoded(value.trim()))).collect::<Vec<_>>().join("&"))
    }

    fn received_since(&self, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        instant("Received since", &self.since, now)
    }

    /// The dead letters that are meant.
    ///
    /// # Errors
    /// The time cannot be read.
    pub fn dead_letters(&self, now: Timestamp) -> Result<DeadFilter, Problem> {
        let sink = some(&self.sink).map(|name| SinkName::new(&name));
        Ok(DeadFilter {
            sink,
            reason: some(&self.reason),
            since: instant("Dead since", &self.since, now)?,
            until: None,
        })
    }

    /// The quarantine entries that are meant.
    ///
    /// # Errors
    /// The time cannot be read, or there is no such reason.
    pub fn quarantine(&self, now: Timestamp) -> Result<QuarantineFilter, Problem> {
        let unknown = |text: &str| Problem::not_offered("Reason", text);
        let reason = some(&self.reason).map(|text| Reason::parse(&text).ok_or_else(|| unknown(&text)));
        let (reason, since) = (reason.transpose()?, self.received_since(now)?);
        Ok(QuarantineFilter { reason, since, ..QuarantineFilter::default() })
    }

    /// The unmatched events that are meant.
    ///
    /// # Errors
    /// The time cannot be read.
    pub fn unmatched(&self, now: Timestamp) -> Result<UnmatchedFilter, Problem> {
        Ok(UnmatchedFilter { kind: some(&self.kind), since: self.received_since(now)? })
    }
}

/// A filter with a time, by its name on the page: how long ago, or an instant; empty: not asked for.
///
/// # Errors
/// It is neither.
pub fn instant(label: &str, text: &str, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    let at = some(text).map(|text| operator::since(&text, now).map_err(|why| Problem::filter(label, &text, &why)));
    at.transpose()
}

/// A field of a form; empty: not asked for.
pub fn some(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
