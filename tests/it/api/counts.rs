//! A count looks at a limited number of rows, and says so if there may be more.

use reelhook::sinks::DeliveryError;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{completed, get, post};
use crate::process::eventually;
use crate::test_app::TestApp;

/// Makes 20,001 rows more of the one that a table has: more than a count looks at.
fn multiply(app: &TestApp, columns: &str, values: &str) {
    let database = Connection::open(app.folder.path().join("reelhook.db")).unwrap();
    let numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20001)";
    let n = database.execute(&format!("{columns} {numbers} {values}"), []).unwrap();
    assert_eq!(n, 20_001);
}

/// The number of dead letters, and the header that says that there may be more.
async fn counted(app: &TestApp, query: &str) -> (String, Option<String>) {
    let url = format!("http://{}/v1.0/deadLetters/$count?{query}", app.admin);
    let answer = reqwest::get(url).await.unwrap();
    let header = answer.headers().get("reelhook-count").map(|it| it.to_str().unwrap().to_owned());
    (answer.text().await.unwrap(), header)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_dead_letters_says_at_least_if_it_did_not_look_at_all() {
    let mut app = TestApp::start().await;
    app.first.fail([DeliveryError::Reject { reason: "no".into() }]);
    completed(&mut app, "a").await;
    eventually("there is a dead letter", async || counted(&app, "reason=no").await == ("1".to_owned(), None)).await;
    let dry = async |sink: &str| {
        let asked = json!({ "sink": sink, "reason": "no", "dryRun": true });
        let answer = post(&app, "deadLetters/replay", Some(asked)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.body["matchedCount"].clone(), answer.body["isAtLeast"].clone())
    };
    assert_eq!(dry("first").await, (json!(1), Value::Null));

    multiply(
        &app,
        "INSERT INTO deliveries (seq, id, state, at, is_leased, lease_token, n_attempts, created_at, sink, route, reason)",
        "SELECT d.seq + n.x, randomblob(16), 3, d.at, 0, 0, 1, d.created_at, d.sink, d.route, d.reason FROM deliveries d, n",
    );
    assert_eq!(counted(&app, "reason=no").await, ("20000".to_owned(), Some("at-least".to_owned())));
    assert_eq!(counted(&app, "reason=no&sink=first").await, ("20000".to_owned(), Some("at-least".to_owned())));
    assert_eq!(counted(&app, "reason=no&sink=second").await, ("0".to_owned(), None), "it has none to look at");
    assert_eq!(dry("first").await, (json!(20_000), json!(true)));
    assert_eq!(dry("second").await, (json!(0), Value::Null));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_quarantine_entries_says_at_least_if_it_did_not_look_at_all() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some("another state than the configured".into());
    let item = app.graph.change(&mut app.seed).basic();
    app.post_changes(&[item], false).await;
    let dry = async |asked: Value| {
        let answer = post(&app, "quarantine/replay", Some(asked)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.body["count"].clone(), answer.body["isAtLeast"].clone())
    };
    let of_reason = json!({ "reason": "client_state", "dryRun": true });
    assert_eq!(dry(of_reason.clone()).await, (json!(1), Value::Null));

    multiply(
        &app,
        "INSERT INTO quarantine (received_at, channel, reason, n_bytes, sealed, class)",
        "SELECT q.received_at, q.channel, q.reason, q.n_bytes, q.sealed, q.class FROM quarantine q, n",
    );
    assert_eq!(dry(of_reason).await, (json!(20_000), json!(true)));
    let of_another = json!({ "reason": "jwt_missing", "dryRun": true });
    assert_eq!(dry(of_another).await, (json!(0), json!(true)), "it did not look at all of them");
    assert_eq!(get(&app, "quarantine?$top=1").await.body["value"].as_array().unwrap().len(), 1);
    app.stop().await;
}
