//! Plays a record: the requests as they came, with tokens made anew.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

use super::json_text::rewritten;
use super::line::{self, CLIENT_STATE, Line};
use crate::simulator::client::Post;
use crate::simulator::scenario::Step;
use crate::simulator::scenario::without_query;
use crate::simulator::{Graph, SimulatorError};

/// A record that was read.
#[derive(Debug)]
pub struct Replay {
    lines: Vec<Line>,
}

/// What was done with a request of a record.
#[derive(Debug)]
pub enum Played {
    /// It was sent.
    Sent(Box<Step>),
    /// It was sent, and any answer is right: it was not answered 2xx when it was recorded.
    Unjudged(Box<Step>),
    /// It was not: why.
    Skipped(String),
}

impl Replay {
    /// Reads a record; `file` is how its mistakes name it.
    ///
    /// # Errors
    /// The first line that is no request of a record, or that there is none.
    pub fn read(file: &str, text: &str) -> Result<Self, SimulatorError> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |error| SimulatorError::Record { at: format!("{file}:{}", at + 1), found: found(&error) };
            lines.push(serde_json::from_str(line).map_err(wrong)?);
        }
        match lines.is_empty() {
            true => Err(SimulatorError::Record { at: file.to_owned(), found: "nothing to send".into() }),
            false => Ok(Self { lines }),
        }
    }

    /// How many requests it has.
    pub fn n_requests(&self) -> usize {
        self.lines.len()
    }

    /// Whether each of them is a POST.
    pub fn has_only_posts(&self) -> bool {
        self.lines.iter().all(|line| line.method == "POST")
    }

    /// Sends the requests in their order. A pause is as long as it was, but at most `longest_pause`. Returns whether
    /// every request that was answered 2xx is answered 2xx again. Ends early where nobody listens.
    ///
    /// # Errors
    /// A token could not be made.
    pub async fn play(
        &self,
        graph: &Graph,
        longest_pause: Duration,
        mut tell: impl FnMut(&Played),
    ) -> Result<bool, SimulatorError> {
        let (mut made, mut all_well) = (Made::default(), true);
        for (number, line) in self.lines.iter().enumerate() {
            let post = match made.post(line, graph)? {
                Ok(post) => post,
                Err(why) => {
                    tell(&Played::Skipped(format!("request {}: {why}", number + 1)));
                    continue;
                }
            };
            let pause = Duration::from_millis(line.after_ms).min(longest_pause);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let (path, what) = (without_query(&post.path), what(line, number));
            let step = Step::new("replay", &what, path, graph.send(post).await);
            let is_over = step.has_no_listener();
            let is_judged = (200..300).contains(&line.answer);
            let step = Box::new(if is_judged { step } else { step.taking_any_answer() });
            all_well &= step.fault().is_none();
            tell(&if is_judged { Played::Sent(step) } else { Played::Unjudged(step) });
            if is_over {
                return Ok(false);
            }
        }
        Ok(all_well)
    }
}

/// What is wrong with a line. Its number is told beside it.
fn found(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "a line that is not whole: its end is missing".into();
    }
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(text) if error.is_data() => format!("{text} (column {})", error.column()),
        Some(text) => format!("a text that is not JSON (column {}: {text})", error.column()),
        None => text,
    }
}

fn what(line: &Line, number: usize) -> String {
    let answer = match line.answer {
        0 => "was not answered".to_owned(),
        status => format!("was answered {status}"),
    };
    format!("request {}, which {answer}", number + 1)
}

/// What is made anew. What was equal in the record is equal again.
#[derive(Default)]
struct Made {
    tokens: BTreeMap<usize, String>,
    messages: BTreeMap<String, Uuid>,
}

impl Made {
    /// The request of a line, or why there is none.
    fn post(&mut self, line: &Line, graph: &Graph) -> Result<Result<Post, String>, SimulatorError> {
        if let Some(why) = &line.left_out {
            return Ok(Err(why.clone()));
        }
        let Ok(method) = Method::from_bytes(line.method.as_bytes()) else {
            return Ok(Err(format!("{:?} is no method", line.method)));
        };
        let body = line.body.as_ref().map_or("", |body| body.get());
        let (mut is_encrypted, mut failed) = (false, None);
        let text = rewritten(body, |keys, value| {
            is_encrypted |= keys.iter().any(|key| key.eq_ignore_ascii_case("encryptedContent"));
            self.text(keys, value, graph).unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if is_encrypted {
            return Ok(Err("it has encrypted content, which no key of the simulator can make anew".into()));
        }
        let mut post = Post { method, ..Post::new(line.path.as_str(), text.unwrap_or_default()) };
        for (name, value) in &line.heads {
            let value = self.head(name, value, graph)?;
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                post.headers.append(name, value);
            }
        }
        Ok(Ok(post))
    }

    /// A text of the body; `None`: as it is.
    fn text(&mut self, keys: &[&str], value: &str, graph: &Graph) -> Result<Option<String>, SimulatorError> {
        if value == CLIENT_STATE && keys.last().is_some_and(|key| key.eq_ignore_ascii_case("clientState")) {
            return Ok(graph.client_state.clone());
        }
        if let Some(number) = line::number_of_token(value) {
            let token =
                self.tokens.entry(number).or_insert_with(|| format!("replayed-token-{}", Uuid::new_v4().simple()));
            return Ok(Some(token.clone()));
        }
        let Some((version, tenant)) = line::parts_of_validation_token(value) else { return Ok(None) };
        let token = match version {
            "1.0" => graph.identity.validation_token_v1(&graph.app_id, tenant),
            _ => graph.identity.validation_token_v2(&graph.app_id, tenant),
        };
        token.sign().map(Some)
    }

    fn head(&mut self, name: &str, value: &str, graph: &Graph) -> Result<String, SimulatorError> {
        if let Some(tenant) = line::tenant_of_bearer(value) {
            let tenant = if tenant == "no tenant" { &graph.tenant } else { tenant };
            return Ok(format!("Bearer {}", graph.identity.calls_token(&graph.app_id, tenant).sign()?));
        }
        // By a message's id a receiver knows a repeat: the same record played twice is not one.
        if name.starts_with("x-microsoft-skype-") && name.ends_with("message-id") {
            return Ok(self.messages.entry(value.to_owned()).or_insert_with(Uuid::new_v4).to_string());
        }
        Ok(value.to_owned())
    }
}
