//! `reelhook config`: the values that are used, where they come from, and the schema for editors.

use serde_json::{Value, json};

use super::reelhook;
use super::site::Said;

const CONFIG: &str = "\
[server]
body_timeout = \"7s\"
[store]
encryption_key = { env = \"CANARY_KEY\" }
[[admin.tokens]]
name = \"ops\"
sha256 = \"00000000000000000000000000000000000000000000000000000000000000ca\"
scopes = [\"read\"]
[calls]
app_ids = [\"0efc74f7-41c3-47a4-8775-7259bfef4241\"]
[dispatch]
timeout = \"20s\"
[sinks.crm]
kind = \"http\"
url = \"https://hooks.example/CANARY?key=CANARY\"
secret = [{ env = \"CANARY_SECRET\" }]
headers = { X-Team = \"CANARY\", Authorization = { env = \"CANARY_SECRET\" } }
concurrency = 3
[[routes]]
name = \"all\"
client_context = { prefix = \"a\\u001b[31m\" }
sinks = [\"crm\"]
";

/// Runs `config print` with a config file and an environment that overrides it. `{file}` is the file in what is said.
fn print(text: &str, arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = reelhook();
    command.args(["config", "print"]).args(arguments).arg("--config").arg(&file);
    command.env("CANARY_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    command.env("CANARY_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    command.env("REELHOOK__ADMIN__MAX_INFLIGHT", "2MiB").env("REELHOOK__SINKS__CRM__JITTER", "0.5");
    let mut said = Said::from(command.output().unwrap());
    for text in [&mut said.out, &mut said.err] {
        *text = text.replace(file.to_str().unwrap(), "my.toml");
    }
    said
}

#[test]
fn each_value_is_printed_with_its_origin_and_secrets_as_set_or_not_set() {
    let said = print(CONFIG, &[]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    for line in [
        "server.listen = \"0.0.0.0:8080\"  # default",
        "server.body_timeout = \"7s\"  # my.toml:2",
        "server.handshakes_per_minute = not set  # default",
        "admin.max_inflight = \"2MiB\"  # REELHOOK__ADMIN__MAX_INFLIGHT",
        "admin.tokens[0].name = \"ops\"  # my.toml:6",
        "admin.tokens[0].sha256 = set  # my.toml:7",
        "store.encryption_key = set  # my.toml:4",
        "store.retention = \"30d\"  # default",
        "calls.app_ids = [\"0efc74f7-41c3-47a4-8775-7259bfef4241\"]  # my.toml:10",
        "subscriptions = not set  # default",
        "dispatch.timeout = \"20s\"  # my.toml:12",
        "sinks.crm.kind = \"http\"  # my.toml:14",
        "sinks.crm.timeout = \"20s\"  # dispatch.timeout, my.toml:12",
        "sinks.crm.queue = 1024  # default",
        "sinks.crm.concurrency = 3  # my.toml:18",
        "sinks.crm.jitter = 0.5  # REELHOOK__SINKS__CRM__JITTER",
        "sinks.crm.url = \"https://hooks.example/…\"  # my.toml:15",
        "sinks.crm.secret = set  # my.toml:16",
        "sinks.crm.headers = {\"Authorization\":\"set\",\"X-Team\":\"set\"}  # my.toml:17",
        "sinks.crm.allow_private = []  # default",
        "routes[0].client_context.prefix = \"a\\u001b[31m\"  # my.toml:21",
        "routes[0].continue = false  # default",
        "log.filter = \"info\"  # default",
    ] {
        assert!(said.out.lines().any(|it| it == line), "{line}\n{}", said.out);
    }
    for hidden in ["CANARY", "MfKQ9r8G", "AAECAwQF", "00ca"] {
        assert!(!said.out.contains(hidden), "{hidden}\n{}", said.out);
    }
    let at = |text: &str| said.out.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("sinks.crm.kind") < at("sinks.crm.url") && at("sinks.crm.url") < at("routes[0].name"));
}

#[test]
fn scripts_get_each_key_as_json() {
    let said = print(CONFIG, &["--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let objects: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| objects.iter().find(|it| it["key"] == key).unwrap_or_else(|| panic!("{key}"));
    let default = json!({ "kind": "default" });
    assert_eq!(of("server.max_items"), &json!({ "key": "server.max_items", "value": 1000, "origin": default }));
    assert_eq!(of("subscriptions")["value"], Value::Null);
    let secret = json!({ "kind": "file", "file": "my.toml", "line": 4 });
    assert_eq!(
        of("store.encryption_key"),
        &json!({ "key": "store.encryption_key", "secret": "set", "origin": secret })
    );
    assert_eq!(of("sinks.crm.jitter")["origin"], json!({ "kind": "variable", "name": "REELHOOK__SINKS__CRM__JITTER" }));
    let inherited = json!({ "kind": "file", "file": "my.toml", "line": 12, "key": "dispatch.timeout" });
    assert_eq!(of("sinks.crm.timeout")["origin"], inherited);
    assert!(!said.out.contains("CANARY"), "{}", said.out);
}

#[test]
fn a_config_with_mistakes_is_not_printed() {
    let said = print(&CONFIG.replace("concurrency = 3", "tiemout = 3"), &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
    assert!(said.err.starts_with("my.toml:18: sinks.crm.tiemout: found an unknown key"), "{said:?}");
}

#[test]
fn the_schema_is_printed_as_json() {
    let said = Said::from(super::run(&["config", "schema"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let schema: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$defs"]["http_sink"]["properties"]["url"].is_object());
}
