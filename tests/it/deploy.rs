//! What `deploy/` names exists: each series of the dashboard and of the rules is one of `/metrics`, and the page for operators
//! lists every metric.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::test_app::TestApp;

/// The labels of each sample of a text, by the sample's name.
type Samples = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// The labels that Prometheus adds, and those whose values an installation chooses.
const NOT_OURS: [&str; 4] = ["job", "instance", "sink", "version"];

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn samples(text: &str) -> Samples {
    let label = Regex::new("([a-z_]+)=\"([^\"]*)\"").unwrap();
    let mut samples = Samples::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let labels = label.captures_iter(rest).map(|it| (it[1].to_owned(), it[2].to_owned())).collect();
        samples.entry(name.to_owned()).or_default().push(labels);
    }
    samples
}

/// The expressions of the dashboard, and its other texts that name a series.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if ["expr", "query", "definition"].contains(&name.as_str()) => {
                        found.push(text.clone());
                    }
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// Checks each series in a text; returns how many it names.
fn check(text: &str, samples: &Samples) -> usize {
    let selector = Regex::new(r"\b((?:reelhook|process)_[a-z0-9_]+)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new("([a-z_]+)(=~|!=|!~|=)\"([^\"]*)\"").unwrap();
    let mut n_named = 0;
    for found in selector.captures_iter(text) {
        n_named += 1;
        let of_name = samples.get(&found[1]).unwrap_or_else(|| panic!("no metric {}: {text}", &found[1]));
        for it in matcher.captures_iter(found.get(2).map_or("", |labels| labels.as_str())) {
            let (label, operator, value) = (&it[1], &it[2], &it[3]);
            if NOT_OURS.contains(&label) {
                continue;
            }
            for value in value.split('|').filter(|_| operator != "=" || !value.contains('|')) {
                let is_there = of_name.iter().any(|labels| labels.get(label).is_some_and(|it| it == value));
                assert!(is_there, "no series {}{{{label}=\"{value}\"}}", &found[1]);
            }
        }
    }
    n_named
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_the_dashboard_and_of_the_rules_exists() {
    let app = TestApp::start().await;
    let samples = samples(&app.metrics().await);
    let mut asked = Vec::new();
    expressions(&serde_json::from_str(&read("deploy/grafana.json")).unwrap(), &mut asked);
    let n_of_dashboard: usize = asked.iter().map(|text| check(text, &samples)).sum();
    assert!(n_of_dashboard > 40, "{n_of_dashboard}");
    for (file, n_least) in [("deploy/alerts.yaml", 25), ("deploy/alerts.test.yaml", 25)] {
        let n_named = check(&read(file), &samples);
        assert!(n_named >= n_least, "{file}: {n_named}");
    }
    app.stop().await;
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
    }
}

#[test]
fn every_rule_says_how_bad_it_is_and_what_to_do() {
    let rules = read("deploy/alerts.yaml");
    let rules: Vec<&str> = rules.split("      - alert: ").skip(1).collect();
    for rule in &rules {
        for part in ["expr:", "severity: ", "summary: ", "description: "] {
            assert!(rule.contains(part), "{part}: {rule}");
        }
        let severity = rule.split("severity: ").nth(1).unwrap().lines().next().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{rule}");
        if rule.contains("_total") {
            assert!(rule.contains("increase("), "a counter is asked for its increase: {rule}");
        }
    }
    assert!(rules.len() >= 20, "{}", rules.len());
}

#[test]
fn every_alert_that_the_page_for_operators_advises_is_a_rule() {
    let (page, rules) = (read("docs/operations.md"), read("deploy/alerts.yaml"));
    let table = page.split("### Alerts").nth(1).unwrap().split("\n#").next().unwrap();
    let rows: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    for row in &rows {
        let metric = row.split(['`', '{']).next().unwrap();
        assert!(rules.contains(metric), "no rule asks for {metric}");
    }
    assert!(rows.len() >= 20, "{}", rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_operators_lists_every_metric() {
    let app = TestApp::start().await;
    let text = app.metrics_as("text/plain").await;
    let families: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let page = read("docs/operations.md");
    let named = |family: &&&str| page.contains(&format!("`{family}`")) || page.contains(&format!("`{family}{{"));
    let unnamed: Vec<&&str> = families.iter().filter(|family| !named(family)).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
    assert!(families.len() > 40, "{families:?}");
    app.stop().await;
}
