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
    /// What `expected` counts.
    counted: &'static str,
    expected: String,
    /// Why it did fewer than were counted.
    gone: String,
    /// What `done` counts.
    did: &'static str,
    done: String,
    /// Its other numbers.
    others: Vec<Number>,
    is_over: bool,
}

/// A number of a job.
struct Number {
    /// Its name for tests.
    hook: &'static str,
    label: &'static str,
    n: String,
}

/// The routes of this page.
pub fn routes(config: &mut ServiceConfig) {
    config.route("/jobs/{id}", web::get().to(page));
}

async fn page(desk: Data<Desk>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let visitor = desk.enter(&request, Scope::Read)?;
    let found = match id.parse() {
        Ok(id) => desk.console.operator.progress(id).await?,
        Err(_no_number) => None,
    };
    let missing = "There is no such job. The server remembers its last 100 jobs, and none after a restart. The log has what each job did.";
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
        let others = others(&job);
        let gone = job.n_gone().filter(|n_gone| *n_gone > 0);
        let gone = gone.map(|n| format!("{} of the counted ones: {}", number(n), operator::why_gone(&job.action)));
        let gone = gone.map(|gone| sentence(&gone)).unwrap_or_default();
        let (state, tone, why) = match job.state {
            JobState::Waiting => ("waiting", "quiet", "It waits for another job.".into()),
            JobState::Running => ("running", "running", String::new()),
            JobState::Done if job.is_judging => ("running", "running", String::new()),
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
            counted: match &job.action {
                Action::Verify(..) => "Entries counted before",
                Action::Replay(_) => "Dead letters counted before",
                Action::Route(_) => "Events that match a route, counted before",
                Action::Resend(_) => "Deliveries to send again, counted before",
            },
            expected: format!("{}{}", if counted.is_all { "" } else { "at least " }, number(counted.n)),
            gone,
            did: match &job.action {
                Action::Verify(..) => "Sent to be checked again",
                Action::Replay(_) => "Replayed",
                Action::Route(_) => "Routed",
                Action::Resend(_) => "Made again",
            },
            done: number(job.n_done),
            others,
            is_over,
        }
    }
}

/// What a job counts beside what it did.
fn others(job: &Progress) -> Vec<Number> {
    let of = |hook, label, n| Number { hook, label, n: number(n) };
    match &job.action {
        Action::Verify(..) => {
            let n_left = job.n_unjudged();
            let left = if job.is_over() { "Removed before the check" } else { "Not checked yet" };
            let left = (n_left > 0).then(|| of("job-left", left, n_left));
            let judged = [
                of("job-accepted", "Accepted", job.judged.n_accepted),
                of("job-refused", "Refused again", job.judged.n_refused),
            ];
            judged.into_iter().chain(left).collect()
        }
        Action::Replay(_) => Vec::new(),
        Action::Route(_) => vec![of("job-seen", "Unmatched events looked at", job.n_seen)],
        Action::Resend(_) => vec![of("job-seen", "Deliveries looked at, of all sinks", job.n_seen)],
    }
}
