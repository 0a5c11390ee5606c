//! The API on the admin listener, over HTTP.

mod counts;
mod deliveries;
mod docs;
mod events;
mod logs;
pub mod operations;
mod probes;
mod sink_states;
mod stream;

use reelhook::simulator::payload::Recording;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::test_app::{Settings, TestApp};

/// Settings with tokens: each one's text is its name, and its scopes are these.
fn with_tokens(tokens: &[(&str, &str)]) -> Settings {
    let lines = tokens.iter().map(|(token, scopes)| {
        let sha256: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[admin.tokens]]\nname = \"{token}\"\nsha256 = \"{sha256}\"\nscopes = [{scopes}]\n")
    });
    Settings { more: lines.collect(), ..Settings::default() }
}

/// An answer of the API.
#[derive(Debug)]
struct Reply {
    status: u16,
    body: Value,
}

/// Asks the API, by a token where one is named, with a body where there is one.
async fn ask(app: &TestApp, (method, path): (&str, &str), token: Option<&str>, body: Option<Value>) -> Reply {
    let url = format!("http://{}/v1.0/{path}", app.admin);
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

async fn get(app: &TestApp, path: &str) -> Reply {
    ask(app, ("GET", path), None, None).await
}

async fn post(app: &TestApp, path: &str, body: Option<Value>) -> Reply {
    ask(app, ("POST", path), None, body).await
}

/// Posts, as Graph, that a recording with a client context was completed.
async fn completed(app: &mut TestApp, client_context: &str) {
    let item = Recording::new(&mut app.seed).client_context(client_context).completed();
    assert_eq!(app.post_calls(&[item]).await.status, 202);
}
