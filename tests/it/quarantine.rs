//! What proved nothing: it is listed, shown byte for byte, bounded, and judged again when an operator wishes so.

use reelhook::simulator::Certificate;
use reelhook::simulator::client::Post;
use reelhook::simulator::payload::{self, Recording};

use crate::on_disk;
use crate::test_app::{CLIENT_STATE, NEXT_CLIENT_STATE, Settings, TENANT, TestApp};
use reelhook::store::Newest;

/// The newest entry's number, after it was seen to be listed for the reason and shown byte for byte.
async fn newest(app: &TestApp, reason: &str, raw: &[u8]) -> i64 {
    let listed = app.store.quarantine(Newest::up_to(1)).await.unwrap().remove(0);
    assert_eq!((listed.reason.as_str(), listed.n_bytes as usize), (reason, raw.len()));
    assert!(listed.raw.is_none(), "the list holds no bodies");
    let shown = app.store.quarantine_entry(listed.id).await.unwrap().unwrap();
    assert_eq!(shown.raw.unwrap().0, raw);
    listed.id
}

/// Posts a body on the subscription channel: it is answered as if it were good, and its item is in the quarantine.
async fn quarantine(app: &TestApp, post: Post, reason: &str, item: &str) -> i64 {
    let answer = app.send(post).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0), "{reason}");
    newest(app, reason, item.as_bytes()).await
}

/// Has entries judged again and expects them to stay, each for its reason.
async fn stay(app: &TestApp, entries: &[(i64, &str)], vouched: bool) {
    app.judge_again(&ids(entries), vouched).await;
    for (id, reason) in entries {
        let entry = app.store.quarantine_entry(*id).await.unwrap().expect("it is still there");
        assert_eq!(entry.reason.as_str(), *reason);
    }
}

/// Has entries judged again and expects them to be delivered, each once, and gone. Returns their kinds.
async fn go(app: &mut TestApp, entries: &[(i64, &str)], vouched: bool) -> Vec<String> {
    let n = app.first.delivered().len();
    app.judge_again(&ids(entries), vouched).await;
    for id in ids(entries) {
        assert!(!app.store.wish_replay(id, vouched).await.unwrap(), "there is no such entry any more");
    }
    app.first.wait_for(n + entries.len()).await;
    let fence = Recording::new(&mut app.seed).client_context("fence").completed();
    app.post_calls(&[fence]).await;
    let delivered = app.first.wait_for(n + entries.len() + 1).await;
    assert_eq!(delivered.len(), n + entries.len() + 1);
    delivered[n..n + entries.len()].iter().map(|it| it.event.kind.clone()).collect()
}

