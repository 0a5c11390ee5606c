//! Lets an operator change the keys of a running provider: `POST /rotate`, `/retire`, `/down`, `/up`.
//!
//! **Invariants**
//! 1. Only this machine may: other addresses, and pages in a browser, are answered 403.
//! 2. A request with a mistake changes nothing. The answer says what was found and what was expected.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::State;
use crate::simulator::identity::Reach;

/// What becomes of the former key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Former {
    /// It stays published, until `/retire`.
    Published,
    /// It goes at once.
    Gone,
}

/// Why a request changes nothing.
enum Refusal {
    /// It comes from elsewhere, or from a page.
    Forbidden,
    /// It has a mistake: what was found, and what was expected.
    Mistake(String),
}

impl From<Refusal> for HttpResponse {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Forbidden => {
                let error = "only this machine may change the keys, and no page may";
                Self::Forbidden().json(json!({ "error": error }))
            }
            Refusal::Mistake(error) => Self::BadRequest().json(json!({ "error": error })),
        }
    }
}

/// Adds the controls.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/rotate").route(web::post().to(rotate)).default_service(web::to(not_a_post)))
        .service(web::resource("/retire").route(web::post().to(retire)).default_service(web::to(not_a_post)))
        .service(web::resource("/down").route(web::post().to(down)).default_service(web::to(not_a_post)))
        .service(web::resource("/up").route(web::post().to(up)).default_service(web::to(not_a_post)));
}

async fn rotate(state: Data<State>, request: HttpRequest) -> HttpResponse {
    const WORDS: [(&str, Former); 2] = [("published", Former::Published), ("gone", Former::Gone)];
    let former = match asked(&request, "former", &WORDS) {
        Ok(former) => former.unwrap_or(Former::Published),
        Err(refusal) => return refusal.into(),
    };
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
    if former == Former::Gone {
        state.identity.retire_former();
    }
    told(&state)
}

async fn retire(state: Data<State>, request: HttpRequest) -> HttpResponse {
    if let Err(refusal) = nothing_more(&request) {
        return refusal.into();
    }
    state.identity.retire_former();
    told(&state)
}

async fn down(state: Data<State>, request: HttpRequest) -> HttpResponse {
    const WORDS: [(&str, Reach); 2] = [("503", Reach::Down), ("none", Reach::Silent)];
    switched(&state, asked(&request, "answer", &WORDS).map(|reach| reach.unwrap_or(Reach::Down)))
}

async fn up(state: Data<State>, request: HttpRequest) -> HttpResponse {
    switched(&state, nothing_more(&request).map(|()| Reach::Up))
}

fn switched(state: &State, reach: Result<Reach, Refusal>) -> HttpResponse {
    match reach {
        Ok(reach) => {
            state.identity.set_reach(reach);
            told(state)
        }
        Err(refusal) => refusal.into(),
    }
}

async fn not_a_post(request: HttpRequest) -> HttpResponse {
    let error = format!("found {} {}, expected POST", request.method(), request.path());
    HttpResponse::MethodNotAllowed().insert_header(("allow", "POST")).json(json!({ "error": error }))
}

/// What a request asks for by its one parameter, by these words; `None` if it has none.
fn asked<T: Copy>(request: &HttpRequest, key: &str, words: &[(&str, T)]) -> Result<Option<T>, Refusal> {
    allowed(request)?;
    let mut found = None;
    for (name, value) in url::form_urlencoded::parse(request.query_string().as_bytes()) {
        let word = words.iter().find(|(word, _)| name == key && *word == value);
        let Some((_, meaning)) = word.filter(|_| found.is_none()) else {
            let expected: Vec<String> = words.iter().map(|(word, _)| format!("{key}={word}")).collect();
            let expected = expected.join(" or ");
            return Err(Refusal::Mistake(format!("found {name}={value}, expected {expected}, once")));
        };
        found = Some(*meaning);
    }
    Ok(found)
}

/// A request that has no parameters.
fn nothing_more(request: &HttpRequest) -> Result<(), Refusal> {
    allowed(request)?;
    match request.query_string() {
        "" => Ok(()),
        query => Err(Refusal::Mistake(format!("found ?{query}, expected no parameters"))),
    }
}

/// Browsers name the page that a POST comes from.
fn allowed(request: &HttpRequest) -> Result<(), Refusal> {
    let is_here = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if is_here && !request.headers().contains_key("origin") { Ok(()) } else { Err(Refusal::Forbidden) }
}

/// The keys as they are now.
fn told(state: &State) -> HttpResponse {
    let identity = &state.identity;
    HttpResponse::Ok().json(json!({
        "signs": identity.kid(), "published": identity.kids(), "keys": identity.reach().as_str(),
    }))
}
