//! The config as its operator meets it: the examples load, and every mistake is told at once, each with its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reelhook::config::{self, Config, Loaded, LogFormat, Scope, Shown, TextMatch};
use reelhook::domain::{Channel, EventChoice, OperationEvent, RouteName, SinkName, Status};
use reelhook::routing::Routes;
use reelhook::sinks;
use secrecy::ExposeSecret;

const LEAST: &str = "[calls]\napp_ids = ['0efc74f7-41c3-47a4-8775-7259bfef4241']\n";
const SECRET_OF_32_BYTES: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    config::parse(text, variables).map_err(|mistakes| mistakes.to_string().lines().map(str::to_owned).collect())
}

fn loaded(text: &str) -> Loaded {
    load_with(text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn mistakes(text: &str) -> Vec<String> {
    mistakes_with(text, &[])
}

fn mistakes_with(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load_with(text, variables).map(|loaded| loaded.config).expect_err("expected mistakes")
}

/// Asserts that `text` has one mistake, that begins so.
fn one_mistake(text: &str, begins: &str) {
    let mistakes = mistakes(text);
    assert!(mistakes.len() == 1 && mistakes[0].starts_with(begins), "{begins}\n{mistakes:#?}");
}

fn warnings(text: &str) -> Vec<String> {
    loaded(text).warnings.iter().map(ToString::to_string).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// What the examples name by `{ env = ".." }`.
fn examples_secrets() -> BTreeMap<String, String> {
    [
        "CRM_SECRET",
        "CRM_OLD_SECRET",
        "DOWNLOADER_SECRET",
        "CLIENT_STATE",
        "CERTIFICATE_KEY",
        "POSTGRES_PASSWORD",
        "SERVICEBUS_KEY",
    ]
    .map(|name| (name.to_owned(), format!("secret of {name}")))
    .into()
}

#[test]
fn every_example_loads_and_its_routes_can_be_built() {
    let mut n_examples = 0;
    for entry in fs::read_dir(folder().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let loaded = config::load(&path, examples_secrets().into_iter()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let unexpected = loaded.warnings.iter().map(ToString::to_string).find(|text| !text.contains("placeholder"));
        assert_eq!(unexpected, None);
        assert!(!loaded.config.sinks.is_empty() && !loaded.config.routes.is_empty(), "{}", path.display());
        Routes::new(&loaded.config.routes, &loaded.config.sinks).unwrap();
        n_examples += 1;
    }
    assert!(n_examples >= 5);
}

#[test]
fn the_reference_loads_as_it_is() {
    let loaded = config::load(&folder().join("reelhook.toml"), std::iter::empty()).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("calls.app_ids[0]"), "{warnings:?}");
}

#[test]
fn expectations_have_bounds() {
    let expectations = loaded(LEAST).config.expectations;
    assert_eq!((expectations.lost_after, expectations.default_within), (Duration::from_secs(30), None));
    let given = format!("{LEAST}[expectations]\nlost_after = '0s'\ndefault_within = 'PT15M'\n");
    let expectations = loaded(&given).config.expectations;
    assert_eq!(
        (expectations.lost_after, expectations.default_within),
        (Duration::ZERO, Some(Duration::from_secs(900)))
    );
    assert_eq!(
        (expectations.remember_calls, expectations.max_remembered_calls),
        (Duration::from_secs(24 * 3600), 100_000)
    );
    for (line, key) in [
        ("lost_after = '2h'", "lost_after"),
        ("default_within = '0s'", "default_within"),
        ("remember_calls = '0s'", "remember_calls"),
        ("max_remembered_calls = 999", "max_remembered_calls"),
    ] {
        let expected = format!("config:4: expectations.{key}: found ");
        one_mistake(&format!("{LEAST}[expectations]\n{line}\n"), &expected);
    }
}

#[test]
fn the_defaults_are_those_that_are_promised() {
    let Config { server, admin, store, calls, subscriptions, dispatch, log, .. } = loaded(LEAST).config;
    assert_eq!(server.listen.to_string(), "0.0.0.0:8080");
    assert_eq!((server.max_body_bytes, server.max_items), (1 << 20, 1000));
    assert_eq!((server.handshakes_per_minute, server.trusted_proxies.len()), (None, 0));
    assert_eq!((server.body_timeout, server.answer_timeout), (Duration::from_secs(5), Duration::from_millis(2500)));
    assert_eq!(admin.listen.to_string(), "127.0.0.1:8081");
    assert_eq!(store.path, Path::new("data/reelhook.db"));
    assert_eq!((store.deduplicate, store.token_retention), (Duration::from_secs(86_400), Duration::from_secs(86_400)));
    let calls = calls.unwrap();
    assert_eq!(calls.path, "/graph/calls");
    assert_eq!(calls.issuers, ["https://api.botframework.com", "https://graph.microsoft.com"]);
    assert_eq!(calls.openid_configuration.as_str(), "https://api.aps.skype.com/v1/.well-known/OpenIdConfiguration");
    assert!(subscriptions.is_none());
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let (at_once, soon) = (Duration::ZERO, Duration::from_secs(5));
    let schedule =
        [at_once, soon, minutes(5), minutes(30), hours(2), hours(5), hours(10), hours(14), hours(20), hours(24)];
    assert_eq!(dispatch.defaults.retry, schedule);
    assert_eq!((dispatch.defaults.jitter, dispatch.defaults.max_retry_after), (0.2, hours(1)));
    assert_eq!(log.format, LogFormat::Json);
}

#[test]
fn trusted_proxies_are_networks_or_addresses_and_a_limit_without_them_is_warned_of() {
    let server = format!("{LEAST}[server]\nhandshakes_per_minute = 60\n");
    let given = loaded(&format!("{server}trusted_proxies = ['10.0.0.0/8', '192.0.2.7', 'fd00::/8']\n"));
    let proxies: Vec<String> = given.config.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]);
    assert!(!given.warnings.iter().any(|it| it.to_string().contains("trusted_proxies")), "{:?}", given.warnings);
    assert!(warnings(&server).iter().any(|it| it.contains("behind a proxy, all of Graph counts as one source")));
    one_mistake(
        &format!("{LEAST}[server]\nproxy_protocol = true\n"),
        "config:4: server.proxy_protocol: found true without",
    );
    let wrong = format!("{LEAST}[server]\ntrusted_proxies = ['proxy.example']\n");
    one_mistake(&wrong, "config:4: server.trusted_proxies[0]: found \"proxy.example\", expected a network");
}

#[test]
fn subscriptions_have_microsofts_own_defaults() {
    let text = "[subscriptions]\napp_ids = ['8e460676-ae3f-4b1e-8790-ee0fb5d6148f']\nclient_states = [{ env = 'S' }]\n";
    let subscriptions = load_with(text, &[("S", "state")]).unwrap().config.subscriptions.unwrap();
    assert_eq!(subscriptions.path, "/graph/notifications");
    assert_eq!(subscriptions.lifecycle_path, "/graph/lifecycle");
    assert_eq!(subscriptions.publisher, "0bf30f3b-4a52-48df-9a82-234910c4a086");
    assert_eq!(subscriptions.client_states[0].expose_secret(), "state");
    assert_eq!(
        subscriptions.issuers,
        ["https://sts.windows.net/{tenantid}/", "https://login.microsoftonline.com/{tenantid}/v2.0"]
    );
}

#[test]
fn each_listener_needs_an_address_of_its_own() {
    let admin = |keys: &str| format!("{LEAST}[admin]\n{keys}");
    one_mistake(
        &admin("listen = '127.0.0.1:8080'\n"),
        "config:4: admin.listen: found 127.0.0.1:8080, which server.listen (0.0.0.0:8080) takes, expected another port",
    );
    one_mistake(
        &admin("probes = '0.0.0.0:8081'\n"),
        "config:4: admin.probes: found 0.0.0.0:8081, which admin.listen (127.0.0.1:8081) takes, expected another port",
    );
    one_mistake(
        &admin("probes = '[::]:8080'\n"),
        "config:4: admin.probes: found [::]:8080, which server.listen (0.0.0.0:8080) takes, expected another port",
    );
    let Config { admin: given, .. } = loaded(&admin("probes = '0.0.0.0:8082'\nprobes_metrics = true\n")).config;
    assert_eq!((given.probes, given.probes_metrics), (Some("0.0.0.0:8082".parse().unwrap()), true));
    assert!(given.tokens.is_empty() && given.listen.ip().is_loopback(), "no token is needed for probes");
    let useless = warnings(&admin("probes_metrics = true\n"));
    assert!(useless.iter().any(|it| it.contains("probes_metrics: has no effect without admin.probes")), "{useless:?}");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "\
[server]
listen = 'localhost:8080'
body_timeout = 5
max_body = 1048576
wrokers = 3
[calls]
path = 'graph'
[sinks.archive]
path = 'x'
timeout = '0s'
[[routes]]
client_context = { regex = '(' }
sinks = ['archive', 'crm']
";
    let found = mistakes(text);
    let expected = [
        "config:2: server.listen: found \"localhost:8080\", expected an IP address and a port",
        "config:3: server.body_timeout: found 5, expected a duration with its unit",
        "config:4: server.max_body: found 1048576, expected a size with its unit",
        "config:5: server.wrokers: found an unknown key, expected one of: listen, workers, max_body",
        "config:6: calls.app_ids: found none, expected the application ids",
        "config:7: calls.path: found \"graph\", expected a path as",
        "config:8: sinks.archive.kind: found nothing, expected the kind of sink",
        "config:10: sinks.archive.timeout: found \"0s\", expected a duration from 100ms to 1h",
        "config:11: routes[0].name: found nothing, expected a name for the route",
        "config:12: routes[0].client_context.regex: found \"(\", expected a regular expression: unclosed group",
        "config:13: routes[0].sinks[1]: found \"crm\", expected one of the sinks",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{expected}\n{found}");
    }
}

#[test]
fn the_sinks_that_could_be_read_are_handed_out_beside_the_mistakes() {
    let text = "[sinks.a]\nkind = 'file'\npath = 'x'\n";
    let mistakes = config::parse(text, std::iter::empty()).unwrap_err();
    assert_eq!(mistakes.readable.as_ref().unwrap().config.sinks.len(), 1);
    assert_eq!(mistakes.readable.unwrap().config.sinks[0].table.plain()["path"].as_str(), Some("x"));
}

#[test]
fn broken_toml_is_told_with_its_lines() {
    let found = mistakes("[server]\nlisten = \n[calls\n");
    assert!(found.iter().any(|line| line.starts_with("config:2: is not TOML: ")), "{found:#?}");
    assert!(found.iter().all(|line| line.starts_with("config:")), "{found:#?}");
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let mistakes = config::load(Path::new("/no/such/file.toml"), std::iter::empty()).unwrap_err().to_string();
    assert!(mistakes.starts_with("/no/such/file.toml: found No such file"), "{mistakes}");
}

#[test]
fn a_channel_must_be_configured() {
    one_mistake("", "config: found neither [calls] nor [subscriptions]");
}

#[test]
fn threat_20_an_empty_or_missing_client_state_stops_the_start() {
    let text = "[subscriptions]\napp_ids = ['8e460676-ae3f-4b1e-8790-ee0fb5d6148f']\n";
    one_mistake(text, "config:1: subscriptions.client_states: found none");
    one_mistake(&format!("{text}client_states = []\n"), "config:3: subscriptions.client_states: found none");
    let named = format!("{text}client_states = [{{ env = 'S' }}]\n");
    one_mistake(
        &named,
        "config:3: subscriptions.client_states[0]: env: found an environment variable's name that is not set",
    );
    let found = mistakes_with(&named, &[("S", "\n")]);
    assert!(found.len() == 1 && found[0].contains("client_states[0]: env S: found nothing"), "{found:#?}");
}

#[test]
fn a_secret_in_the_config_itself_is_a_mistake_that_does_not_show_it() {
    for secret in [
        "'canary'",
        "['canary']",
        "[[\"canary\"]]",
        "[{ env = 'A', file = 'canary' }]",
        "{ value = 'canary' }",
        "[{ env = 'canary' }]",
        "[{ file = 'canary' }]",
        "[{ file = ['canary'] }]",
        "[{ env = { canary = 'canary' } }]",
        "[{ canary = 'x' }]",
        "canary",
        "'canary",
    ] {
        let text = format!("[subscriptions]\napp_ids = ['x']\nclient_states = {secret}\n");
        let found = mistakes(&text);
        assert!(!found.is_empty() && found.iter().all(|line| !line.contains("canary")), "{found:#?}");
    }
    let found = mistakes_with(LEAST, &[("REELHOOK__STORE__ENCRYPTION_KEY", "canary")]);
    assert!(found.len() == 1 && found[0].contains("never written in the config"), "{found:#?}");
    assert!(!found[0].contains("canary"), "{found:#?}");
}

#[test]
fn threat_62_a_secret_file_that_others_can_read_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, SECRET_OF_32_BYTES).unwrap();
    let text = format!("{LEAST}[store]\nencryption_key = {{ file = '{}' }}\n", path.display());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let found = mistakes(&text);
    assert!(
        found.len() == 1 && found[0].contains("store.encryption_key") && found[0].contains("chmod 600"),
        "{found:?}"
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(loaded(&text).config.store.encryption_key.is_some());
}

