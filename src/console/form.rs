//! Reads forms, with the one reader of bodies ([`crate::bodies`]).
//!
//! **Invariants**
//! 1. The form of a button is read only from a visitor who is logged in. Anybody may send a login, which has its own
//!    memory: strangers cannot use up the memory that the buttons need.

use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::gate::Desk;
use super::problem::Problem;
use crate::bodies::{self, BodyLimits};
use crate::domain::Reason;
use crate::operator::words::sentence;

/// The form of a button.
#[derive(Debug)]
pub struct Form<T>(T);

/// The form of a login or a logout.
#[derive(Debug)]
pub struct LoginForm<T>(T);

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for LoginForm<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let desk = desk(&request)?;
            desk.visitor(&request)?;
            read(&request, &desk, &desk.forms).await.map(Self)
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for LoginForm<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let desk = desk(&request)?;
            read(&request, &desk, &desk.login_forms).await.map(Self)
        })
    }
}

fn desk(request: &HttpRequest) -> Result<Data<Desk>, Problem> {
    request.app_data::<Data<Desk>>().cloned().ok_or_else(|| Problem::Store("the console is not running".into()))
}

async fn read<T: DeserializeOwned>(request: &HttpRequest, desk: &Desk, limits: &BodyLimits) -> Result<T, Problem> {
    let body = bodies::read_as(request, "application/x-www-form-urlencoded", limits);
    let refused = |reason: Reason| {
        desk.console.rejections.note("admin", reason, None);
        Problem::Body(reason)
    };
    let body = body.await.map_err(refused)?;
    let text = str::from_utf8(&body.bytes).map_err(|_not_utf8| unreadable("it is not UTF-8"))?;
    // A form is written as a query is.
    let fields = Query::from_query(text).map(Query::into_inner);
    fields.map_err(|_error| unreadable("a field is missing, occurs twice, or has a value that this page cannot read"))
}

fn unreadable(why: &str) -> Problem {
    Problem::Fields(sentence(why))
}
