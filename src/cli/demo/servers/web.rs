//! A server that is asked by HTTP, in JSON.

use std::net::SocketAddr;

use anyhow::ensure;
use serde_json::Value;

use crate::simulator::Client;
use crate::simulator::client::Post;

/// What it answers; `null` for an answer without a body.
///
/// # Errors
/// It answers nothing, or a refusal.
pub(super) async fn ask(server: SocketAddr, question: Post) -> anyhow::Result<Value> {
    let path = question.path.clone();
    let answer = Client::new(&format!("http://{server}"))?.send(question).await?;
    ensure!(answer.is_2xx(), "{path}: the server answered {}", answer.status);
    Ok(if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body)? })
}
