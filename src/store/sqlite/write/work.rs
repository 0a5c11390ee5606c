//! The work per notification must not grow with the store: these tests count the steps of SQLite's virtual machine for
//! each statement of the intake and of settling, with 10 and with 100,000 rows of everything.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use jiff::Timestamp;
    use rusqlite::Connection;

    use crate::clock::Clock;
    use crate::config;
    use crate::domain::{
        Attempt, Channel, ClientContext, Content, EndedCall, GraphId, NewDelivery, Notification, Outcome, Proof,
        Quarantined, Raw, Reason, RecordOperation, RouteName, Settlement, SinkName, Status, Verified, WhyEnded,
    };
    use crate::store::sqlite::{SqliteStore, plain_settings};
    use crate::store::testing::{exchange, notification};
    use crate::store::{Accepted, Batch, Inbox, Limit, Queue, Receipt, Upkeep};

    const NOW: i64 = 1_800_000_000_000_000;
    /// A statement that reads a bounded number of rows may take this many steps more than with ten rows.
    const FEW_STEPS: i32 = 6_000;

    fn settings(folder: &std::path::Path) -> config::Store {
        config::Store {
            deduplicate: Duration::from_secs(3600),
            token_retention: Duration::from_secs(3600),
            retention: Duration::from_secs(3600),
            quarantine_max_entries: usize::MAX,
            quarantine_max_bytes: u64::MAX,
            ..plain_settings(folder)
        }
    }

    fn operation(id: &str, call: &str, context: &str, status: Status) -> Notification {
        let client_context = ClientContext::new(context);
        let operation = RecordOperation {
            id: GraphId::new(id).unwrap(),
            call_id: GraphId::new(call),
            client_context: client_context.clone(),
            status: status.clone(),
            result_info: None,
            completion_reason: None,
            recording_location: None,
            recording_access_token: None,
            etag: None,
            as_sent: Vec::new(),
            additional: String::new(),
        };
        Notification {
            channel: Channel::Calls,
            resource_type: RecordOperation::TYPE.into(),
            client_context,
            content: Content::Operation(Box::new(operation)),
            raw: Raw(Bytes::from(format!("{id} {call} {context} {status:?}"))),
            ..notification("")
        }
    }

    fn of_graph_id(text: &str) -> Notification {
        Notification { graph_id: Some("id".into()), ..notification(text) }
    }

    fn ended(call: &str) -> Notification {
        let ended = EndedCall { call_id: GraphId::new(call).unwrap(), why: WhyEnded::default() };
        Notification { ended_call: Some(Box::new(ended)), ..notification(call) }
    }

    async fn accept(store: &SqliteStore, told: Vec<Notification>) -> Receipt {
        let to = || {
            vec![NewDelivery { sink: SinkName::new("sink"), route: RouteName::new("all"), captures: BTreeMap::new() }]
        };
        let accepted = |it| Accepted { notification: Verified::declare(it, Proof::BearerToken), deliveries: to() };
        let raw = Raw(Bytes::from_static(b"?"));
        let (channel, tenant_id, held) = (Channel::Calls, None, None);
        let (reason, request) = (Reason::Shape, Arc::default());
        let refused = Quarantined { channel, reason, tenant_id, raw, request, had_client_state: false, held };
        let accepted = told.into_iter().map(accepted).collect();
        let received_at = Timestamp::from_microsecond(NOW).unwrap();
        store.accept(Batch { received_at, accepted, quarantined: vec![refused] }).await.unwrap()
    }

    /// Adds one row of everything.
    async fn seed(store: &SqliteStore) {
        let running = |id: &str, call: &str| operation(id, call, "shared", Status::Running);
        let told = vec![
            running("hot", "call"),
            running("hot", "call"),
            notification("same"),
            of_graph_id("bytes"),
            running("of-many-calls", "one"),
            operation("ended", "call", "other", Status::Completed),
        ];
        accept(store, told).await;
        // A delivery that waits behind the first.
        accept(store, vec![operation("hot", "call", "behind", Status::Running)]).await;
    }

    /// Adds `n` rows of everything, copied from the existing rows.
    #[allow(clippy::too_many_lines, reason = "one statement for each table")]
    fn multiply(connection: &Connection, n: i64) {
        let copies = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n}) \
         SELECT * FROM n"
        );
        let events = |op: &str, hash: &str, filter: &str, from: i64| {
            format!(
                "INSERT INTO events (seq, id, received_at, channel, op_seq, hash, lookup, is_matched, has_token, kind, \
             resource_type, resource, client_context, graph_id, status, op_order, sealed) \
             SELECT {from} + c.i, randomblob(16), received_at, channel, {op}, {hash}, lookup, 1, 0, kind, resource_type, \
             resource, client_context, graph_id, status, op_order, sealed FROM copies c CROSS JOIN events e WHERE {filter}; \
             INSERT INTO lookups_settled (hash, target) SELECT lookup, seq FROM events WHERE seq > {from} AND lookup IS NOT NULL;"
            )
        };
        let hot = "(SELECT op_seq FROM events WHERE client_context = 'shared' LIMIT 1)";
        let by_hash =
            |hash: &str, filter: &str, from| events("op_seq", hash, &format!("{filter} AND e.seq < 100"), from);
        let (m, b) = (1_000_000, "randomblob(16)");
        connection.execute_batch(&format!("BEGIN; CREATE TEMP TABLE copies AS {copies};")).unwrap();
        let statements = [
            by_hash(b, "client_context = 'behind'", m),
            by_hash("hash", "client_context = 'behind'", 2 * m),
            by_hash("hash", "kind = 'chatMessage.created' AND graph_id IS NULL", 3 * m),
            by_hash(b, "graph_id IS NOT NULL", 4 * m),
            // Deliveries that are blocked behind the first, and open, settled and dead ones of other operations.
            format!(
                "INSERT INTO deliveries (seq, id, op_seq, state, at, is_leased, lease_token, n_attempts, created_at, sink, route) \
             SELECT ({m} + i) << 12, randomblob(16), {hot}, 1, {NOW}, 0, 0, 0, {NOW}, 'sink', 'all' FROM copies; \
             INSERT INTO deliveries (seq, id, op_seq, state, at, is_leased, lease_token, n_attempts, created_at, sink, route) \
             SELECT (({m} + i) << 12) + 1 + s.state, randomblob(16), NULL, s.state, {NOW} + 1, 0, 0, 0, {NOW}, 'sink', 'all' \
             FROM copies, (SELECT 0 AS state UNION SELECT 2 UNION SELECT 3) s;"
            ),
            // Calls that share an operation's id, and operations that share a client context and a call.
            format!(
                "INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at) \
             SELECT {m} + i, 'of-many-calls', 'call-' || i, 'shared', 'running', 0, {NOW}, {NOW} FROM copies; \
             INSERT INTO lookups_settled (hash, target) SELECT l.hash, {m} + c.i FROM copies c, \
             (SELECT hash FROM lookups JOIN operations ON seq = target WHERE id = 'of-many-calls' LIMIT 1) l; \
             INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at) \
             SELECT 2 * {m} + i, 'op-' || i, 'call', 'shared', 'completed', 1, {NOW}, {NOW} FROM copies;"
            ),
            // Expectations with one client context, and watches.
            format!(
                "INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at) \
             SELECT 3 * {m} + i, 'announced-' || i, '', 'announced', 'notStarted', 0, {NOW}, {NOW} FROM copies; \
             INSERT INTO expectations (operation, id, state, sinks, waits_for) \
             SELECT 3 * {m} + i, 'announced-' || i, 'waiting', '[]', 'announced' FROM copies; \
             INSERT INTO watches (at, operation, kind) SELECT {NOW} * 2, 3 * {m} + i, 0 FROM copies; \
             INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at) \
             SELECT 4 * {m} + i, 'stale-' || i, 'stale-' || i, 'stale', 'notStarted', 0, {NOW}, {NOW} FROM copies; \
             INSERT INTO expectations (operation, id, state, sinks, waits_for) \
             SELECT 4 * {m} + i, 'stale-' || i, 'waiting', '[]', 'stale' FROM copies;"
            ),
            format!(
                "INSERT INTO quarantine (received_at, channel, reason, n_bytes, sealed) \
             SELECT {NOW}, 'calls', 'shape', 1, x'00' FROM copies; \
             UPDATE quarantine_sizes SET n_entries = n_entries + {n}, n_bytes = n_bytes + {n} WHERE class = 1; \
             INSERT INTO exchanges (delivery, started_at, number, sealed) SELECT ({m} + i) << 12, {NOW}, 1, x'00' FROM copies; \
             UPDATE exchanges_size SET n_entries = n_entries + {n}, n_bytes = n_bytes + {n}; \
             INSERT INTO ended_calls (seq, call_id, ended_at) SELECT {m} + i, 'ended-' || i, {NOW} FROM copies; \
             INSERT INTO rich_subscriptions (id) SELECT 'rich-' || i FROM copies; \
             INSERT INTO upkeep (look_at, event) SELECT {NOW} * 2, {m} + i FROM copies; \
             INSERT INTO unanswered (event) SELECT {m} + i FROM copies; \
             INSERT INTO lookups_recent (hash, target) SELECT random(), {m} + i FROM copies WHERE i < 4000;"
            ),
        ];
        for sql in statements {
            connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
        connection.execute_batch("COMMIT").unwrap();
    }

    /// The notifications that arrive, and the deliveries that are settled.
    async fn work(store: &SqliteStore) {
        let completed = |id: &str, call: &str, context: &str| operation(id, call, context, Status::Completed);
        let told = vec![
            operation("hot", "call", "behind", Status::Running),
            operation("hot", "call", "news", Status::Running),
            notification("same"),
            notification("other"),
            of_graph_id("bytes"),
            of_graph_id("other bytes"),
            operation("of-many-calls", "call-7", "shared", Status::Running),
            operation("of-many-calls", "", "shared", Status::Running),
            completed("of-many-calls", "call-new", "shared"),
            operation("new", "call", "announced", Status::Running),
            completed("new", "call", "announced"),
            operation("news", "stale-9", "stale", Status::Running),
            operation("other news", "new", "stale", Status::Running),
            completed("lone", "lone", ""),
            ended("call"),
        ];
        accept(store, told).await;
        let sink = SinkName::new("sink");
        for settlement in [
            Settlement::Delivered,
            Settlement::RetryAt { at: Timestamp::from_microsecond(NOW + 5).unwrap(), reason: "503".into() },
            Settlement::Dead { reason: "410".into() },
        ] {
            let leases = store.lease(&sink, Limit::of(5), Duration::from_secs(60)).await.unwrap();
            assert!(!leases.is_empty());
            let started_at = Timestamp::from_microsecond(NOW).unwrap();
            let outcomes = leases.into_iter().map(|lease| {
                let exchange = exchange(&"x".repeat(2000));
                let attempt = Attempt { number: lease.delivery.attempt, started_at, took: Duration::ZERO, exchange };
                Outcome { lease, attempt, settlement: settlement.clone() }
            });
            store.settle(outcomes.collect()).await.unwrap();
        }
        let leases = store.lease(&sink, Limit::of(2), Duration::from_secs(60)).await.unwrap();
        store.release(leases, Timestamp::from_microsecond(NOW).unwrap()).await.unwrap();
    }

    /// The most steps that each statement takes with `n` of everything.
    async fn steps(n: i64) -> BTreeMap<String, i32> {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let clock = Clock::manual(Timestamp::from_microsecond(NOW).unwrap());
        let store = SqliteStore::open(&settings, clock.clone()).unwrap();
        seed(&store).await;
        store.close().await;
        multiply(&Connection::open(&settings.path).unwrap(), n);
        let store = SqliteStore::open(&settings, clock).unwrap();
        work(&store).await;
        store.close().await;
        std::mem::take(&mut *store.shared.work.lock())
    }

    #[tokio::test]
    async fn no_statement_of_the_intake_or_of_settling_takes_more_steps_the_more_there_is() {
        let (few, many) = (steps(10).await, steps(100_000).await);
        let grows = many.iter().filter_map(|(sql, n_steps)| {
            let known = few.get(sql).copied().unwrap_or_default();
            (*n_steps > known + FEW_STEPS).then(|| format!("{known} steps with 10, {n_steps} with 100,000: {sql}"))
        });
        let grows: Vec<String> = grows.collect();
        assert!(grows.is_empty(), "{}", grows.join("\n"));
        let is_there = |part: &str| many.keys().any(|sql| sql.contains(part));
        for part in [
            "events_by_bytes",
            "lookups_settled l",
            "operations_by_call",
            "deliveries_unsettled",
            "expectations x",
            "FROM exchanges",
        ] {
            assert!(is_there(part), "{part}");
        }
    }
}
