//! A request to the operations: the call, the operation, and the app that answers it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::{Admin, ApiError};
use super::{condition, fields, names, shape};
use crate::domain::{GraphId, Operation};
use crate::odata::{self, OrderBy, Query, Select};
use crate::web::link;

/// A request to the operations.
pub struct OperationRequest {
    /// The app.
    pub admin: Data<Admin>,
    /// The request.
    pub request: HttpRequest,
    /// The call in its path.
    pub call_id: Option<GraphId>,
    /// The operation in its path.
    id: Option<GraphId>,
}

#[derive(Deserialize)]
struct Ids {
    #[serde(rename = "callId")]
    call_id: Option<String>,
    id: Option<String>,
}

impl FromRequest for OperationRequest {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

impl OperationRequest {
    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        let admin = request.app_data::<Data<Admin>>().cloned().ok_or_else(ApiError::unavailable)?;
        // An unreadable id is answered like one that does not exist.
        let ids: Ids = request.match_info().load().map_err(|_unreadable| ApiError::not_found())?;
        let read = |text: Option<String>| text.as_deref().and_then(GraphId::new);
        Ok(Self { admin, request: request.clone(), call_id: read(ids.call_id), id: read(ids.id) })
    }

    /// The options and parameters of the request. Only the parameters in `known` are accepted.
    ///
    /// # Errors
    /// An option or parameter is wrong or unknown.
    pub fn query(&self, known: &[&str]) -> Result<Query, ApiError> {
        let query = Query::parse(self.request.query_string(), names::of_operation());
        let query = query.map_err(|error| ApiError::bad_request("invalidQueryOption", error.to_string()))?;
        let mut names = Vec::new();
        for (name, _value) in query.others() {
            if !known.contains(&name) || names.contains(&name) {
                let known =
                    if known.is_empty() { "none".to_owned() } else { format!("{}, each once", known.join(", ")) };
                let found = fields::shown([name]);
                return Err(invalid_parameter(format!("found the parameter {found}, expected {known}")));
            }
            names.push(name);
        }
        Ok(query)
    }

    /// The parameters of a request about one operation; `$select` is the only option.
    ///
    /// # Errors
    /// One is wrong, or applies only to collections.
    pub fn query_of_one(&self, known: &[&str]) -> Result<Query, ApiError> {
        let query = self.query(known)?;
        let is_of_many = query.filter.is_some() || query.order != OrderBy::default() || query.top.is_some();
        if is_of_many || query.count || query.skiptoken.is_some() {
            return Err(invalid_parameter("found an option for collections, expected only $select".to_owned()));
        }
        Ok(query)
    }

    /// The operation in the path.
    ///
    /// # Errors
    /// It does not exist, or the store could not be read.
    pub async fn operation(&self) -> Result<Operation, ApiError> {
        let id = self.id.as_ref().ok_or_else(ApiError::not_found)?;
        let found = self.admin.operations.get(id, self.call_id.as_ref()).await?;
        found.ok_or_else(ApiError::not_found)
    }

    /// The context of an answer: `http://host/v1.0/$metadata#communications/..`.
    pub fn context(&self, of_one: bool) -> String {
        let version = if self.request.path().starts_with("/beta/") { "beta" } else { "v1.0" };
        let root = format!("{}/{version}", link::origin(&self.request));
        odata::context(&root, self.call_id.as_ref().map(GraphId::as_str), of_one)
    }

    /// An answer with one operation.
    pub fn answer(
        &self,
        status: StatusCode,
        operation: &Operation,
        (select, shows_token): (&Select, bool),
    ) -> HttpResponse {
        let mut json: Map<String, Value> = shape::json(operation, select, shows_token);
        json.insert("@odata.context".into(), self.context(true).into());
        HttpResponse::build(status).insert_header((ETAG, condition::etag(operation.version))).json(json)
    }
}

/// 400: a parameter is wrong.
pub fn invalid_parameter(message: String) -> ApiError {
    ApiError::bad_request("invalidQueryOption", message)
}
