//! The console: pages for people, on the admin listener.
//!
//! Written out by the server from templates that the compiler checks; one small script of our own, one style sheet,
//! nothing from another host. `gate` says who may see and press what; each page has a file.
//!
//! **Invariants**
//! 1. Every value is escaped by the templates; no template says otherwise, pictures included.
//! 2. A GET changes nothing. A POST changes something only with the scope `write` and the form's proof.
//! 3. No page counts over everything: lists are pages of `PAGE` rows that are found by their keys.

mod configuration;
mod form;
mod frame;
mod gate;
mod live;
mod login;
mod now;
mod operation;
mod operations;
mod page;
mod plots;
mod problem;
mod quarantine;
mod sessions;
mod shown;
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
use crate::config::Config;
use crate::dispatch::Pauses;
use crate::domain::SinkName;
use crate::routing::Routes;
use crate::sinks::Sink;
use crate::store::{Operations, Store};
use crate::telemetry::{Metrics, Rejections};

/// The rows of a page.
const PAGE: usize = 50;

/// What the console shows.
pub struct Console {
    /// What was configured.
    pub config: Arc<Config>,
    /// Who may look.
    pub access: Arc<Access>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The operations.
    pub operations: Arc<dyn Operations>,
    /// The sinks, for a check of the destination.
    pub sinks: Arc<Vec<(SinkName, Arc<dyn Sink>)>>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// Which way an event goes.
    pub routes: Arc<Routes>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is counted and logged when somebody is turned away.
    pub rejections: Arc<Rejections>,
    /// The time.
    pub clock: Clock,
}

/// The console's routes; paths of the API are not among them, and must be registered before them.
pub fn routes(console: web::Data<Console>) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let desk = web::Data::new(Desk::new(console));
    move |config| {
        let queries = QueryConfig::default()
            .error_handler(|error, _| Problem::Address(format!("It cannot be read: {error}.")).into());
        let pages = web::scope("")
            .app_data(desk.clone())
            .app_data(queries)
            .wrap(from_fn(page::guarded))
            .route("/console/assets/{hash}/{name}", web::get().to(page::asset))
            .configure(login::routes)
            .configure(now::routes)
            .configure(live::routes)
            .configure(operations::routes)
            .configure(operation::routes)
            .configure(sinks::routes)
            .configure(quarantine::routes)
            .configure(unmatched::routes)
            .configure(configuration::routes)
            .default_service(web::to(not_found));
        config.service(pages);
    }
}

/// A page for a person, a line for a program.
async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let is_person =
        request.headers().get(ACCEPT).is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("text/html")));
    if is_person {
        return Err(Problem::Missing("There is no page at this address.".into()));
    }
    Ok(HttpResponse::NotFound().body("not found\n"))
}
