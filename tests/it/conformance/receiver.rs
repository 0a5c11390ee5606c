//! A small receiver that does everything right, and one thing wrong if it is told: the fault has the name of the check
//! that must find it.

use std::collections::HashSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::http::Method;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use parking_lot::Mutex;
use reelhook::clock::Clock;
use reelhook::simulator::conformance::{Observer, Place};
use reelhook::simulator::{Certificate, Client, DEMO_APP_ID, DEMO_TENANT, Graph, Identity, Paths};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::content::Content;
use super::proof::Proof;
use super::restarts::{self, Restarts};

pub const CLIENT_STATE: &str = "secret";

// One for all: keys take long to make.
static KEYS: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::new(Clock::system()).unwrap());

/// What the receiver is.
pub struct Receiver {
    fault: &'static str,
    proof: Proof,
    content: Content,
    delivered: PathBuf,
    seen: Mutex<HashSet<Vec<u8>>>,
    held: Mutex<Option<String>>,
    stumbles: AtomicBool,
    writes_at_once: AtomicBool,
    n_taken: AtomicUsize,
    paths: Paths,
}

/// A running receiver with Graph in front of it.
pub struct Running {
    pub graph: Graph,
    pub address: SocketAddr,
    pub folder: TempDir,
    _servers: JoinSet<std::io::Result<()>>,
}

impl Running {
    pub fn delivered(&self) -> PathBuf {
        self.folder.path().join("delivered.jsonl")
    }

    /// A shell command that takes it down and starts it again: what it had in memory is gone.
    pub fn restart_command(&self) -> String {
        restarts::command(self.folder.path())
    }

    /// A shell command that takes it down for good.
    pub fn kill_command(&self) -> String {
        restarts::command_for_good(self.folder.path())
    }

    /// What was delivered before the answer is there at once, so nothing is waited for.
    pub fn observer(&self) -> Observer {
        let (mut observer, _) = Observer::start(Place::File(self.delivered())).unwrap();
        (observer.patience, observer.grace) = Default::default();
        observer
    }
}

/// Graph, towards an address.
pub fn graph(address: SocketAddr, identity: Identity) -> Graph {
    Graph {
        client: Client::new(&format!("http://{address}")).unwrap(),
        identity,
        app_id: DEMO_APP_ID.into(),
        tenant: DEMO_TENANT.into(),
        client_state: Some(CLIENT_STATE.into()),
        certificate: Some(Certificate::in_file("cert-1", &KEYS.path().join("cert-1.pem")).unwrap()),
        paths: Paths::default(),
    }
}

/// Runs a receiver with a fault; with none if that is empty.
pub fn start(fault: &'static str) -> Running {
    let paths = Paths::default();
    start_at(fault, paths)
}

pub fn start_at(fault: &'static str, paths: Paths) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut graph = graph(([127, 0, 0, 1], 1).into(), IDENTITY.clone());
    graph.paths = paths.clone();
    let receiver = Data::new(Receiver {
        fault,
        proof: Proof::new(&graph.identity.key_set(), fault),
        content: Content::new(graph.certificate.as_ref().unwrap(), fault),
        delivered: folder.path().join("delivered.jsonl"),
        seen: Mutex::default(),
        held: Mutex::default(),
        stumbles: AtomicBool::default(),
        writes_at_once: AtomicBool::default(),
        n_taken: AtomicUsize::default(),
        paths,
    });
    let is_bounded = !fault.ends_with("bounds-bodies");
    let most_bytes = if is_bounded { 1024 * 1024 } else { 64 * 1024 * 1024 };
    let app_of = receiver.clone();
    let app = move || {
        let routes = App::new().app_data(app_of.clone()).app_data(PayloadConfig::new(most_bytes));
        routes.default_service(web::to(answer))
    };
    let restarts = Restarts::new(folder.path());
    let address = restarts.address();
    graph.client = Client::new(&format!("http://{address}")).unwrap();
    let mut servers = JoinSet::new();
    servers.spawn(restarts.serve(move |listener| {
        receiver.held.lock().take();
        HttpServer::new(app.clone()).workers(1).disable_signals().listen(listener).unwrap().run()
    }));
    Running { graph, address, folder, _servers: servers }
}

