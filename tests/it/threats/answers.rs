//! What the threats' tests say again and again: send this, it is answered so, refused for that, and goes on.

use std::collections::BTreeMap;

use reelhook::simulator::client::Post;
use reelhook::simulator::payload::{self, Recording};
use reelhook::simulator::{Answer, Graph};
use serde_json::{Map, Value};

use crate::test_app::TestApp;

/// The answer to a body that is none.
pub const BAD_REQUEST: (u16, &str) = (400, "bad request\n");
/// The answer to what is well-formed, whatever it is worth.
pub const ACCEPTED: (u16, &str) = (202, "");

/// Sends what must be answered so, and refused so often for these reasons and no others.
pub async fn refused(app: &TestApp, post: Post, (status, body): (u16, &str), reasons: &[(&str, f64)]) -> Answer {
    let before = app.rejections().await;
    let shown = String::from_utf8_lossy(&post.body[..post.body.len().min(300)]).into_owned();
    let answer = app.send(post).await;
    assert_eq!((answer.status, answer.body.as_ref()), (status, body.as_bytes()), "{shown}");
    let mut counted = app.rejections().await;
    counted.retain(|name, n| {
        *n -= before.get(name).unwrap_or(&0.0);
        *n > 0.0
    });
    let expected: BTreeMap<String, f64> = reasons.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    assert_eq!(counted, expected, "{shown}");
    answer
}

/// A good recording is delivered: nothing broke, and nothing else has arrived but these client contexts and `n` without
/// any.
pub async fn still_delivers(app: &mut TestApp, n: usize, contexts: &[&str]) {
    let fence = Recording::new(&mut app.seed).client_context("fence").completed();
    assert_eq!(app.post_calls(&[fence]).await.status, 202);
    let mut expected = [contexts, &["fence"]].concat();
    let n = n + expected.len();
    assert_eq!(app.first.wait_for(n).await.len(), n);
    let mut delivered = app.delivered_contexts();
    delivered.sort_unstable();
    expected.sort_unstable();
    assert_eq!(delivered, expected);
}

/// An item with a member replaced by JSON text, or left out where that is empty.
pub fn with(item: &str, key: &str, json: &str) -> String {
    let members: Map<String, Value> = serde_json::from_str(item).unwrap();
    let members = members.into_iter().filter(|(name, _)| name != key);
    let mut members: Vec<String> = members.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    if !json.is_empty() {
        members.push(format!("{}:{json}", Value::from(key)));
    }
    format!("{{{}}}", members.join(","))
}

/// A POST of items on the subscription channel, without tokens.
pub fn notifications(graph: &Graph, items: &[String]) -> Post {
    graph.notifications(items, false).unwrap()
}

#[test]
fn an_item_is_changed_where_it_is_said() {
    let item = payload::Object::new().with("a", 1).with("b", 2).text();
    assert_eq!(with(&item, "a", ""), r#"{"b":2}"#);
    assert_eq!(with(&item, "a", "[3]"), r#"{"b":2,"a":[3]}"#);
}
