//! The console: pages for people, on the admin listener.
//!
//! The server renders the pages from templates that the compiler checks. There is one small script and one style sheet,
//! and nothing from another host. `gate` decides who may see and press what; each page has a file.
//!
//! **Invariants**
//! 1. The templates escape every value, in pictures too.
//! 2. A GET changes nothing. A POST changes something only with the scope `write` and the form's proof.
//! 3. Lists are pages of at most `PAGE` rows, which are found by their keys. Counts come from the metrics and the
//!    backlog, or are bounded.

mod attempts;
mod axis;
mod board;
mod bulk;
mod configuration;
mod copy_button;
mod count;
mod deliveries;
mod delivery;
mod event;
mod events;
mod exchange;
mod form;
mod format;
mod frame;
mod gate;
mod glance;
mod jobs;
mod json;
mod live;
mod login;
mod moment;
mod operation;
mod operations;
mod overview;
mod page;
mod pager;
mod parameters;
mod plots;
mod pressed_delivery;
mod problem;
mod quarantine;
mod range;
mod replays;
mod resends;
mod selection;
mod sessions;
mod sink_state;
mod sinks;
mod timeline;
mod unmatched;
mod words;

use std::sync::Arc;

use actix_web::http::header::ACCEPT;
use actix_web::middleware::from_fn;
use actix_web::web::{self, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use self::gate::Desk;
use self::problem::Problem;
use crate::access::Access;
use crate::clock::Clock;
use crate::operator::Operator;
use crate::running::{Reload, Running};
use crate::store::{Changes, Events, Operations};
use crate::telemetry::{Metrics, Rejections};

/// The rows of a page.
const PAGE: usize = 50;

/// The parts of the app that the console shows.
pub struct Console {
    /// The config that runs now, and its sinks.
    pub running: Arc<Running>,
    /// What became of the last reload.
    pub reload: Arc<Reload>,
    /// Who may look.
    pub access: Arc<Access>,
    /// What operators do.
    pub operator: Arc<Operator>,
    /// The operations.
    pub operations: Arc<dyn Operations>,
    /// The events, as a stream.
    pub events: Arc<dyn Events>,
    /// Tells of changes as they are committed.
    pub changes: Arc<Changes>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Counts and logs refused requests.
    pub rejections: Arc<Rejections>,
    /// The clock.
    pub clock: Clock,
}

/// The console's routes; paths of the API are not among them, and must be registered before them.
pub fn routes(console: web::Data<Console>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let desk = web::Data::new(Desk::new(console));
    move |config| {
        let queries = QueryConfig::default().error_handler(|_error, _| Problem::unreadable().into());
        let pages = web::scope("")
            .app_data(desk.clone())
            .app_data(queries)
            .wrap(from_fn(page::guarded))
            .route("/console/assets/{hash}/{name}", web::get().to(page::asset))
            .configure(login::routes)
            .configure(overview::routes)
            .configure(live::routes)
            .configure(operations::routes)
            .configure(operation::routes)
            .configure(events::routes)
            .configure(event::routes)
            .configure(deliveries::routes)
            .configure(sinks::routes)
            .configure(replays::routes)
            .configure(delivery::routes)
            .configure(attempts::routes)
            .configure(resends::routes)
            .configure(bulk::routes)
            .configure(jobs::routes)
            .configure(quarantine::routes)
            .configure(unmatched::routes)
            .configure(configuration::routes)
            .default_service(web::to(not_found));
        config.service(pages);
    }
}

/// A page for a browser, a line of text for a program.
async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let is_person =
        request.headers().get(ACCEPT).is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("text/html")));
    if is_person {
        return Err(Problem::Missing("There is no page at this address.".into()));
    }
    Ok(HttpResponse::NotFound().body("not found\n"))
}
