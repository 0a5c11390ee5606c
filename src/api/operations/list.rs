//! Lists and counts operations.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use serde_json::{Map, Value};

use super::super::refusal::Refusal;
use super::super::{ApiError, Reader, preferences};
use super::request::{OperationRequest, invalid_parameter};
use super::shape;
use crate::domain::Operation;
use crate::odata::{Cursor, MAX_TOP, Query, SkipTokens, Subject};
use crate::store::operations::Question;
use crate::web::link;

/// The default number of rows of a page.
const DEFAULT_PAGE: u16 = 100;

/// A page of operations, with the link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/communications/recordOperations",
    tag = "operations",
    operation_id = "listRecordOperations",
    params(super::schema::ListOptions),
    responses(
        (status = 200, description = "A page", body = super::schema::Page),
        (status = 400, description = "An option is wrong. The message says where, and what was expected", body = Refusal),
        (status = 401, description = "There is no token, or it is unknown", body = Refusal),
        (status = 403, description = "This token, this host name or this origin is not allowed", body = Refusal),
        (status = 503, description = "This cannot be done now. Retrying later is safe", body = Refusal),
    ),
)]
pub async fn list(
    _reader: Reader,
    asked: OperationRequest,
    tokens: Data<SkipTokens>,
) -> Result<HttpResponse, ApiError> {
    let query = asked.query(&[])?;
    let scope = asked.call_id.as_ref().map_or("", |call_id| call_id.as_str());
    let after = query.skiptoken.as_deref().map(|token| tokens.open((&query, scope), token)).transpose();
    let after = after.map_err(|error| invalid_parameter(error.to_string()))?;
    let (page, has_more) = page(&asked, &query, after.as_ref()).await?;
    let mut json = Map::new();
    json.insert("@odata.context".into(), asked.context(false).into());
    if query.count {
        let n = asked.admin.operations.count(asked.call_id.as_ref(), query.filter.as_ref()).await?;
        json.insert("@odata.count".into(), n.into());
    }
    if let Some(last) = page.last().filter(|_last| has_more) {
        let token = tokens.seal((&query, scope), query.order.cursor(&Subject::from(last), last.number));
        let next = format!("{}?{}", link::of(&asked.request), query.continued(&token));
        json.insert("@odata.nextLink".into(), next.into());
    }
    let rows: Vec<Value> = page.iter().map(|row| shape::json(row, &query.select, false).into()).collect();
    json.insert("value".into(), rows.into());
    Ok(HttpResponse::Ok().json(json))
}

/// The rows, and whether more follow.
async fn page(
    asked: &OperationRequest,
    query: &Query,
    after: Option<&Cursor>,
) -> Result<(Vec<Operation>, bool), ApiError> {
    let wished = preferences::max_page_size(asked.request.headers()).unwrap_or(MAX_TOP);
    let default = if wished < MAX_TOP { wished } else { DEFAULT_PAGE };
    let limit = usize::from(query.top.unwrap_or(default).min(wished));
    let question = Question {
        call_id: asked.call_id.as_ref(),
        filter: query.filter.as_ref(),
        inside: None,
        order: &query.order,
        after,
        limit: limit + 1,
    };
    let mut rows = asked.admin.operations.list(question).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows, has_more))
}

/// The number of matching operations, as plain text.
#[utoipa::path(
    get,
    path = "/v1.0/communications/recordOperations/$count",
    tag = "operations",
    operation_id = "countRecordOperations",
    params(("$filter" = Option<String>, Query, description = "Only operations that match, as in the list")),
    responses(
        (status = 200, description = "The number", body = u64, content_type = "text/plain"),
        (status = 400, description = "The filter or a parameter is wrong", body = Refusal),
    ),
)]
pub async fn count(_reader: Reader, asked: OperationRequest) -> Result<HttpResponse, ApiError> {
    let query = asked.query(&[])?;
    if query.top.is_some() || query.skiptoken.is_some() {
        return Err(invalid_parameter("found an option for pages, expected only $filter".into()));
    }
    let n = asked.admin.operations.count(asked.call_id.as_ref(), query.filter.as_ref()).await?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).body(n.to_string()))
}