async fn answer(this: Data<Receiver>, request: HttpRequest, body: Result<Bytes, actix_web::Error>) -> HttpResponse {
    if request.method() != Method::POST && !this.is("handshake-by-post-alone") {
        return HttpResponse::MethodNotAllowed().finish();
    }
    if let Some(token) = this.handshake_token(&request) {
        return this.echo(&request, &token);
    }
    let is_of_calls = request.path() == this.paths.calls;
    if is_of_calls && let Some(refused) = this.proof.refusal_of_call(&request) {
        return refused;
    }
    let Ok(body) = body else { return HttpResponse::PayloadTooLarge().finish() };
    if request.headers().contains_key("content-encoding") {
        let faults = ["calls-refuses-compression", "notifications-refuses-compression"];
        return if faults.contains(&this.fault) { accepted() } else { HttpResponse::UnsupportedMediaType().finish() };
    }
    if let Some(stumbled) = this.stumble(&request, &body) {
        return stumbled;
    }
    match serde_json::from_slice::<Value>(&body) {
        Err(_) if this.is("calls-refuses-what-is-no-json") => accepted(),
        Err(_) if this.is("notifications-survives-what-is-no-json") && body.len() < 20 => {
            HttpResponse::InternalServerError().finish()
        }
        Err(_) => {
            this.writes_at_once.store(true, Ordering::SeqCst);
            HttpResponse::BadRequest().finish()
        }
        Ok(body) if !body["value"].is_array() && !this.is("calls-hands-back-the-skype-format") => {
            HttpResponse::NoContent().finish()
        }
        Ok(body) if is_of_calls => this.take_calls(&body),
        Ok(body) => this.take_changes(&body),
    }
}

fn accepted() -> HttpResponse {
    HttpResponse::Accepted().finish()
}

impl Receiver {
    fn is(&self, fault: &str) -> bool {
        self.fault == fault
    }

    /// As the path's own fault: those of both channels have one name after the channel.
    fn is_of(&self, request: &HttpRequest, fault: &str) -> bool {
        let channel = if request.path() == self.paths.calls { "calls" } else { "notifications" };
        self.fault.strip_prefix(channel).is_some_and(|rest| rest == fault)
    }

    fn handshake_token(&self, request: &HttpRequest) -> Option<String> {
        let query = request.query_string();
        if self.is("handshake-echoes-the-decoded-token") {
            return query.split("validationToken=").nth(1).map(str::to_owned);
        }
        if self.is("handshake-at-the-lifecycle-url") && request.path() == self.paths.lifecycle {
            return None;
        }
        let is_first = query.starts_with("validationToken=");
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let token = pairs.find(|(key, _)| key == "validationToken").map(|(_, token)| token.into_owned());
        token.filter(|_| is_first || !self.is("handshake-among-other-parameters"))
    }

    fn echo(&self, request: &HttpRequest, token: &str) -> HttpResponse {
        let mut token = token.to_owned();
        let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut answer = HttpResponse::Ok();
        if self.is("handshake-decodes-like-a-form") {
            let again = url::form_urlencoded::parse(token.as_bytes()).next().map(|(key, _)| key.into_owned());
            token = again.unwrap_or_default();
        }
        if self.is("handshake-sets-no-headers") {
            for (name, value) in token.split("\r\n").filter_map(|line| line.split_once(": ")) {
                answer.insert_header((name, value));
            }
        }
        let is_empty = token.is_empty() && !self.is("handshake-refuses-an-empty-token");
        let is_odd = token.contains(char::is_control) && !self.is("handshake-sets-no-headers");
        let is_long = token.len() > 4096 && !self.is("handshake-bounds-the-token");
        if is_empty || is_odd || is_long {
            return HttpResponse::BadRequest().finish();
        }
        let wants_html = self.is("handshake-without-script") && accept.contains("text/html");
        answer.content_type(if wants_html { "text/html" } else { "text/plain; charset=utf-8" });
        if !self.is("handshake-is-hardened") {
            answer.insert_header(("x-content-type-options", "nosniff"));
        }
        answer.body(token)
    }