fn ids(entries: &[(i64, &str)]) -> Vec<i64> {
    entries.iter().map(|(id, _)| *id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_client_state_that_was_missing_is_delivered_once_it_is_configured() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some(NEXT_CLIENT_STATE.into());
    let item = app.graph.change(&mut app.seed).basic();
    let post = app.graph.notifications(std::slice::from_ref(&item), false).unwrap();
    let id = quarantine(&app, post, "client_state", &item).await;
    for vouched in [false, true] {
        stay(&app, &[(id, "client_state")], vouched).await;
    }
    let mut app = app.restart_with(|settings| settings.next_client_state = true).await;
    assert_eq!(go(&mut app, &[(id, "")], false).await, ["chatMessage.created"]);
    let repeat = app.graph.notifications(std::slice::from_ref(&item), false).unwrap();
    assert_eq!(app.send(repeat).await.status, 202);
    let repeats = "reelhook_dedup_total{channel=\"subscriptions\"}";
    assert_eq!(app.metric(repeats).await, 1.0, "Graph's own repeat is recognised");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rich_item_whose_certificate_was_missing_is_delivered_once_it_is_configured_and_vouched_for() {
    let mut app = TestApp::start().await;
    let key = app.folder.path().join("next.pem");
    let next = Certificate::in_file("cert-next", &key).unwrap();
    let item = app.graph.change(&mut app.seed).rich(&next).unwrap();
    let post = app.graph.notifications(std::slice::from_ref(&item), true).unwrap();
    let id = quarantine(&app, post, "cert_unknown", &item).await;
    stay(&app, &[(id, "cert_unknown")], true).await;
    let more = format!(
        "[[subscriptions.certificates]]\nid = \"cert-next\"\nprivate_key = {{ file = \"{}\" }}\n",
        key.display()
    );
    let mut app = app.restart_with(|settings| settings.more = more).await;
    stay(&app, &[(id, "jwt_missing")], false).await;
    assert_eq!(go(&mut app, &[(id, "")], true).await, ["chatMessage.created"]);
    assert!(app.first.delivered()[0].event.data.contains("Hello World"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_tenant_that_was_not_allowed_is_delivered_once_it_is() {
    let subscriptions = "tenants = [\"46d9e3bd-6309-4177-a016-b256a411e30f\"]".to_owned();
    let mut app = TestApp::start_with(Settings { subscriptions, ..Settings::default() }).await;
    let item = app.graph.change(&mut app.seed).basic();
    let post = app.graph.notifications(std::slice::from_ref(&item), false).unwrap();
    let id = quarantine(&app, post, "jwt_tenant", &item).await;
    stay(&app, &[(id, "jwt_tenant")], true).await;
    let allowed = format!("tenants = [\"{TENANT}\"]");
    let mut app = app.restart_with(|settings| settings.subscriptions = allowed).await;
    assert_eq!(go(&mut app, &[(id, "")], false).await, ["chatMessage.created"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rich_item_without_a_token_that_proves_it_is_delivered_where_the_operator_vouches() {
    let mut app = TestApp::start().await;
    let good = app.graph.identity.validation_token_v2(&app.graph.app_id, &app.graph.tenant);
    let stranger = app.graph.identity.stranger().unwrap();
    let stranger = stranger.validation_token_v2(&app.graph.app_id, &app.graph.tenant);
    let cases = [
        ("jwt_exp", good.clone().shifted("exp", -40_000)),
        ("jwt_nbf", good.clone().shifted("nbf", 40_000)),
        ("jwt_claim_type", good.clone().claim("exp", "soon")),
        ("jwt_aud", good.clone().claim("aud", "another")),
        ("jwt_iss", good.clone().claim("iss", "https://evil.example/")),
        ("jwt_publisher", good.clone().claim("azp", "another")),
        ("jwt_kid_missing", good.clone().without_header("kid")),
        ("jwt_kid_unknown", stranger.clone()),
        ("jwt_signature", stranger.header("kid", app.graph.identity.kid())),
        ("jwt_header", good.clone().header("crit", vec!["exp"])),
        ("jwt_alg", good.unsigned("none")),
    ];
    let mut cases: Vec<(&str, Vec<String>)> =
        cases.into_iter().map(|(reason, token)| (reason, vec![token.sign().unwrap()])).collect();
    cases.push(("jwt_missing", Vec::new()));
    cases.push(("jwt_malformed", vec!["no token".into()]));
    cases.push(("jwt_too_many", (0..65).map(|n| n.to_string()).collect()));
    let mut entries = Vec::new();
    for (reason, tokens) in &cases {
        let item = app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap();
        let post = app.graph.notifications_with(payload::changes(std::slice::from_ref(&item), tokens));
        entries.push((quarantine(&app, post, reason, &item).await, "jwt_missing"));
    }
    stay(&app, &entries, false).await;
    assert_eq!(go(&mut app, &entries, true).await, vec!["chatMessage.created"; entries.len()]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_itself_stays_whoever_vouches() {
    let mut app = TestApp::start().await;
    let change = app.graph.change(&mut app.seed);
    let good = change.basic();
    let mut broken = app.graph.certificate.as_ref().unwrap().encrypt(b"{}").unwrap();
    broken.data_signature = String::new();
    let mut entries = Vec::new();
    for (reason, item) in [
        ("shape", "7".to_owned()),
        ("shape", "[\"a\"]".to_owned()),
        ("json_duplicate", format!("{{\"clientState\":\"{CLIENT_STATE}\",{}", &good[1..])),
        ("enc_invalid", change.rich_with(&broken)),
    ] {
        let post = app.graph.notifications(std::slice::from_ref(&item), true).unwrap();
        entries.push((quarantine(&app, post, reason, &item).await, reason));
    }
    for (reason, body) in [("json_invalid", "{\"value\":[nonsense]}".to_owned()), ("json_depth", "[".repeat(200))] {
        assert_eq!(app.post_calls_body(body.clone()).await.status, 400);
        entries.push((newest(&app, reason, body.as_bytes()).await, reason));
    }
    stay(&app, &entries, true).await;
    assert!(app.first.delivered().is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proven_sender_sent_and_nobody_can_read_is_delivered_as_it_is_where_the_operator_vouches() {
    let mut app = TestApp::start().await;
    let good = app.graph.change(&mut app.seed).basic();
    let mut entries = Vec::new();
    for (reason, item) in [
        ("shape", good.replace("\"subscriptionId\"", "\"subscription\"")),
        ("json_invalid", good.replace("\"created\"", "\"\\ud800\"")),
    ] {
        let post = app.graph.notifications(std::slice::from_ref(&item), true).unwrap();
        entries.push((quarantine(&app, post, reason, &item).await, reason));
    }
    let it = Recording::new(&mut app.seed);
    let unread = it.completed().replace("\"status\":\"completed\"", "\"status\":7");
    let post = app.graph.calls(std::slice::from_ref(&unread)).unwrap();
    entries.push((quarantine(&app, post, "shape", &unread).await, "shape"));
    let body = "{\"values\":[{\"clientState\":\"s\"}]}";
    assert_eq!(app.post_calls_body(body).await.status, 400);
    entries.push((newest(&app, "shape", body.as_bytes()).await, "shape"));
    let post = app.graph.calls(&["[\"a\"]".to_owned()]).unwrap();
    entries.push((quarantine(&app, post, "shape", "[\"a\"]").await, "shape"));
    stay(&app, &entries, false).await;
    assert_eq!(go(&mut app, &entries, true).await, ["unknown.unknown"; 5]);
    let delivered = app.first.delivered();
    let parts = ["chatMessage", "chatMessage", "\"status\":7", "\"values\"", "[\"a\"]"];
    for (delivery, told) in delivered.iter().zip(parts) {
        let data = &delivery.event.data;
        assert!(data.contains(told) && !data.contains(CLIENT_STATE) && !data.contains(&it.access_token), "{data}");
    }
    assert!(app.quarantine().await.is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_call_needs_the_operators_word_and_is_then_a_recording_like_any_other() {
    let mut app = TestApp::start().await;
    let it = Recording::new(&mut app.seed).client_context("vouched");
    let item = it.completed();
    let body = format!("{{\"value\":[{item}],\"value\":[]}}");
    assert_eq!(app.post_calls_body(body).await.status, 202);
    let id = newest(&app, "json_duplicate", item.as_bytes()).await;
    stay(&app, &[(id, "auth_header")], false).await;
    let counted =
        ["reelhook_notifications_accepted_total{channel=\"calls\"}", "reelhook_operation_order_total{order=\"first\"}"];
    assert_eq!(go(&mut app, &[(id, "")], true).await, ["recordOperation.completed"]);
    for series in counted {
        assert_eq!(app.metric(series).await, 2.0, "{series}: it and the fence");
    }
    let token = app.first.delivered()[0].event.recording_access_token.clone();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&token.unwrap()), it.access_token);
    assert_eq!(app.post_calls(&[item]).await.status, 202);
    assert_eq!(app.metric("reelhook_dedup_total{channel=\"calls\"}").await, 1.0, "Graph's own repeat is recognised");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_a_call_matches_by_its_tenant_when_it_is_judged_again() {
    let routes = format!("[[routes]]\nname = \"ours\"\ntenant = \"{TENANT}\"\nsinks = [\"first\"]\n");
    let mut app = TestApp::start_with(Settings { routes, ..Settings::default() }).await;
    let (one, whole) = (Recording::new(&mut app.seed).completed(), Recording::new(&mut app.seed).completed());
    assert_eq!(app.post_calls_body(format!("{{\"value\":[{one}],\"value\":[]}}")).await.status, 202);
    let of_item = newest(&app, "json_duplicate", one.as_bytes()).await;
    // Unreadable as a body, and kept as it is: read alone it is an item.
    assert_eq!(app.post_calls_body(whole.clone()).await.status, 400);
    let of_body = newest(&app, "shape", whole.as_bytes()).await;
    let mut app = app.restart().await;
    assert_eq!(go(&mut app, &[(of_item, ""), (of_body, "")], true).await, ["recordOperation.completed"; 2]);
    assert!(app.store.unmatched(Newest::up_to(10)).await.unwrap().is_empty());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_outlives_a_restart_and_there_is_none_for_what_is_not_there() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some(NEXT_CLIENT_STATE.into());
    let item = app.graph.change(&mut app.seed).basic();
    let post = app.graph.notifications(std::slice::from_ref(&item), false).unwrap();
    let id = quarantine(&app, post, "client_state", &item).await;
    assert!(!app.store.wish_replay(id + 1, true).await.unwrap());
    let app = app.restart_with(|settings| settings.next_client_state = true).await;
    assert!(app.store.wish_replay(id, false).await.unwrap());
    let app = app.restart().await;
    app.first.wait_for(1).await;
    let mut app = app.restart().await;
    assert!(app.quarantine().await.is_empty());
    let fence = Recording::new(&mut app.seed).client_context("fence").completed();
    app.post_calls(&[fence]).await;
    assert_eq!(app.first.wait_for(1).await.len(), 1, "only the fence");
    app.stop().await;
}

/// Items that prove nothing, so many that no more are kept for now.
async fn flood(app: &TestApp) {
    let items = vec!["{\"clientState\":\"guessed\"}".to_owned(); 1000];
    for _ in 0..4 {
        assert_eq!(app.post_changes(&items, false).await.status, 202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_counted_whole_kept_in_part_and_still_waits_for_the_commit() {
    let began = std::time::Instant::now();
    let app = TestApp::start().await;
    flood(&app).await;
    assert_eq!(app.rejected("notifications", "client_state").await, 4000.0);
    let n_kept = app.store.quarantine(Newest::up_to(10_000)).await.unwrap().len();
    let at_most = 2_000 + 100 * (began.elapsed().as_secs() as usize + 1);
    assert!((2_000..=at_most).contains(&n_kept), "{n_kept} kept");
    for _ in 0..20 {
        let before = on_disk::n_commits(app.folder.path());
        assert_eq!(app.post_changes(&vec!["{}".into(); 200], false).await.status, 202);
        assert_eq!(on_disk::n_commits(app.folder.path()) - before, 1);
    }
    let before = on_disk::n_commits(app.folder.path());
    assert_eq!(app.post_changes(&[], false).await.status, 202);
    assert_eq!(on_disk::n_commits(app.folder.path()) - before, 1, "nor is an empty POST quicker");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_kept_by_its_bytes_too() {
    let began = std::time::Instant::now();
    let app = TestApp::start().await;
    for _ in 0..12 {
        let items = [format!("{{\"clientState\":\"{}\"}}", "x".repeat(1_000_000))];
        assert_eq!(app.post_changes(&items, false).await.status, 202);
    }
    let kept: u64 = app.store.quarantine(Newest::up_to(100)).await.unwrap().iter().map(|entry| entry.n_bytes).sum();
    let at_most = (2_000 + 100 * (began.elapsed().as_secs() + 1)) * 4096;
    assert!((5_000_000..at_most).contains(&kept), "{kept} bytes");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_strangers_costs_nothing_that_a_proven_sender_sent() {
    let mut app = TestApp::start().await;
    flood(&app).await;
    for n in 0..5 {
        let item = Recording::new(&mut app.seed).completed().replace("\"status\":\"completed\"", "\"status\":7");
        let post = app.graph.calls(std::slice::from_ref(&item)).unwrap();
        quarantine(&app, post, "shape", &item).await;
        let rich = app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap();
        let rich = rich.replace("cert-1", &format!("cert-{n}-unknown"));
        let post = app.graph.notifications(std::slice::from_ref(&rich), true).unwrap();
        quarantine(&app, post, "cert_unknown", &rich).await;
        let unread = app.graph.change(&mut app.seed).basic().replace("\"subscriptionId\"", "\"subscription\"");
        let post = app.graph.notifications(std::slice::from_ref(&unread), false).unwrap();
        quarantine(&app, post, "shape", &unread).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_is_bounded_in_entries_and_in_bytes_and_the_oldest_go_first() {
    let settings = |store: &str| Settings { store: store.into(), ..Settings::default() };
    let app = TestApp::start_with(settings("quarantine_max_entries = 10")).await;
    for n in 0..15 {
        let items = [format!("{{\"n\":{n}}}"), format!("{{\"m\":{n}}}")];
        assert_eq!(app.post_changes(&items, false).await.status, 202);
    }
    let kept = app.store.quarantine(Newest::up_to(100)).await.unwrap();
    assert_eq!(kept.len(), 10);
    let oldest = app.store.quarantine_entry(kept[9].id).await.unwrap().unwrap();
    assert_eq!(oldest.raw.unwrap().0.as_ref(), b"{\"n\":10}");
    app.stop().await;
    let app = TestApp::start_with(settings("quarantine_max_bytes = \"64KiB\"")).await;
    for _ in 0..10 {
        assert_eq!(app.post_changes(&[format!("{{\"x\":\"{}\"}}", "y".repeat(20_000))], false).await.status, 202);
    }
    let kept: Vec<u64> =
        app.store.quarantine(Newest::up_to(100)).await.unwrap().iter().map(|entry| entry.n_bytes).collect();
    assert_eq!(kept, [20_008; 3]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_wash_out_strangers_alone() {
    let settings = Settings { store: "quarantine_max_entries = 8".into(), ..Settings::default() };
    let mut app = TestApp::start_with(settings).await;
    let mut known = Vec::new();
    for n in 0..3 {
        let rich = app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap();
        let rich = rich.replace("cert-1", &format!("cert-{n}-unknown"));
        let post = app.graph.notifications(std::slice::from_ref(&rich), true).unwrap();
        known.push(quarantine(&app, post, "cert_unknown", &rich).await);
    }
    for n in 0..30 {
        assert_eq!(app.post_changes(&[format!("{{\"n\":{n}}}")], false).await.status, 202);
    }
    let kept = app.store.quarantine(Newest::up_to(100)).await.unwrap();
    assert_eq!(kept.len(), 8, "what known senders do not need strangers may use");
    assert!(known.iter().all(|id| kept.iter().any(|entry| entry.id == *id)), "{kept:?}");
    // Known senders have their part whatever strangers did before, and do not take the strangers' last.
    for n in 3..12 {
        let rich = app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap();
        let rich = rich.replace("cert-1", &format!("cert-{n}-unknown"));
        let post = app.graph.notifications(std::slice::from_ref(&rich), true).unwrap();
        quarantine(&app, post, "cert_unknown", &rich).await;
    }
    let reasons = app.quarantine().await;
    let n_of = |reason: &str| reasons.iter().filter(|it| **it == reason).count();
    assert_eq!((n_of("cert_unknown"), n_of("client_state")), (6, 2), "{reasons:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_stored_is_refused_once_and_counts_as_nothing_else() {
    let mut app = TestApp::start().await;
    app.store.close().await;
    let items = ["{}".to_owned(), app.graph.change(&mut app.seed).basic()];
    assert_eq!(app.post_changes(&items, false).await.status, 503);
    let spoken = Recording::new(&mut app.seed).dialect(payload::Dialect::SubCode).completed();
    assert_eq!(app.post_calls(&[spoken]).await.status, 503);
    let counted: Vec<(String, f64)> = app.rejections().await.into_iter().collect();
    assert_eq!(counted, [("calls shed".into(), 1.0), ("notifications shed".into(), 1.0)]);
    assert!(app.dialects().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matched_nothing_is_routed_by_the_config_as_it_is_now_and_delivered_once() {
    let only = |name: &str, prefix: &str| {
        format!("[[routes]]\nname = \"{name}\"\nclient_context = {{ prefix = \"{prefix}\" }}\nsinks = [\"first\"]\n")
    };
    let routes = only("support", "support-");
    let mut app = TestApp::start_with(Settings { routes: routes.clone(), ..Settings::default() }).await;
    let it = Recording::new(&mut app.seed).client_context("sales-1");
    app.post_calls(&[it.running(), it.completed()]).await;
    let other = Recording::new(&mut app.seed).client_context("other-1").completed();
    app.post_calls(&[other]).await;
    let unmatched = app.store.unmatched(Newest::up_to(10)).await.unwrap();
    assert_eq!(unmatched.len(), 3);
    let mended = routes + &only("sales", "sales-");
    let mut app = app.restart_with(|settings| settings.routes = mended).await;
    let routes = app.routes();
    for event in app.store.unmatched(Newest::up_to(10)).await.unwrap().iter().rev() {
        let deliveries = routes.matches(&event.routing_key());
        assert_eq!(deliveries.len(), usize::from(event.client_context.as_deref() == Some("sales-1")));
        let n = deliveries.len();
        assert_eq!(app.store.route_again(event.id, deliveries.clone()).await.unwrap(), (n > 0).then_some(n));
        assert_eq!(app.store.route_again(event.id, deliveries).await.unwrap(), None, "once is enough");
    }
    let delivered = app.first.wait_for(2).await;
    let kinds: Vec<&str> = delivered.iter().map(|it| it.event.kind.as_str()).collect();
    assert_eq!(kinds, ["recordOperation.running", "recordOperation.completed"]);
    assert!(delivered.iter().all(|it| unmatched.iter().any(|known| known.id == it.event.id)));
    assert_eq!(app.store.unmatched(Newest::up_to(10)).await.unwrap().len(), 1);
    let fence = Recording::new(&mut app.seed).client_context("sales-fence").completed();
    app.post_calls(&[fence]).await;
    assert_eq!(app.first.wait_for(3).await.len(), 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_item_keeps_when_it_was_received_and_the_facts_of_its_request() {
    let mut app = TestApp::start().await;
    app.graph.client_state = Some(NEXT_CLIENT_STATE.into());
    let item = app.graph.change(&mut app.seed).basic();
    let mut post = app.graph.notifications(std::slice::from_ref(&item), false).unwrap();
    post.path.push_str("?shift=2");
    let post = post.header("client-request-id", "request-7");
    let received_at = app.clock.now();
    let id = quarantine(&app, post, "client_state", &item).await;
    app.advance(3600);
    let mut app = app.restart_with(|settings| settings.next_client_state = true).await;
    assert_eq!(go(&mut app, &[(id, "")], false).await, ["chatMessage.created"]);

    let event = app.first.delivered()[0].event.clone();
    let (carried, now) = (&event.envelope.carried, app.clock.now());
    assert_eq!((event.time, carried.accepted_at), (received_at, Some(now)));
    assert_eq!(carried.request.callback.as_deref(), Some("?shift=2"));
    assert_eq!(carried.request.client_request_id.as_deref(), Some("request-7"));
    let mut written = Vec::new();
    reelhook::sinks::cloud_event::write(&app.first.delivered()[0], false, &mut written);
    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(
        (&written["time"], &written["acceptedtime"]),
        (&"2026-11-24T08:00:00Z".into(), &"2026-11-24T09:00:00Z".into())
    );
    assert_eq!((&written["callback"], &written["correlationid"]), (&"?shift=2".into(), &"request-7".into()));

    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", app.admin)).await.unwrap();
        answer.text().await.unwrap()
    };
    let log = async |time: &str| -> Vec<serde_json::Value> {
        let text = get(&format!("/v1.0/eventLog?type=chatMessage.created&{time}")).await;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["value"].as_array().unwrap().clone()
    };
    let found = log("since=2026-11-24T07:59:00Z&until=2026-11-24T08:01:00Z").await;
    assert_eq!(found[0]["receivedDateTime"], "2026-11-24T08:00:00Z");
    assert_eq!(found[0]["acceptedDateTime"], "2026-11-24T09:00:00Z");
    assert_eq!(log("since=2026-11-24T08:30:00Z").await, Vec::<serde_json::Value>::new());
    let told = "it was in the quarantine, and was accepted at 2026-11-24 09:00:00 UTC";
    let page = get(&format!("/events/{}", event.id)).await;
    assert!(page.contains("quarantine, and was accepted at"), "{told}: {page}");
    let explained = get(&format!("/v1.0/explain?of={}", event.id)).await;
    assert!(explained.contains(told), "{explained}");
    // The plots count it once, as it was judged on arrival; the fence came after it.
    assert!(get("/?range=24h").await.contains("1 accepted, 1 refused or quarantined in the last 24 h."));
    app.stop().await;
}
