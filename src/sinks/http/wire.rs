//! The exchange of one attempt over HTTP, as it is seen. It is put into words only if somebody wants to know it.
//!
//! **Invariants**
//! 1. A secret that was sent is told neither in the request nor in the answer: the answer's headers and its body are
//!    masked. If the secrets cannot be found for sure, the answer's headers and body are left out.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap};
use reqwest::{Request, Response};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::hidden::{Hidden, is_told_by};
use crate::domain::{Answered, Body, Event, Exchange, HIDDEN, Headers, MAX_BODY_BYTES, MAX_LINE_CHARS, Sent};
use crate::sinks::Seen;
use crate::sinks::masks::Masks;
use crate::sinks::signature;
use crate::wording::untrusted_text::cut;

/// The header `user-agent` of each request.
pub(super) const USER_AGENT: &str = concat!("reelhook/", env!("CARGO_PKG_VERSION"));

/// The exchange of one attempt.
pub(super) struct Wire {
    hidden: Arc<Hidden>,
    headers: HeaderMap,
    n_body_bytes: usize,
    /// The event whose secrets were sent.
    with_secrets_of: Option<Arc<Event>>,
    answer: Mutex<Option<Answer>>,
    /// Made when they are asked for: a failed attempt asks twice, most others never.
    masks: OnceLock<Masks>,
}

struct Answer {
    line: String,
    headers: HeaderMap,
    body: Vec<u8>,
    is_whole: bool,
}

impl Wire {
    /// For a request; `with_secrets_of` is its event if the event's secrets are sent.
    pub(super) fn of(hidden: Arc<Hidden>, request: &Request, with_secrets_of: Option<Arc<Event>>) -> Self {
        let n_body_bytes = request.body().and_then(reqwest::Body::as_bytes).map_or(0, <[u8]>::len);
        let (headers, answer, masks) = (request.headers().clone(), Mutex::default(), OnceLock::new());
        Self { hidden, headers, n_body_bytes, with_secrets_of, answer, masks }
    }

    /// Notes the head of the answer.
    pub(super) fn answered(&self, response: &Response) {
        let line = format!("{:?} {}", response.version(), response.status().as_u16());
        let headers = response.headers().clone();
        *self.answer.lock() = Some(Answer { line, headers, body: Vec::new(), is_whole: false });
    }

    /// Notes a piece of the answer's body.
    pub(super) fn read(&self, piece: &[u8]) {
        if let Some(answer) = &mut *self.answer.lock() {
            let room = (MAX_BODY_BYTES + 1).saturating_sub(answer.body.len());
            answer.body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    /// Notes that the answer ended.
    pub(super) fn ended(&self) {
        if let Some(answer) = &mut *self.answer.lock() {
            answer.is_whole = true;
        }
    }

    /// A piece of the answer's body, without the secrets that were sent; `None` if they cannot be found in it for sure.
    pub(super) fn shown(&self, piece: &[u8]) -> Option<String> {
        let masks = self.masks();
        let is_shown = masks.are_sure() && (is_searchable(piece) || !self.sends_secrets());
        is_shown.then(|| masks.masked_text(piece))
    }

    fn masks(&self) -> &Masks {
        self.masks.get_or_init(|| self.new_masks())
    }

    fn new_masks(&self) -> Masks {
        let mut secrets: Vec<String> = self.hidden.secrets().map(str::to_owned).collect();
        secrets.extend(self.headers.get(signature::HEADER).and_then(|it| it.to_str().ok()).map(str::to_owned));
        secrets.extend(self.token().map(str::to_owned));
        if let Some(event) = &self.with_secrets_of {
            secrets.extend(event.recording_access_token.as_ref().map(|token| token.expose_secret().to_owned()));
            let others = event.secrets.as_ref().and_then(|it| serde_json::from_str(it.expose_secret()).ok());
            texts(&others.unwrap_or_default(), &mut secrets);
        }
        Masks::of(secrets.iter().map(String::as_str))
    }

    /// Whether the request holds secrets beside its signature, which is worth nothing after some minutes.
    fn sends_secrets(&self) -> bool {
        self.with_secrets_of.is_some() || self.hidden.secrets().next().is_some() || self.token().is_some()
    }

    /// The bearer token of the request.
    fn token(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
    }

    fn sent(&self) -> Sent {
        let mut headers = Headers::default();
        headers.add("host", &self.hidden.host);
        for (name, value) in &self.headers {
            let value = if value.is_sensitive() { HIDDEN.into() } else { String::from_utf8_lossy(value.as_bytes()) };
            headers.add(name.as_str(), &value);
        }
        // The client adds these.
        for (name, value) in [("accept", "*/*"), ("user-agent", USER_AGENT)] {
            if !self.headers.contains_key(name) {
                headers.add(name, value);
            }
        }
        headers.add("content-length", &self.n_body_bytes.to_string());
        let line = format!("POST {} HTTP/1.1", self.hidden.target);
        Sent { line: cut(&line, MAX_LINE_CHARS).to_owned(), headers }
    }
}

impl Seen for Wire {
    fn exchange(&self) -> Exchange {
        let masks = self.masks();
        let answer = self.answer.lock().as_ref().map(|answer| answer.told(masks, self.sends_secrets()));
        Exchange { request: self.sent(), answer }
    }
}

impl Answer {
    fn told(&self, masks: &Masks, sends_secrets: bool) -> Answered {
        let line = self.line.clone();
        let is_body_cut = !self.is_whole || self.body.len() > MAX_BODY_BYTES;
        if !masks.are_sure() {
            let why = "the answer may repeat a secret of this sink that reelhook cannot find in it, because fewer than 4 characters of \
                       the secret count (white space, control characters and + do not)";
            return Answered { line, headers: Headers::left_out(why), body: Body::LeftOut(why.into()), is_body_cut };
        }
        let headers = self.told_headers(masks);
        let body = match self.headers.get(CONTENT_ENCODING).filter(|it| sends_secrets && *it != "identity") {
            Some(_) => Body::LeftOut("it is compressed, and may repeat a secret that was sent".into()),
            None if sends_secrets && !is_searchable(&self.body) => {
                Body::LeftOut("it is no text in UTF-8, and may repeat a secret that was sent".into())
            }
            None => Body::of(masks.masked(&self.body[..self.body.len().min(MAX_BODY_BYTES)])),
        };
        Answered { line, headers, body, is_body_cut }
    }

    fn told_headers(&self, masks: &Masks) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in &self.headers {
            if !headers.has_room() {
                headers.is_cut = true;
                break;
            }
            let seen = &value.as_bytes()[..value.len().min(MAX_BODY_BYTES)];
            headers.is_cut |= seen.len() < value.len();
            let shown = if is_told_by(name.as_str()) { HIDDEN.into() } else { masks.masked_text(seen) };
            headers.add(&masks.masked_text(name.as_str().as_bytes()), &shown);
        }
        headers
    }
}

/// Whether secrets are found in bytes: they are UTF-8, but for a last character that was cut, and not UTF-16.
fn is_searchable(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_text| true)
}

/// The texts and numbers in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => found.push(number.to_string()),
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(members) => members.values().for_each(|value| texts(value, found)),
    }
}
