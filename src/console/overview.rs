//! *Overview*: the board with the rate of notifications, the times of answers and the backlog; and the latest events.

use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::board::Board;
use super::frame::Frame;
use super::gate::Desk;
use super::live::{self, Row};
use super::page::show;
use super::problem::Problem;
use super::range::Range;
use crate::config::Scope;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    board: Board,
    rows: Vec<Row>,
    after: String,
}

#[derive(Debug, serde::Deserialize)]
struct Asked {
    #[serde(default)]
    range: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest, asked: Query<Asked>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let range = Range::parse(&asked.range).ok_or_else(|| Problem::unknown("range", &asked.range))?;
    let board = Board::fresh(&desk, range).await?;
    let (rows, after) = match live::newest(&desk).await {
        Err(_unreadable) if board.damage.is_some() => Default::default(),
        newest => newest?,
    };
    show(&request, &visitor, &Page { frame: visitor.frame("overview"), board, rows, after })
}
