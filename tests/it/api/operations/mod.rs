//! The operations as Graph's resource, over HTTP.

mod document;
mod errors;
mod life;
mod lists;
mod many;
mod waiting;

use reelhook::simulator::payload::Recording;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::test_app::{Settings, TestApp};

/// Where all operations are.
pub const ALL: &str = "/v1.0/communications/recordOperations";

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Reply {
    /// The text of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code and the finer code of an error.
    pub fn codes(&self) -> (&str, &str) {
        let error = &self.body["error"];
        (error["code"].as_str().unwrap_or_default(), error["innerError"]["code"].as_str().unwrap_or_default())
    }

    /// The text of an error.
    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The client contexts of a list.
    pub fn contexts(&self) -> Vec<&str> {
        let rows = self.body["value"].as_array().unwrap_or_else(|| panic!("no list: {self:?}"));
        rows.iter().map(|row| row["clientContext"].as_str().unwrap()).collect()
    }
}

/// Asks a server of the API; `at` is an address, or a path of the admin listener.
pub async fn ask(app: &TestApp, (method, at): (&str, &str), headers: &[(&str, &str)], body: Option<Value>) -> Reply {
    let url = if at.starts_with("http") { at.to_owned() } else { format!("http://{}{at}", app.admin) };
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    Reply { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

/// Gets.
pub async fn get(app: &TestApp, at: &str) -> Reply {
    ask(app, ("GET", at), &[], None).await
}

/// Gets with a query, its values not yet encoded.
pub async fn query(app: &TestApp, path: &str, options: &[(&str, &str)]) -> Reply {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(options);
    get(app, &format!("{path}?{}", text.finish())).await
}

/// Announces an operation.
pub async fn announce(app: &TestApp, body: Value) -> Reply {
    ask(app, ("POST", ALL), &[], Some(body)).await
}

/// Announces one that must be new, and tells its path.
pub async fn announced(app: &TestApp, client_context: &str) -> String {
    let reply = announce(app, json!({ "clientContext": client_context })).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    format!("{ALL}/{}", reply.body["id"].as_str().unwrap())
}

/// A recording with a client context.
pub fn recording(app: &mut TestApp, client_context: &str) -> Recording {
    Recording::new(&mut app.seed).client_context(client_context)
}

/// Has Graph say that a recording was completed, and tells the operation's path.
pub async fn completed(app: &mut TestApp, client_context: &str) -> String {
    let recording = recording(app, client_context);
    assert_eq!(app.post_calls(&[recording.completed()]).await.status, 202);
    format!("{ALL}/{}", recording.operation)
}

/// Settings with tokens: each one's text is its name, and its scopes are these.
pub fn with_tokens(tokens: &[(&str, &str)]) -> Settings {
    let lines = tokens.iter().map(|(token, scopes)| {
        let sha256: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[admin.tokens]]\nname = \"{token}\"\nsha256 = \"{sha256}\"\nscopes = [{scopes}]\n")
    });
    Settings { more: lines.collect(), ..Settings::default() }
}
