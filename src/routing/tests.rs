//! Routing as its users see it, and against a matcher that tries every route in order.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use std::collections::BTreeMap;

use regex::Regex;

use crate::config::TextMatch;
use crate::domain::{Channel, EventChoice, EventKind, OperationEvent, RouteName, SinkName, Status};

fn route(name: &str, client_context: Option<TextMatch>, sinks: &[&str]) -> Route {
    Route {
        name: RouteName::new(name),
        client_context,
        resource: None,
        status: Vec::new(),
        tenant: Vec::new(),
        resource_type: Vec::new(),
        change_type: Vec::new(),
        subscription: Vec::new(),
        channel: Vec::new(),
        kind: EventChoice::default(),
        sinks: sinks.iter().map(|sink| SinkName::new(sink)).collect(),
        continues: false,
    }
}

fn key(client_context: Option<&str>) -> RoutingKey<'_> {
    RoutingKey {
        client_context,
        status: None,
        tenant_id: None,
        resource_type: "recordOperation",
        resource: "/communications/calls/1/operations/2",
        change_type: Some("updated"),
        subscription_id: None,
        channel: Channel::Calls,
        kind: EventKind::Operation(OperationEvent::Running),
    }
}

fn routes(routes: &[Route]) -> Routes {
    Routes::new(routes, &[]).unwrap()
}

/// `route -> sink`, for each delivery.
fn told(routes: &Routes, key: &RoutingKey<'_>) -> Vec<String> {
    routes.matches(key).iter().map(|delivery| format!("{} -> {}", delivery.route, delivery.sink)).collect()
}

fn exact(text: &str) -> Option<TextMatch> {
    Some(TextMatch::Exact(vec![text.into()]))
}

fn prefix(text: &str) -> Option<TextMatch> {
    Some(TextMatch::Prefix(text.into()))
}

fn regex(text: &str) -> Option<TextMatch> {
    Some(TextMatch::Regex(text.into()))
}

#[test]
fn the_first_route_that_matches_wins() {
    let routes = routes(&[
        route("long", prefix("support-eu-"), &["a"]),
        route("short", prefix("support-"), &["b", "c"]),
        route("rest", None, &["d"]),
    ]);
    assert_eq!(told(&routes, &key(Some("support-eu-1"))), ["long -> a"]);
    assert_eq!(told(&routes, &key(Some("support-us-1"))), ["short -> b", "short -> c"]);
    assert_eq!(told(&routes, &key(Some("sales"))), ["rest -> d"]);
    assert_eq!(told(&routes, &key(None)), ["rest -> d"]);
}

#[test]
fn order_decides_between_kinds_of_conditions() {
    let all = [
        route("regex", regex("a.*"), &["r"]),
        route("exact", exact("ab"), &["e"]),
        route("any", None, &["n"]),
        route("never", prefix("a"), &["p"]),
    ];
    assert_eq!(told(&routes(&all), &key(Some("ab"))), ["regex -> r"]);
    assert_eq!(told(&routes(&all[1..]), &key(Some("ab"))), ["exact -> e"]);
    assert_eq!(told(&routes(&all[2..]), &key(Some("ab"))), ["any -> n"]);
}

#[test]
fn a_route_that_continues_lets_later_ones_match_and_a_sink_gets_one_delivery() {
    let mut first = route("audit", None, &["archive"]);
    first.continues = true;
    let mut second = route("team", prefix("x"), &["archive", "crm"]);
    second.continues = true;
    let routes = routes(&[first, second, route("rest", None, &["crm", "late"]), route("never", None, &["never"])]);
    assert_eq!(told(&routes, &key(Some("x1"))), ["audit -> archive", "team -> crm", "rest -> late"]);
    assert_eq!(told(&routes, &key(Some("y"))), ["audit -> archive", "rest -> crm", "rest -> late"]);
}

#[test]
fn named_groups_become_captures() {
    let routes = routes(&[route("order", regex("(?<team>[a-z]+)-(?<n>\\d+)(-(?<rest>.*))?"), &["a", "b"])]);
    let deliveries = routes.matches(&key(Some("crm-17")));
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        let expected = [("n", "17"), ("team", "crm")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(delivery.captures, BTreeMap::from(expected));
    }
    assert!(routes.matches(&key(Some("crm-17\n"))).is_empty());
}

