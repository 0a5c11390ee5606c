//! The caller of a handler, as the type of its first argument. The value exists only for a caller that has the scope.
//!
//! **Invariants**
//! 1. Every refusal is counted once.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use super::{Admin, ApiError};
use crate::access::{Access, Caller};
use crate::config::Scope;
use crate::domain::Reason;

/// A caller with the scope `read`.
pub struct Reader(pub Caller);
/// A caller with the scope `write`.
pub struct Writer(pub Caller);

/// The sender of a request, if it has the scope.
fn caller(request: &HttpRequest, scope: Scope) -> Result<Caller, ApiError> {
    let (Some(access), Some(admin)) = (request.app_data::<Data<Access>>(), request.app_data::<Data<Admin>>()) else {
        return Err(ApiError::unavailable());
    };
    access.check(request, scope).map_err(|denied| {
        admin.turned_away(request, Reason::AdminAccess);
        ApiError::from(denied)
    })
}

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(caller(request, Scope::Read).map(Self))
    }
}

impl FromRequest for Writer {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(caller(request, Scope::Write).map(Self))
    }
}
