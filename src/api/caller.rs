//! What a handler demands of its caller: the type of its first argument. There is no such value for a caller who may not.
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

/// Who sends a request, if it may use what `scope` opens.
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
