//! Log in with a token, and log out.

use actix_web::http::header::SET_COOKIE;
use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::form::LoginForm;
use super::frame::Frame;
use super::gate::{COOKIE_NAME, Desk, cookie, set_cookie};
use super::page::{lead_to, show};
use super::problem::Problem;

#[derive(Template)]
#[template(path = "login.html")]
struct Page {
    frame: Frame,
    next: String,
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    #[serde(default)]
    next: String,
}

#[derive(serde::Deserialize)]
struct Login {
    form: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Debug, serde::Deserialize)]
struct Logout {
    form: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config
        .route("/login", web::get().to(page))
        .route("/login", web::post().to(log_in))
        .route("/logout", web::post().to(log_out));
}

async fn page(desk: Data<Desk>, request: HttpRequest, asked: Query<Asked>) -> Result<HttpResponse, Problem> {
    if !desk.console.access.needs_token() {
        return Ok(lead_to("/"));
    }
    let visitor = desk.stranger(&request)?;
    let frame = Frame { form: visitor.form.clone(), ..Frame::default() };
    show(&request, &visitor, &Page { frame, next: own_path(&asked.next).to_owned() })
}

async fn log_in(desk: Data<Desk>, request: HttpRequest, login: LoginForm<Login>) -> Result<HttpResponse, Problem> {
    desk.check_form(&request, &login.form)?;
    let cookie = desk.log_in(&request, &login.token)?;
    let mut response = lead_to(own_path(&login.next));
    if let Ok(value) = set_cookie(&request, &cookie).parse() {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(response)
}

async fn log_out(desk: Data<Desk>, request: HttpRequest, logout: LoginForm<Logout>) -> Result<HttpResponse, Problem> {
    desk.check_form(&request, &logout.form)?;
    if let Some(cookie) = cookie(&request) {
        desk.sessions.end(&cookie);
    }
    let mut response = lead_to("/login");
    if let Ok(value) = format!("{COOKIE_NAME}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0").parse() {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(response)
}

/// A path of this server; anything that could lead elsewhere becomes the first page.
fn own_path(next: &str) -> &str {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_this_server_only() {
        for good in ["/", "/operations?q=a%20b", "/sinks/x"] {
            assert_eq!(own_path(good), good);
        }
        for bad in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: b", "/\té"] {
            assert_eq!(own_path(bad), "/", "{bad:?}");
        }
    }
}