#[test]
fn an_encryption_key_has_32_bytes() {
    let text = format!("{LEAST}[store]\nencryption_key = {{ env = 'KEY' }}\n");
    assert!(load_with(&text, &[("KEY", SECRET_OF_32_BYTES)]).is_ok());
    for wrong in ["canary", "Y2FuYXJ5"] {
        let found = mistakes_with(&text, &[("KEY", wrong)]);
        assert!(found.len() == 1 && found[0].contains("expected 32 bytes in base64"), "{found:?}");
        assert!(!found[0].contains(wrong), "{found:?}");
    }
}

#[test]
fn threat_56_the_admin_listener_leaves_loopback_only_with_a_token() {
    for open in ["0.0.0.0:8081", "[::]:8081", "10.0.0.5:8081"] {
        let text = format!("{LEAST}[admin]\nlisten = '{open}'\n");
        one_mistake(&text, "config:4: admin.listen: found");
        let token =
            format!("{text}[[admin.tokens]]\nname = 'ops'\nsha256 = '{}'\nscopes = ['read']\n", "ab".repeat(32));
        let admin = loaded(&token).config.admin;
        assert_eq!(admin.tokens[0].sha256, [0xab; 32]);
        assert_eq!(admin.tokens[0].scopes, [Scope::Read]);
    }
    for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        loaded(&format!("{LEAST}[admin]\nlisten = '{loopback}'\n"));
    }
}