#[test]
fn a_json_client_context_matches_by_pointer() {
    let json = |pointer: &str, equals| Some(TextMatch::Json { pointer: pointer.into(), equals });
    let routes = routes(&[
        route("team", json("/team", json!("crm")), &["a"]),
        route("number", json("/a~1b/1", json!(2)), &["b"]),
        route("whole", json("", json!(["x"])), &["c"]),
    ]);
    assert_eq!(told(&routes, &key(Some(r#"{"team":"crm","x":1}"#))), ["team -> a"]);
    assert_eq!(told(&routes, &key(Some(r#"{"a/b":[1,2]}"#))), ["number -> b"]);
    assert_eq!(told(&routes, &key(Some(r#" ["x"] "#))), ["whole -> c"]);
    for other in [r#"{"team":"CRM"}"#, r#"{"team":["crm"]}"#, "crm", "", "{", &"[".repeat(256)] {
        assert!(told(&routes, &key(Some(other))).is_empty(), "{other}");
    }
}

#[test]
fn status_tenant_and_resource_type_narrow_a_route() {
    let mut narrow = route("narrow", prefix("x"), &["a"]);
    narrow.status = vec![Status::Completed, Status::Unknown("Paused".into())];
    narrow.tenant = vec!["t1".into()];
    narrow.resource_type = vec!["RecordOperation".into()];
    let routes = routes(&[narrow]);
    let (completed, paused, failed) = (Status::Completed, Status::parse("pausED"), Status::Failed);
    let good = RoutingKey { status: Some(&completed), tenant_id: Some("t1"), ..key(Some("x")) };
    assert_eq!(told(&routes, &good), ["narrow -> a"]);
    assert_eq!(told(&routes, &RoutingKey { status: Some(&paused), ..good }), ["narrow -> a"]);
    for other in [
        RoutingKey { status: Some(&failed), ..good },
        RoutingKey { status: None, ..good },
        RoutingKey { tenant_id: Some("t2"), ..good },
        RoutingKey { tenant_id: None, ..good },
        RoutingKey { resource_type: "call", ..good },
        RoutingKey { client_context: None, ..good },
    ] {
        assert!(told(&routes, &other).is_empty(), "{other:?}");
    }
}

#[test]
fn a_route_finds_resources_by_their_path() {
    let by = |name: &str, resource: TextMatch| Route { resource: Some(resource), ..route(name, None, &[name]) };
    let mut routes = [
        by("root", TextMatch::Exact(vec!["me/drive/root".into(), "/drives/1/root".into()])),
        by("users", TextMatch::Prefix("Users/".into())),
        by("sites", TextMatch::Glob("sites/*/lists/?".into())),
        by("mail", TextMatch::Regex("(?<owner>[^/]+)/messages/.*".into())),
    ];
    for route in &mut routes {
        route.continues = true;
    }
    let routes = self::routes(&routes);
    let told = |resource: &str| told(&routes, &RoutingKey { resource, ..key(Some("any context")) });
    assert_eq!(told("me/drive/root"), ["root -> root"]);
    assert_eq!(told("/ME/Drive/root"), ["root -> root"]);
    assert_eq!(told("drives/1/root"), ["root -> root"]);
    assert_eq!(told("users/1/contacts/2"), ["users -> users"]);
    assert_eq!(told("Sites/contoso/Lists/7"), ["sites -> sites"]);
    assert_eq!(told("Me/Messages/1"), ["mail -> mail"]);
    for other in ["", "/", "me/drive/root/x", "sites/contoso/lists/77", "user", "x/me/messages/1"] {
        assert!(told(other).is_empty(), "{other}");
    }
    let key = RoutingKey { resource: "/ALICE/messages/1", ..key(None) };
    assert_eq!(routes.matches(&key)[0].captures, BTreeMap::from([("owner".to_owned(), "ALICE".to_owned())]));
}

#[test]
fn a_route_may_ask_for_client_context_and_resource_and_captures_from_both() {
    let mut both = route("both", regex("(?<ticket>\\d+)"), &["a"]);
    for (resource, holds) in [
        (TextMatch::Exact(vec!["communications/calls/1/operations/2".into()]), true),
        (TextMatch::Prefix("COMMUNICATIONS/".into()), true),
        (TextMatch::Glob("*/operations/?".into()), true),
        (TextMatch::Regex("communications/calls/(?<call>.)/.*".into()), true),
        (TextMatch::Prefix("app/".into()), false),
        (TextMatch::Regex("communications".into()), false),
    ] {
        both.resource = Some(resource.clone());
        let routes = routes(std::slice::from_ref(&both));
        let found = routes.matches(&key(Some("17")));
        assert_eq!(found.len(), usize::from(holds), "{resource:?}");
        assert!(routes.matches(&key(Some("x"))).is_empty() && routes.matches(&key(None)).is_empty());
        if let (TextMatch::Regex(_), true) = (resource, holds) {
            let expected = [("call", "1"), ("ticket", "17")].map(|(name, text)| (name.to_owned(), text.to_owned()));
            assert_eq!(found[0].captures, BTreeMap::from(expected));
        }
    }
}

#[test]
fn change_type_subscription_channel_and_type_narrow_a_route() {
    let wanted = RoutingKey {
        resource_type: "driveItem",
        change_type: Some("created"),
        subscription_id: Some("76222963-cc7b-42d2-882d-8aaa69cb2ba3"),
        channel: Channel::Subscriptions,
        kind: EventKind::Resource { of: "driveItem", what: "created" },
        ..key(None)
    };
    let one: [fn(&mut Route); 4] = [
        |route| route.change_type = vec!["deleted".into(), "Created".into()],
        |route| route.subscription = vec!["76222963-CC7B-42D2-882D-8AAA69CB2BA3".into()],
        |route| route.channel = vec![Channel::Lifecycle, Channel::Subscriptions],
        |route| route.kind = EventChoice::new(&["driveitem.CREATED".into()]),
    ];
    for narrow in one {
        let mut route = route("narrow", None, &["a"]);
        narrow(&mut route);
        let routes = routes(&[route]);
        assert_eq!(told(&routes, &wanted), ["narrow -> a"]);
        assert!(told(&routes, &key(Some("x"))).is_empty());
    }
}

#[test]
fn a_subscription_is_the_same_with_and_without_dashes() {
    let routes = routes(&[Route {
        subscription: vec!["76222963-cc7b-42d2-882d-8aaa69cb2ba3".into(), "other".into()],
        ..route("one", None, &["a"])
    }]);
    let told = |id| told(&routes, &RoutingKey { subscription_id: Some(id), ..key(None) });
    for same in ["76222963-cc7b-42d2-882d-8aaa69cb2ba3", "76222963CC7B42D2882D8AAA69CB2BA3", "OTHER"] {
        assert_eq!(told(same), ["one -> a"], "{same}");
    }
    for other in ["76222963-cc7b-42d2-882d-8aaa69cb2ba4", "76222963cc7b42d2882d8aaa69cb2ba4", "", "another"] {
        assert!(told(other).is_empty(), "{other}");
    }
}

#[test]
fn a_hundred_thousand_paths_are_one_route_or_many() {
    let paths: Vec<String> = (0..100_000).map(|n| format!("users/{n}/events")).collect();
    let of = |paths: &[String]| Some(TextMatch::Exact(paths.to_vec()));
    let mut all: Vec<Route> = paths
        .iter()
        .map(|path| Route { resource: of(std::slice::from_ref(path)), ..route(path, None, &["many"]) })
        .collect();
    all.push(Route { resource: of(&paths), ..route("one", None, &["one"]) });
    let routes = routes(&all);
    let found = told(&routes, &RoutingKey { resource: "Users/77777/Events", ..key(None) });
    assert_eq!(found, ["users/77777/events -> many"]);
    assert!(told(&routes, &RoutingKey { resource: "users/100000/events", ..key(None) }).is_empty());
}

#[test]
fn a_hundred_thousand_exact_contexts_are_one_route_or_many() {
    let values: Vec<String> = (0..100_000).map(|n| format!("order-{n}")).collect();
    let mut many: Vec<Route> = values.iter().map(|value| route(value, exact(value), &["many"])).collect();
    many.push(route("one", Some(TextMatch::Exact(values)), &["one"]));
    let routes = routes(&many);
    assert_eq!(told(&routes, &key(Some("order-77777"))), ["order-77777 -> many"]);
    assert!(told(&routes, &key(Some("order-100000"))).is_empty());
}

#[test]
fn thousands_of_patterns_are_a_few_sets() {
    let mut all: Vec<Route> =
        (0..1500).map(|n| route(&format!("r{n}"), regex(&format!("r{n}-[a-z]+")), &["a"])).collect();
    all.extend((0..1500).map(|n| route(&format!("g{n}"), Some(TextMatch::Glob(format!("g{n}-*"))), &["a"])));
    let routes = routes(&all);
    assert_eq!(told(&routes, &key(Some("r1499-x"))), ["r1499 -> a"]);
    assert_eq!(told(&routes, &key(Some("g1234-/é"))), ["g1234 -> a"]);
    assert!(told(&routes, &key(Some("r1500-x"))).is_empty());
}

#[test]
fn a_wrong_pattern_is_told_with_its_route() {
    let error = Routes::new(&[route("bad", regex("("), &["a"])], &[]).unwrap_err().to_string();
    assert!(error.contains("routes[0]") && error.contains("bad") && error.contains("\"(\""), "{error}");
}

/// Whether a condition on a path holds.
fn path_holds(condition: &Option<TextMatch>, path: &str) -> bool {
    let lower = |text: &str| text.strip_prefix('/').unwrap_or(text).to_lowercase();
    let condition = condition.clone().map(|condition| match condition {
        TextMatch::Exact(paths) => TextMatch::Exact(paths.iter().map(|path| lower(path)).collect()),
        TextMatch::Prefix(path) => TextMatch::Prefix(lower(&path)),
        TextMatch::Glob(path) => TextMatch::Glob(lower(&path)),
        other => other,
    });
    holds(&condition, Some(&lower(path)))
}

/// Whether a condition holds, by the plainest means.
fn holds(condition: &Option<TextMatch>, client_context: Option<&str>) -> bool {
    let Some(condition) = condition else { return true };
    let Some(text) = client_context else { return false };
    match condition {
        TextMatch::Exact(values) => values.iter().any(|value| value == text),
        TextMatch::Prefix(prefix) => text.starts_with(prefix.as_str()),
        TextMatch::Glob(glob) => glob_holds(&glob.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>()),
        TextMatch::Regex(regex) => Regex::new(&format!("^(?:{regex})$")).unwrap().is_match(text),
        TextMatch::Json { pointer, equals } => {
            serde_json::from_str::<serde_json::Value>(text).is_ok_and(|json| json.pointer(pointer) == Some(equals))
        }
    }
}

fn glob_holds(glob: &[char], text: &[char]) -> bool {
    match (glob.first(), text.first()) {
        (None, first) => first.is_none(),
        (Some('*'), _) => glob_holds(&glob[1..], text) || (!text.is_empty() && glob_holds(glob, &text[1..])),
        (Some('?'), Some(_)) => glob_holds(&glob[1..], &text[1..]),
        (Some(wanted), Some(found)) => wanted == found && glob_holds(&glob[1..], &text[1..]),
        (Some(_), None) => false,
    }
}

fn naive(routes: &[Route], key: &RoutingKey<'_>) -> Vec<String> {
    let mut sinks = Vec::new();
    let mut told = Vec::new();
    for route in routes {
        let status = route.status.is_empty() || key.status.is_some_and(|status| route.status.contains(status));
        let resource = path_holds(&route.resource, key.resource);
        if !status || !resource || !holds(&route.client_context, key.client_context) {
            continue;
        }
        for sink in &route.sinks {
            if !sinks.contains(sink) {
                sinks.push(sink.clone());
                told.push(format!("{} -> {}", route.name, sink));
            }
        }
        if !route.continues {
            break;
        }
    }
    told
}

fn condition() -> impl Strategy<Value = Option<TextMatch>> {
    let text = "[abé1\\[\\]]{0,3}";
    prop_oneof![
        Just(None),
        proptest::collection::vec(text, 1..4).prop_map(|values| Some(TextMatch::Exact(values))),
        text.prop_map(|text| Some(TextMatch::Prefix(text))),
        "[ab*?é\\[\\]]{0,4}".prop_map(|text| Some(TextMatch::Glob(text))),
        prop_oneof![Just("a*"), Just("a|ab"), Just("(?<x>[ab]+)é?"), Just("."), Just("")]
            .prop_map(|text| Some(TextMatch::Regex(text.into()))),
        (prop_oneof![Just(""), Just("/0")], prop_oneof![Just(json!(1)), Just(json!([1])), Just(json!([]))])
            .prop_map(|(pointer, equals)| Some(TextMatch::Json { pointer: pointer.into(), equals })),
    ]
}

fn path_condition() -> impl Strategy<Value = Option<TextMatch>> {
    let text = "/?[aB]{0,2}";
    prop_oneof![
        4 => Just(None),
        1 => proptest::collection::vec(text, 1..3).prop_map(|values| Some(TextMatch::Exact(values))),
        1 => text.prop_map(|text| Some(TextMatch::Prefix(text))),
        1 => "/?[aB*?]{0,3}".prop_map(|text| Some(TextMatch::Glob(text))),
        1 => prop_oneof![Just("a*"), Just("a|ab"), Just("[ab]+")].prop_map(|text| Some(TextMatch::Regex(text.into()))),
    ]
}

prop_compose! {
    fn some_route()(
        client_context in condition(),
        resource in path_condition(),
        sinks in proptest::collection::vec(prop_oneof![Just("s1"), Just("s2"), Just("s3")], 1..3),
        status in proptest::option::of(prop_oneof![Just(Status::Completed), Just(Status::Running)]),
        continues in any::<bool>(),
        number in 0..1000,
    ) -> Route {
        let mut route = route(&format!("r{number}"), client_context, &sinks);
        route.status = status.into_iter().collect();
        route.resource = resource;
        route.continues = continues;
        route
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_index_answers_as_trying_every_route_would(
        all in proptest::collection::vec(some_route(), 0..12),
        texts in proptest::collection::vec("[abé1\\[\\]]{0,4}", 8),
        path in "/?[AaBb]{0,3}",
    ) {
        let index = routes(&all);
        let completed = Status::Completed;
        for text in texts.iter().map(|text| Some(text.as_str())).chain([None]) {
            for status in [None, Some(&completed)] {
                let key = RoutingKey { status, resource: &path, ..key(text) };
                prop_assert_eq!(told(&index, &key), naive(&all, &key), "{:?} {:?}", key, all);
            }
        }
    }
}
