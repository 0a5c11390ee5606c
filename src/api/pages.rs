//! Lists that are read page by page, newest first: new entries do not move older ones.
//!
//! A page continues after the id of the last row, which may not exist any more: a dead letter may have been replayed.

use std::str::FromStr;

use actix_web::HttpRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::parameters::{Parameters, wrong};
use super::{ApiError, address};
use crate::store::Newest;
use crate::web::address::encoded;

/// The parameter with the place where a page begins.
pub const SKIPTOKEN: &str = "$skiptoken";

/// A list, or a page of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The link to the next page; absent on the last one.
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    /// Its members.
    pub value: Vec<T>,
}

impl<T> List<T> {
    /// All there is.
    pub const fn whole(value: Vec<T>) -> Self {
        Self { next_link: None, value }
    }

    /// What answers with the rows of [`asked`], which `id` names.
    ///
    /// # Errors
    /// As [`Parameters::top`].
    pub fn page<'a, R, I: ToString>(
        (request, parameters): (&HttpRequest, &Parameters),
        rows: &'a [R],
        id: impl Fn(&R) -> I,
    ) -> Result<Self, ApiError>
    where
        T: From<&'a R>,
    {
        let shown = &rows[..rows.len().min(parameters.top()?)];
        let last = shown.last().filter(|_last| shown.len() < rows.len());
        let next_link = last.map(|last| continued(request, parameters, &id(last).to_string()));
        Ok(Self { next_link, value: shown.iter().map(T::from).collect() })
    }
}

/// The page that is asked for, and one row more, by which [`List::page`] knows whether others follow.
///
/// # Errors
/// As [`Parameters::top`]; or `$skiptoken` is in no link of ours.
pub fn asked<I: FromStr>(parameters: &Parameters) -> Result<Newest<I>, ApiError> {
    let read =
        |found: &str| found.parse().map_err(|_error| wrong(SKIPTOKEN, found, "the $skiptoken of an @odata.nextLink"));
    let before = parameters.one(SKIPTOKEN)?.map(read).transpose()?;
    Ok(Newest { before, limit: parameters.top()? + 1 })
}

/// The same query from another place on. Clients look for the `$`: it is left as it is.
fn continued(request: &HttpRequest, parameters: &Parameters, skiptoken: &str) -> String {
    let given = parameters.given().filter(|(name, _)| *name != SKIPTOKEN);
    let pairs = given.chain([(SKIPTOKEN, skiptoken)]);
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encoded(value)));
    format!("{}?{}", address::of(request), pairs.collect::<Vec<_>>().join("&"))
}