#[test]
fn a_token_is_checked_key_by_key() {
    let text = format!("{LEAST}[[admin.tokens]]\nname = ''\nsha256 = 'canary'\nscopes = ['root']\n");
    let found = mistakes(&text);
    assert!(found.iter().all(|line| !line.contains("canary")), "{found:#?}");
    let keys = ["admin.tokens[0].name", "admin.tokens[0].sha256", "admin.tokens[0].scopes[0]"];
    assert_eq!(found.len(), keys.len(), "{found:#?}");
    for key in keys {
        assert!(found.iter().any(|line| line.contains(&format!("{key}: "))), "{key} {found:#?}");
    }
    let token = format!("[[admin.tokens]]\nname = 'ops'\nsha256 = '{}'\nscopes = ['read']\n", "ab".repeat(32));
    one_mistake(&format!("{LEAST}{token}{token}"), "config:7: admin.tokens[1]: found the name or the token");
    one_mistake(
        &format!("{LEAST}[[admin.tokens]]\nname = 'a'\nsha256 = '{}'\n", "ab".repeat(32)),
        "config:3: admin.tokens[0].scopes",
    );
}

#[test]
fn two_listeners_and_two_paths_do_not_meet() {
    one_mistake(
        &format!("{LEAST}[server]\nlisten = '0.0.0.0:8081'\n"),
        "config: admin.listen: found 127.0.0.1:8081, which",
    );
    loaded(&format!("{LEAST}[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n"));
    let text = format!(
        "{LEAST}[subscriptions]\napp_ids = ['8e460676-ae3f-4b1e-8790-ee0fb5d6148f']\nclient_states = [{{ env = 'S' }}]\n\
         lifecycle_path = '/graph/calls'\n"
    );
    let found = mistakes_with(&text, &[("S", "state")]);
    assert!(found.len() == 1 && found[0].contains("subscriptions.lifecycle_path: found \"/graph/calls\""), "{found:?}");
}

