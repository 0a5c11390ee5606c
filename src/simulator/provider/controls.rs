//! Lets an operator change the keys of a running provider: `POST /rotate`, `/retire`, `/down`, `/up`.
//!
//! **Invariants**
//! 1. Only this machine may: other addresses, and pages in a browser, are answered 403.

use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use super::{Mode, State};

/// What becomes of the former key.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Former {
    /// It stays published, until `/retire`.
    #[default]
    Published,
    /// It goes at once.
    Gone,
}

#[derive(Debug, Deserialize)]
struct Rotate {
    #[serde(default)]
    former: Former,
}

/// How a provider that is down answers.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Answer {
    #[default]
    #[serde(rename = "503")]
    Unavailable,
    #[serde(rename = "none")]
    None,
}

#[derive(Debug, Deserialize)]
struct Down {
    #[serde(default)]
    answer: Answer,
}

/// Adds the controls.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/rotate", web::post().to(rotate))
        .route("/retire", web::post().to(retire))
        .route("/down", web::post().to(down))
        .route("/up", web::post().to(up));
}

async fn rotate(state: Data<State>, request: HttpRequest, asked: Query<Rotate>) -> HttpResponse {
    if !is_allowed(&request) {
        return refused();
    }
    let identity = state.identity.clone();
    // Making a key takes a good part of a second.
    let rotated = web::block(move || identity.rotate()).await;
    let failed = match rotated {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = failed {
        return HttpResponse::InternalServerError().json(json!({ "error": why }));
    }
    if matches!(asked.former, Former::Gone) {
        state.identity.retire_former();
    }
    told(&state)
}

async fn retire(state: Data<State>, request: HttpRequest) -> HttpResponse {
    if !is_allowed(&request) {
        return refused();
    }
    state.identity.retire_former();
    told(&state)
}

async fn down(state: Data<State>, request: HttpRequest, asked: Query<Down>) -> HttpResponse {
    let mode = match asked.answer {
        Answer::Unavailable => Mode::Status(503),
        Answer::None => Mode::Silent,
    };
    switched(&state, &request, mode)
}

async fn up(state: Data<State>, request: HttpRequest) -> HttpResponse {
    switched(&state, &request, Mode::Healthy)
}

fn switched(state: &State, request: &HttpRequest, mode: Mode) -> HttpResponse {
    if !is_allowed(request) {
        return refused();
    }
    *state.mode.write() = mode;
    told(state)
}

/// Browsers name the page that a POST comes from.
fn is_allowed(request: &HttpRequest) -> bool {
    let is_here = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    is_here && !request.headers().contains_key("origin")
}

fn refused() -> HttpResponse {
    HttpResponse::Forbidden().json(json!({ "error": "only this machine may change the keys, and no page may" }))
}

/// The keys as they are now.
fn told(state: &State) -> HttpResponse {
    let keys = match &*state.mode.read() {
        Mode::Healthy => "up",
        _ => "down",
    };
    HttpResponse::Ok().json(json!({
        "signs": state.identity.kid(), "published": state.identity.kids(), "keys": keys,
    }))
}
