//! Lists that are read page by page, newest first. New entries do not move older ones to other pages.
//!
//! A page continues after the id of the last row. That row may not exist any more, for example because a dead letter
//! was replayed.

use std::str::FromStr;

use actix_web::HttpRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::parameters::{Parameters, wrong};
use crate::store::{Newest, Page};
use crate::web::address::encoded;
use crate::web::link;

/// The parameter that says where a page begins.
pub const SKIPTOKEN: &str = "$skiptoken";

/// A list, or a page of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The link to the next page; absent on the last one.
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    /// The entries.
    pub value: Vec<T>,
}

impl<T> List<T> {
    /// A list on a single page.
    pub const fn whole(value: Vec<T>) -> Self {
        Self { next_link: None, value }
    }

    /// The answer with a page. It may have no entries, and a link to the next page all the same.
    pub fn page<'a, R, I: ToString>(request: &HttpRequest, parameters: &Parameters, page: &'a Page<R, I>) -> Self
    where
        T: From<&'a R>,
    {
        Self::shown(request, parameters, page, T::from)
    }

    /// The same, of rows that are shown so.
    pub fn shown<'a, R, I: ToString>(
        request: &HttpRequest,
        parameters: &Parameters,
        page: &'a Page<R, I>,
        shape: impl Fn(&'a R) -> T,
    ) -> Self {
        let next_link = page.next.as_ref().map(|next| continued(request, parameters, &next.to_string()));
        Self { next_link, value: page.rows.iter().map(shape).collect() }
    }
}

/// The requested page.
///
/// # Errors
/// See [`Parameters::top`]; or `$skiptoken` is not one that a link of this server contains.
pub fn asked<I: FromStr>(parameters: &Parameters) -> Result<Newest<I>, ApiError> {
    let read =
        |found: &str| found.parse().map_err(|_error| wrong(SKIPTOKEN, found, "the $skiptoken of an @odata.nextLink"));
    let before = parameters.one(SKIPTOKEN)?.map(read).transpose()?;
    Ok(Newest { before, limit: parameters.top()? })
}

/// The same query from another place on. The `$` of a parameter stays unescaped, because clients look for it.
fn continued(request: &HttpRequest, parameters: &Parameters, skiptoken: &str) -> String {
    let given = parameters.given().filter(|(name, _)| *name != SKIPTOKEN);
    let pairs = given.chain([(SKIPTOKEN, skiptoken)]);
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encoded(value)));
    format!("{}?{}", link::of(request), pairs.collect::<Vec<_>>().join("&"))
}