#[test]
fn keys_are_fetched_over_tls_but_on_loopback() {
    let with = |url: &str| format!("{LEAST}openid_configuration = '{url}'\n");
    loaded(&with("http://127.0.0.1:9000/x"));
    loaded(&with("https://example.com/x"));
    one_mistake(&with("http://example.com/x"), "config:3: calls.openid_configuration: found");
}

#[test]
fn variables_override_values_of_every_shape() {
    let text = format!(
        "{LEAST}[sinks.crm-eu]\nkind = 'http'\nurl = 'https://old.example/'\n[[routes]]\nname = 'r'\nsinks = ['crm-eu']\n"
    );
    let variables = [
        ("REELHOOK__SERVER__LISTEN", "127.0.0.1:9"),
        ("REELHOOK__SERVER__MAX_ITEMS", "7"),
        ("REELHOOK__SERVER__BODY_TIMEOUT", "9s"),
        ("REELHOOK__CALLS__TENANTS", "[\"T1\", \"84bd8158-6d4d-4958-8b9f-9d6445542f95\"]"),
        ("REELHOOK__DISPATCH__JITTER", "0.5"),
        ("REELHOOK__SINKS__CRM_EU__URL", "https://new.example/#{x}"),
        ("REELHOOK__SINKS__CRM_EU__CONCURRENCY", "3"),
        ("REELHOOK__SINKS__CRM_EU__SECRET", "{ env = \"S\" }"),
        ("REELHOOK__LOG__FORMAT", "text"),
        ("REELHOOK__ROUTES", "[{\"name\": \"other\", \"sinks\": [\"crm-eu\"], \"continue\": true}]"),
        ("REELHOOK_CONFIG", "not an override"),
    ];
    let config = load_with(&text, &variables).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:9");
    assert_eq!((config.server.max_items, config.server.body_timeout), (7, Duration::from_secs(9)));
    assert_eq!(config.calls.unwrap().tenants, ["t1", "84bd8158-6d4d-4958-8b9f-9d6445542f95"]);
    assert_eq!(config.dispatch.defaults.jitter, 0.5);
    assert_eq!(config.sinks[0].table.plain()["url"].as_str(), Some("https://new.example/#{x}"));
    assert_eq!(config.sinks[0].table.plain()["secret"]["env"].as_str(), Some("S"));
    assert_eq!((config.sinks[0].dispatch.concurrency, config.sinks[0].dispatch.jitter), (3, 0.5));
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(config.routes[0].name == RouteName::new("other") && config.routes[0].continues);
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    let variables = [
        ("REELHOOK__SERVER__LISTEN", "nowhere"),
        ("REELHOOK__SERVER__NO_SUCH_KEY", "1"),
        ("REELHOOK__NO_SUCH_SECTION__X", "1"),
        ("REELHOOK__CALLS__APP_IDS", "just-text"),
        ("REELHOOK__ROUTES__0__NAME", "x"),
    ];
    let text = format!("{LEAST}[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\n");
    let found = mistakes_with(&text, &variables);
    assert_eq!(found.len(), variables.len(), "{found:#?}");
    for (name, _) in variables {
        assert!(found.iter().any(|line| line.starts_with(&format!("{name}: "))), "{name} {found:#?}");
    }
    assert!(found.iter().any(|line| line.contains("server.listen: found \"nowhere\", expected an IP address")));
}