    /// The faults of reading a body.
    fn stumble(&self, request: &HttpRequest, body: &[u8]) -> Option<HttpResponse> {
        let text = String::from_utf8_lossy(body);
        let (has, refused) = (|what: &str| text.contains(what), HttpResponse::BadRequest().finish());
        if self.stumbles.swap(false, Ordering::SeqCst) {
            return Some(HttpResponse::ServiceUnavailable().finish());
        }
        if self.is_of(request, "-survives-deep-nesting") {
            self.stumbles.store(has("[[[["), Ordering::SeqCst);
        }
        let is_repeat = !self.seen.lock().insert(body.to_vec());
        let at_lifecycle = request.path() == self.paths.lifecycle;
        let is_refused = match self.fault {
            "calls-accepts-every-dialect" => has("recordResourceLocation"),
            "calls-accepts-old-dialects" => has("/app/calls/") && !has("resourceUrl"),
            "calls-accepts-other-resources" => has("playPromptOperation"),
            "calls-accepts-unknown-neighbours" => has("somethingNew"),
            "calls-accepts-late-ones" => has("\"establishing\""),
            "notifications-accepts-changes" => !at_lifecycle,
            "notifications-accepts-every-dialect" => has("newInEveryWay"),
            "notifications-accepts-old-dialects" => has("organizationId") && !at_lifecycle,
            "lifecycle-accepts-every-event" => has("subscriptionRemoved"),
            "lifecycle-accepts-old-spelling" => has("organizationId") && at_lifecycle,
            "lifecycle-accepts-new-events" => has("somethingNew"),
            "lifecycle-at-the-notification-url" => has("lifecycleEvent") && has("changeType"),
            "encrypted-accepts-genuine-items" => has("encryptedContent"),
            "notifications-judges-items-alone" => has(",7,"),
            "notifications-tells-strangers-nothing" => has("changeType") && !has(&format!(":\"{CLIENT_STATE}\"")),
            _ => {
                (self.is_of(request, "-accepts-repeats") && is_repeat)
                    || (self.is_of(request, "-accepts-no-items") && has("\"value\":[]"))
            }
        };
        if self.is_of(request, "-survives-odd-text") && has(r"\u0000") {
            return Some(HttpResponse::InternalServerError().finish());
        }
        is_refused.then_some(refused)
    }

    fn take_calls(&self, body: &Value) -> HttpResponse {
        let items = body["value"].as_array().cloned().unwrap_or_default();
        let n = if self.is("calls-accepts-several-items") { 1 } else { items.len() };
        if !self.is("calls-delivers-recordings") {
            items.iter().take(n).for_each(|item| self.deliver(item.to_string()));
        }
        if self.is("calls-answers-202") { HttpResponse::Ok().finish() } else { accepted() }
    }

    fn take_changes(&self, body: &Value) -> HttpResponse {
        let items = body["value"].as_array().cloned().unwrap_or_default();
        let n = if self.is("notifications-accepts-mixed-posts") { 1 } else { items.len() };
        for mut item in items.into_iter().take(n) {
            let is_ours = item["clientState"] == CLIENT_STATE;
            if !is_ours && !self.is("notifications-refuses-another-client-state") {
                continue;
            }
            if item.get("encryptedContent").is_some() {
                if !self.proof.of_change(body) {
                    if self.is("encrypted-tells-strangers-nothing") {
                        return HttpResponse::Unauthorized().finish();
                    }
                    continue;
                }
                let Some(content) = self.content.read(&item["encryptedContent"]) else { continue };
                item["resourceData"] = content;
            }
            if !self.is("notifications-delivers-changes") {
                self.deliver(item.to_string());
            }
        }
        accepted()
    }

    /// Whether the item is lost: they are counted from 1.
    fn loses(&self, nth: usize) -> bool {
        match self.fault {
            "calls-delivers-all-that-was-accepted" | "notifications-delivers-all-that-was-accepted" => nth == 1,
            fault => {
                let number = |before: &str| fault.strip_prefix(before).and_then(|number| number.parse::<usize>().ok());
                number("loses item ").is_some_and(|lost| nth == lost)
                    || number("loses each item of ").is_some_and(|of| nth.is_multiple_of(of))
            }
        }
    }

    fn deliver(&self, line: String) {
        if self.loses(self.n_taken.fetch_add(1, Ordering::SeqCst) + 1) {
            return;
        }
        // The newest is in memory only, but for the one after a broken body.
        let is_held = self.is("survives-a-crash") && !self.writes_at_once.swap(false, Ordering::SeqCst);
        let mut lines = Vec::from_iter(self.held.lock().take());
        match is_held {
            true => *self.held.lock() = Some(line),
            false => lines.push(line),
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.delivered).unwrap();
        lines.into_iter().for_each(|line| writeln!(file, "{line}").unwrap());
    }
}
