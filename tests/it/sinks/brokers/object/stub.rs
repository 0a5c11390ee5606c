//! What Google Cloud Storage does by its XML API (<https://cloud.google.com/storage/docs/xml-api/overview>), as far as these
//! tests ask for it: no emulator of it heeds the precondition by which an object is only created.
//!
//! **Invariants**
//! 1. It judges a request in the order of the service: the login, the bucket, the object's name, the precondition.
//! 2. It gives its token for an assertion of a service account, or to a machine, and takes no other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::sinks::answering::{Answering, Request};

/// The longest name of an object.
const MAX_NAME_BYTES: usize = 1024;

pub struct Stub {
    pub service: Arc<Answering>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The token that it gives and takes. Without one, it takes requests that have none.
    token: Option<String>,
    /// The objects of each bucket.
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    /// How many objects were made.
    n_made: u64,
}

struct Object {
    text: String,
    content_type: String,
    generation: u64,
}

/// An answer: its status, its headers and its body.
type Answered = (u16, String, String);

impl Stub {
    /// Starts it, with the token that it takes.
    pub fn start(token: Option<&str>) -> Self {
        let state = Arc::new(Mutex::new(State { token: token.map(str::to_owned), ..State::default() }));
        let (service, judge) = (Arc::new(Answering::with("")), Arc::clone(&state));
        service.answer_each(move |request| {
            let (status, headers, body) = judge.lock().unwrap().answer(request);
            let n_bytes = body.len();
            format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {n_bytes}\r\n{headers}\r\n{body}")
        });
        Self { service, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.service.address
    }

    /// Takes another token from now on.
    pub fn take(&self, token: &str) {
        self.state.lock().unwrap().token = Some(token.to_owned());
    }

    pub fn make(&self, bucket: &str) {
        self.state.lock().unwrap().buckets.insert(bucket.to_owned(), BTreeMap::new());
    }

    /// The names, media types and texts of the objects in a bucket.
    pub fn objects(&self, bucket: &str) -> Vec<(String, String, String)> {
        let state = self.state.lock().unwrap();
        let Some(objects) = state.buckets.get(bucket) else { return Vec::new() };
        objects.iter().map(|(name, it)| (name.clone(), it.content_type.clone(), it.text.clone())).collect()
    }

    /// The requests to a path.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        let all = self.service.requests().into_iter();
        all.filter(|it| it.head.split(' ').nth(1).unwrap().starts_with(path)).collect()
    }
}

fn refused(status: u16, code: &str, message: &str) -> Answered {
    let body =
        format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    (status, "content-type: application/xml\r\n".into(), body)
}

impl State {
    fn answer(&mut self, request: &Request) -> Answered {
        let mut words = request.head.lines().next().unwrap().split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        if path == "/token" || path.starts_with("/computeMetadata/v1/instance/service-accounts/default/token") {
            let granted = json!({ "access_token": self.token, "expires_in": 3600, "token_type": "Bearer" });
            return (200, "content-type: application/json\r\n".into(), granted.to_string());
        }
        let expected = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if request.header("authorization") != expected.as_deref() {
            return refused(401, "AuthenticationRequired", "Authentication required.");
        }
        let (bucket, name) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let plain = |text| percent_decode_str(text).decode_utf8().unwrap_or_default().into_owned();
        let (bucket, name) = (plain(bucket), plain(name));
        let Some(objects) = self.buckets.get_mut(&bucket) else {
            return refused(404, "NoSuchBucket", "The specified bucket does not exist.");
        };
        if name.is_empty() || name == "." || name == ".." || name.contains(['\r', '\n']) {
            return refused(400, "InvalidArgument", "Invalid argument.");
        }
        if name.len() > MAX_NAME_BYTES {
            return refused(400, "KeyTooLong", "The specified key is too long.");
        }
        let found = objects.get(&name);
        match method {
            "GET" => {
                found.map_or_else(|| refused(404, "NoSuchKey", "The specified key does not exist."), Object::answer)
            }
            "PUT" if !meets(request, found) => {
                refused(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.")
            }
            "PUT" => {
                self.n_made += 1;
                let object = Object::of(request, self.n_made);
                let (status, headers, _) = object.answer();
                objects.insert(name, object);
                (status, headers, String::new())
            }
            _ => refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource."),
        }
    }
}

/// Whether the object that is there, or none, has the generation that the request wants.
fn meets(request: &Request, found: Option<&Object>) -> bool {
    let wanted = request.header("x-goog-if-generation-match").map(|it| it.parse::<u64>().ok());
    wanted.is_none_or(|wanted| wanted == Some(found.map_or(0, |it| it.generation)))
}

impl Object {
    fn of(request: &Request, generation: u64) -> Self {
        let text = String::from_utf8(request.body.clone()).unwrap();
        Self { text, content_type: request.header("content-type").unwrap_or_default().to_owned(), generation }
    }

    fn answer(&self) -> Answered {
        let mut headers = String::from("last-modified: Tue, 24 Nov 2026 05:35:03 GMT\r\n");
        let Self { content_type, generation, .. } = self;
        write!(
            headers,
            "etag: \"{generation}\"\r\nx-goog-generation: {generation}\r\ncontent-type: {content_type}\r\n"
        )
        .unwrap();
        (200, headers, self.text.clone())
    }
}