#[test]
fn a_schedule_that_does_not_begin_at_once_is_refused() {
    let sink =
        |retry: &str| format!("{LEAST}[sinks.a]\nkind = 'x'\nretry = {retry}\n[[routes]]\nname = 'r'\nsinks = ['a']\n");
    one_mistake(
        &sink("['5s', '5m']"),
        "config:5: sinks.a.retry[0]: found \"5s\", expected \"0s\": the first attempt is made at once; put \"0s\" before it",
    );
    one_mistake(&format!("{LEAST}[dispatch]\nretry = ['1h']\n"), "config:4: dispatch.retry[0]: found \"1h\", expected");
    // An entry that is wrong by itself is told once, and the next one is not taken for the first.
    one_mistake(&sink("['5', '5m']"), "config:5: sinks.a.retry[0]: found \"5\", expected a duration");
    loaded(&sink("['0s']"));
    loaded(&sink("['PT0S', '0s', '5m']"));
}

#[test]
fn a_text_as_queue_is_the_name_of_a_sinks_queue_and_a_number_is_for_every_sink() {
    let routes = "[[routes]]\nname = 'r'\nsinks = ['a']\n";
    let text = format!("{LEAST}[dispatch]\nqueue = 7\n[sinks.a]\nkind = 'servicebus'\nurl = 'sb://h'\n");
    let loaded = loaded(&format!("{text}queue = '5'\n{routes}"));
    let sink = &loaded.config.sinks[0];
    assert_eq!(sink.dispatch.queue, 7);
    let built =
        sinks::build_all(&loaded.config.sinks, &sinks::Context::default()).unwrap_or_else(|it| panic!("{it:?}"));
    let keys = sinks::effective(loaded.keys, &built);
    let shown: Vec<_> = keys.iter().filter(|key| key.path == "sinks.a.queue").map(|key| key.value.clone()).collect();
    assert_eq!(shown, [Some(Shown::Value("5".into()))]);
    // A variable is a text in any case.
    for (value, queue) in [("9", 9), ("nine", 7)] {
        let loaded = load_with(&format!("{text}{routes}"), &[("REELHOOK__SINKS__A__QUEUE", value)]).unwrap();
        assert_eq!(loaded.config.sinks[0].dispatch.queue, queue);
    }
    // Other kinds have no queue of their own.
    let sink = &self::loaded(&format!("{LEAST}[sinks.a]\nkind = 'stdout'\nqueue = 'x'\n{routes}")).config.sinks[0];
    let mistakes = sinks::build(sink, &sinks::Context::default()).err().unwrap();
    assert_eq!(mistakes[0].to_string(), "config:5: sinks.a.queue: found \"x\", expected a whole number");
}

