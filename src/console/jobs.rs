//! *Job*: how far an action on many entries came. The page renews itself until the job is over.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::format::{instant, number};
use super::frame::Frame;
use super::gate::Desk;
use super::page::show;
use super::problem::Problem;
use crate::config::Scope;
use crate::operator::words::sentence;
use crate::operator::{self, Action, JobState, Progress};

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    id: u64,
    /// What it does, as a sentence.
    action: String,
    who: String,
    asked: String,
    state: &'static str,
    tone: &'static str,
    why: String,
    expected: String,
    /// Why it did fewer than were counted.
    gone: String,
    seen: String,
    /// What `done` counts.
    did: &'static str,
    done: String,
    is_over: bool,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/jobs/{id}", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let found = id.parse().ok().and_then(|id| desk.console.operator.progress(id));
    let missing = "There is no such job: the server forgets it after a restart. The log has what it did.";
    let job = found.ok_or_else(|| Problem::Missing(missing.into()))?;
    let is_over = job.is_over();
    let mut answer = show(&request, &visitor, &Page::of(visitor.frame("sinks"), job))?;
    if !is_over {
        answer.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static("1"));
    }
    Ok(answer)
}

impl Page {
    fn of(frame: Frame, job: Progress) -> Self {
        let (is_over, counted) = (job.is_over(), job.count.counted);
        let gone = job.n_gone().filter(|n_gone| *n_gone > 0);
        let gone = gone.map(|n| format!("{} of the counted ones: {}", number(n), operator::why_gone(&job.action)));
        let gone = gone.map(|gone| sentence(&gone)).unwrap_or_default();
        let (state, tone, why) = match job.state {
            JobState::Waiting => ("waiting", "quiet", "It waits for another job.".into()),
            JobState::Running => ("running", "running", String::new()),
            JobState::Done => ("done", "good", String::new()),
            JobState::Ended(why) => ("ended early", "bad", why),
        };
        Self {
            frame,
            id: job.id,
            action: sentence(&operator::of_action(&job.action)),
            who: job.who,
            asked: instant(job.asked_at),
            state,
            tone,
            why,
            expected: format!("{}{}", if counted.is_all { "" } else { "at least " }, number(counted.n)),
            gone,
            seen: number(job.n_seen),
            did: match &job.action {
                // The verification follows; what it finds stands in the quarantine, and in the events.
                Action::Verify(..) => "Verified again",
                _ => "Done",
            },
            done: number(job.n_done),
            is_over,
        }
    }
}