#[test]
fn a_sinks_own_keys_are_left_to_the_sink() {
    let text = format!(
        "{LEAST}[dispatch]\ntimeout = '7s'\n[sinks.a]\nkind = 'x'\nqueue = 5\nretry = ['0s', '1s']\nown = {{ deep = [1, 'two'] }}\n\
         [[routes]]\nname = 'r'\nsinks = ['a']\n"
    );
    let config = loaded(&text).config;
    let sink = &config.sinks[0];
    assert_eq!((sink.name.as_str(), sink.kind.as_str()), ("a", "x"));
    assert_eq!((sink.dispatch.queue, sink.dispatch.timeout), (5, Duration::from_secs(7)));
    assert_eq!(sink.dispatch.retry, [Duration::ZERO, Duration::from_secs(1)]);
    assert_eq!(sink.table.plain(), "own = { deep = [1, 'two'] }".parse::<toml::Table>().unwrap());
}

#[test]
fn names_of_sinks_fit_into_variables() {
    for good in ["a", "crm-eu_1", "0"] {
        loaded(&format!("{LEAST}[sinks.{good}]\nkind = 'stdout'\n"));
    }
    for bad in ["CRM", "\"a b\"", "a__b", "\"\"", "\"é\""] {
        one_mistake(&format!("{LEAST}[sinks.{bad}]\nkind = 'stdout'\n"), "config:3: sinks.");
    }
}

#[test]
fn every_condition_of_a_route_is_read() {
    let route = |condition: &str| {
        let text = format!("{LEAST}[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\n{condition}\n");
        loaded(&text).config.routes.remove(0)
    };
    let context = |condition: &str| route(&format!("client_context = {condition}")).client_context.unwrap();
    assert_eq!(context("{ exact = 'x' }"), TextMatch::Exact(vec!["x".into()]));
    assert_eq!(context("{ exact = ['x', 'y'] }"), TextMatch::Exact(vec!["x".into(), "y".into()]));
    assert_eq!(context("{ prefix = 'x' }"), TextMatch::Prefix("x".into()));
    assert_eq!(context("{ glob = 'x*' }"), TextMatch::Glob("x*".into()));
    assert_eq!(context("{ regex = 'x+' }"), TextMatch::Regex("x+".into()));
    let json = TextMatch::Json { pointer: "/a".into(), equals: serde_json::json!({"b": [1, true]}) };
    assert_eq!(context("{ json = '/a', equals = { b = [1, true] } }"), json);
    let narrow = route("status = 'COMPLETED'\ntenant = ['T1', 't2']\nresource_type = 'call'");
    assert_eq!((narrow.status, narrow.tenant), (vec![Status::Completed], vec!["t1".to_owned(), "t2".to_owned()]));
    assert_eq!((narrow.resource_type, narrow.continues), (vec!["call".to_owned()], false));
    assert_eq!(narrow.sinks, [SinkName::new("a")]);
    let resource = |condition: &str| route(&format!("resource = {condition}")).resource.unwrap();
    assert_eq!(resource("{ exact = '/me/drive/root' }"), TextMatch::Exact(vec!["me/drive/root".into()]));
    assert_eq!(resource("{ prefix = 'Users/' }"), TextMatch::Prefix("Users/".into()));
    assert_eq!(resource("{ glob = '/users/*' }"), TextMatch::Glob("users/*".into()));
    assert_eq!(resource("{ regex = 'users/.+' }"), TextMatch::Regex("users/.+".into()));
    let narrow =
        route("change_type = 'updated'\nsubscription = ['s']\nchannel = ['calls', 'lifecycle']\ntype = 'call.updated'");
    assert_eq!((narrow.change_type, narrow.subscription), (vec!["updated".to_owned()], vec!["s".to_owned()]));
    assert_eq!(
        (narrow.channel, narrow.kind),
        (vec![Channel::Calls, Channel::Lifecycle], EventChoice::new(&["call.updated".to_owned()]))
    );
}

#[test]
fn a_wrong_condition_on_a_resource_or_a_channel_is_one_mistake() {
    for (condition, key) in [
        ("resource = {}", "resource"),
        ("resource = { exact = 'a', glob = 'b' }", "resource"),
        ("resource = { json = '/a', equals = 1 }", "resource.json"),
        ("resource = { regex = '(' }", "resource.regex"),
        ("resource = 'me/drive'", "resource"),
        ("channel = 'phone'", "channel"),
        ("change_type = 3", "change_type"),
    ] {
        let text = format!("{LEAST}[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\n{condition}\n");
        let found = mistakes(&text);
        let begins = format!("config:8: routes[0].{key}: found");
        assert!(found.iter().any(|line| line.starts_with(&begins)), "{condition} {found:#?}");
    }
}

#[test]
fn a_regex_that_needs_a_slash_before_a_path_is_warned_of_and_one_that_allows_it_is_not() {
    let is_warned = |regex: &str| {
        let route = format!("[[routes]]\nname = 'r'\nsinks = ['a']\nresource = {{ regex = '{regex}' }}\n");
        let loaded = loaded(&format!("{LEAST}[sinks.a]\nkind = 'stdout'\n{route}"));
        loaded.warnings.iter().any(|it| it.to_string().contains("a path has no slash at its start here"))
    };
    assert!(is_warned("/users/.+") && is_warned("/"));
    for regex in ["users/.+", "/?users/.+", "/*users/.+"] {
        assert!(!is_warned(regex), "{regex}");
    }
}

#[test]
fn events_of_routes_and_sinks_are_patterns_and_a_route_names_its_condition_once() {
    let sink = |line: &str| format!("{LEAST}[sinks.a]\nkind = 'stdout'\n{line}\n");
    let with = |line: &str| format!("{}[[routes]]\nname = 'r'\nsinks = ['a']\n", sink(line));
    let events = &loaded(&with("events = ['recordOperation.*', 'call.updated']")).config.sinks[0].events;
    assert_eq!(*events, EventChoice::new(&["recordOperation.*".to_owned(), "call.updated".to_owned()]));
    assert!(loaded(&with("")).config.sinks[0].events.is_any());
    let told = warnings(&with("events = ['recordOperation.finish*']")).join("\n");
    assert!(told.contains("sinks.a.events: \"recordOperation.finish*\" matches no known type of event"), "{told}");
    let both = format!("{}type = 'call.updated'\nevents = 'call.*'\n", with(""));
    let told = mistakes(&both).join("\n");
    assert!(told.contains("routes[0].events: found it beside type, expected one of them"), "{told}");
}

#[test]
fn words_that_no_event_has_are_warned_of() {
    let route = |condition: &str| {
        let found = warnings(&format!(
            "{LEAST}[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\n{condition}\n"
        ));
        found.join("\n")
    };
    let told = route("type = ['recordOperation.lost', 'recordOperation.finished']");
    let words: Vec<&str> = OperationEvent::ALL.iter().map(|event| event.word()).collect();
    assert_eq!(
        told,
        format!(
            "config:8: routes[0].type: \"recordOperation.finished\" is not a known type of event: of \"recordOperation\" \
             there are {}",
            words.join(", ")
        )
    );
    let told = route("change_type = 'update'");
    assert!(
        told.starts_with("config:8: routes[0].change_type: \"update\" is not a change type that Graph documents"),
        "{told}"
    );
    for good in ["type = 'call.updated'", "change_type = ['created', 'missed']", "type = 'subscription.missed'"] {
        assert_eq!(route(good), "", "{good}");
    }
}

#[test]
fn a_subscription_without_dashes_is_the_same_one() {
    let text = "[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\nsubscription = ['76222963CC7B42D2882D8AAA69CB2BA3', 's']\n";
    let config = loaded(&format!("{LEAST}{text}")).config;
    assert_eq!(config.routes[0].subscription, ["76222963-cc7b-42d2-882d-8aaa69cb2ba3", "s"]);
}

#[test]
fn a_route_that_is_narrowed_by_anything_does_not_match_everything() {
    let routes = |condition: &str| {
        format!(
            "{LEAST}[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\n{condition}\n\
             [[routes]]\nname = 's'\nsinks = ['a']\n"
        )
    };
    let is_warned =
        |condition: &str| loaded(&routes(condition)).warnings.iter().any(|it| it.to_string().contains("never reached"));
    assert!(is_warned(""));
    for condition in [
        "resource = { prefix = 'me/' }",
        "change_type = 'updated'",
        "subscription = 's'",
        "channel = 'calls'",
        "type = 't'",
    ] {
        assert!(!is_warned(condition), "{condition}");
    }
}

#[test]
fn a_path_below_the_calls_is_no_other_endpoint() {
    let text = "[calls]\napp_ids = ['x']\npath = '/graph'\nsubpaths = true\n[subscriptions]\napp_ids = ['x']\n\
                client_states = [{ env = 'STATE' }]\npath = '/graph/notifications'\nlifecycle_path = '/graphs/lifecycle'\n";
    let found = config::parse(text, std::iter::once(("STATE".to_owned(), "x".to_owned())));
    let found = found.err().map(|mistakes| mistakes.to_string()).unwrap_or_default();
    assert!(found.contains("subscriptions.path: found") && !found.contains("lifecycle_path"), "{found}");
}

#[test]
fn a_wrong_condition_is_one_mistake() {
    for (condition, key) in [
        ("{}", "client_context"),
        ("{ exact = 'a', prefix = 'b' }", "client_context"),
        ("{ exact = [] }", "client_context.exact"),
        ("{ exact = 3 }", "client_context.exact"),
        ("{ exact = ['a', 3] }", "client_context.exact[1]"),
        ("{ begins = 'a' }", "client_context.begins"),
        ("{ regex = 'a)(b' }", "client_context.regex"),
        ("{ json = 'a', equals = 1 }", "client_context.json"),
        ("{ json = '/a' }", "client_context.equals"),
        ("{ equals = 1 }", "client_context.json"),
        ("{ json = '/a', equals = nan }", "client_context.equals"),
        ("'support-'", "client_context"),
    ] {
        let text = format!(
            "{LEAST}[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\nclient_context = {condition}\n"
        );
        let found = mistakes(&text);
        let begins = format!("config:8: routes[0].{key}: found");
        assert!(found.iter().any(|line| line.starts_with(&begins)), "{condition} {found:#?}");
        assert!(found.len() == 1 || condition.contains("begins"), "{condition} {found:#?}");
    }
}

#[test]
fn tens_of_thousands_of_routes_load() {
    let mut text = format!("{LEAST}[sinks.a]\nkind = 'stdout'\n");
    for n in 0..20_000 {
        text.push_str(&format!(
            "[[routes]]\nname = 'r{n}'\nclient_context = {{ exact = 'order-{n}' }}\nsinks = ['a']\n"
        ));
    }
    let config = loaded(&text).config;
    assert_eq!(config.routes.len(), 20_000);
    text.push_str("[[routes]]\nname = 'r0'\nsinks = ['a']\n");
    one_mistake(&text, "config:80006: routes[20000].name: found \"r0\" again");
}

#[test]
fn what_may_not_be_meant_is_a_warning() {
    let sinks = "[sinks.a]\nkind = 'stdout'\n[sinks.unused]\nkind = 'stdout'\n";
    let routes =
        "[[routes]]\nname = 'all'\nsinks = ['a']\n[[routes]]\nname = 'late'\nstatus = 'paused'\nsinks = ['a']\n";
    let found = warnings(&format!("{LEAST}tenants = ['contoso.com']\n{sinks}{routes}"));
    let expected = [
        "config:3: calls.tenants[0]: \"contoso.com\" is no GUID",
        "config:6: sinks.unused: no route names this sink",
        "config:11: routes[1]: route \"late\" is never reached: \"all\" before it",
        "config:13: routes[1].status: \"paused\" is not a status",
    ];
    for expected in expected {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(warnings(LEAST)[0].contains("there are no routes"));
    assert!(
        warnings(&format!("{LEAST}[server]\nanswer_timeout = '3s'\n")).iter().any(|line| line.contains("Graph counts"))
    );
}

proptest::proptest! {
    #[test]
    fn no_value_in_the_place_of_another_makes_it_panic(
        key in proptest::sample::select(vec![
            "server", "server.listen", "server.max_body", "admin.tokens", "store.encryption_key", "calls.app_ids",
            "subscriptions", "subscriptions.client_states", "subscriptions.certificates", "dispatch.retry",
            "dispatch.jitter", "sinks", "sinks.a", "sinks.a.retry", "routes", "log.filter",
        ]),
        value in proptest::sample::select(vec![
            "1", "-1", "1.5", "nan", "true", "''", "'x'", "'1s'", "[]", "[[]]", "['x']", "[1]", "{}", "[{}]",
            "{ x = 1 }", "[{ name = 'r', sinks = 'a' }]", "[{ env = 'X' }]", "2026-11-24", "'\\u0000'",
            "[{ name = 'r', client_context = 3, sinks = ['a'] }]", "9223372036854775807",
        ]),
    ) {
        let _ = load_with(&format!("{key} = {value}\n"), &[]);
        let variable = format!("REELHOOK__{}", key.replace('.', "__").to_uppercase());
        let _ = load_with(LEAST, &[(&variable, value)]);
    }
}
