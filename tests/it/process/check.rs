//! `reelhook check`: what it finds, for people and for programs, and what it tries.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::reelhook;
use super::site::{Said, Site};

const APP: &str = "[calls]\napp_ids = [\"0efc74f7-41c3-47a4-8775-7259bfef4241\"]\n";
const ROUTE: &str = "[[routes]]\nname = \"all\"\nsinks = [\"a\"]\n";
const SINK: &str = "[sinks.a]\nkind = \"file\"\npath = \"a.jsonl\"\n";

/// Checks a config in `folder`, which is the working directory too. `{file}` is `my.toml` in what is said.
fn check(folder: &Path, text: &str, arguments: &[&str]) -> Said {
    std::fs::write(folder.join("my.toml"), text).unwrap();
    let mut command = reelhook();
    command.current_dir(folder).args(["check", "--config", "my.toml"]).args(arguments);
    Said::from(command.env("STATE", "0123456789abcdef").env("KEY", "canary").output().unwrap())
}

fn json_of(said: &Said) -> Value {
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn a_value_of_the_wrong_type_hides_no_other_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let text = "server = 5\nstore = \"x\"\nadmin = { listen = false, tokens = [7] }\n\
                log = { filter = \"inof\", format = 4 }\n\
                [subscriptions]\napp_ids = 5\nclient_states = [{ env = \"STATE\" }]\n\
                [[subscriptions.certificates]]\nid = \"c\"\nprivate_key = { env = \"KEY\" }\n\
                [sinks.a]\nkind = \"file\"\npath = 3\n\
                [sinks.b]\nkind = \"http\"\nurl = \"ftp://x\"\ntimeout = 9\n\
                [sinks.c]\nkind = \"file\"\npath = \"c.jsonl\"\n\
                [sinks.d]\nkind = \"file\"\npath = \"./c.jsonl\"\n\
                [[routes]]\nname = 6\nclient_context = { regex = \"(\" }\nsinks = [\"nobody\"]\n";
    let said = check(folder.path(), text, &[]);
    assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
    for told in [
        "my.toml:1: server: found 5",
        "my.toml:2: store: found \"x\"",
        "my.toml:3: admin.listen: found false",
        "my.toml:3: admin.tokens[0]: found 7",
        "my.toml:4: log.filter: found \"inof\"",
        "my.toml:4: log.format: found 4",
        "my.toml:6: subscriptions.app_ids: found 5",
        "my.toml:10: subscriptions.certificates[0].private_key: found no private key",
        "my.toml:13: sinks.a.path: found 3",
        "my.toml:16: sinks.b.url: found another scheme",
        "my.toml:17: sinks.b.timeout: found 9",
        "my.toml:23: sinks.d.path: found the file of the sink c",
        "my.toml:25: routes[0].name: found 6",
        "my.toml:26: routes[0].client_context.regex: found \"(\"",
        "my.toml:27: routes[0].sinks[0]: found \"nobody\"",
        "15 mistakes in the config",
    ] {
        assert!(said.err.lines().any(|line| line.starts_with(told)), "{told}\n{}", said.err);
    }
    assert_eq!(said.err.lines().count(), 16, "{}", said.err);
    assert!(!said.err.contains("canary"), "{}", said.err);
}

#[test]
fn two_sinks_with_one_file_are_a_mistake_however_it_is_spelt() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::os::unix::fs::symlink("data", folder.path().join("link")).unwrap();
    let absolute = folder.path().join("data/a.jsonl").display().to_string();
    for other in ["data/a.jsonl", "./data/a.jsonl", "data/../data/a.jsonl", "link/a.jsonl", &absolute] {
        let text = format!(
            "{APP}[sinks.a]\nkind = \"file\"\npath = \"data/a.jsonl\"\n[sinks.b]\nkind = \"file\"\npath = \"{other}\"\n\
             {ROUTE}"
        );
        let said = check(folder.path(), &text, &[]);
        let told = "my.toml:8: sinks.b.path: found the file of the sink a, expected a file for this sink alone\n";
        assert!(said.code == Some(2) && said.err.contains(told), "{other}: {said:?}");
    }
    let others = format!("{APP}{SINK}[sinks.b]\nkind = \"file\"\npath = \"b.jsonl\"\n{ROUTE}");
    assert_eq!(check(folder.path(), &others, &[]).code, Some(0));
}

#[test]
fn a_level_that_does_not_exist_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let with = |filter: &str| check(folder.path(), &format!("[log]\nfilter = \"{filter}\"\n{APP}{SINK}{ROUTE}"), &[]);
    for (filter, found) in [("inof", "inof"), ("info,reelhook::dispatch=debgu", "debgu"), ("reelhook", "reelhook")] {
        let said = with(filter);
        let told = format!(
            "my.toml:2: log.filter: found \"{found}\", expected a level (off, error, warn, info, debug, trace)"
        );
        assert!(said.code == Some(2) && said.err.starts_with(&told), "{said:?}");
    }
    assert_eq!(with("warn,reelhook::dispatch=debug").code, Some(0));
}

#[test]
fn a_config_that_is_not_there_is_told_with_the_ways_to_name_one() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["check", "serve"] {
        let said = Said::from(reelhook().current_dir(folder.path()).arg(command).output().unwrap());
        assert_eq!(said.code, Some(2), "{said:?}");
        let told = "config/reelhook.toml: found No such file or directory (os error 2), expected the config: name it with --config FILE, or in the \
                    variable REELHOOK_CONFIG\n";
        assert!(said.err.starts_with(told), "{said:?}");
    }
}

#[test]
fn warnings_fail_a_check_that_denies_them() {
    let folder = tempfile::tempdir().unwrap();
    let placeholder = APP.replace("0efc74f7-41c3-47a4-8775-7259bfef4241", "00000000-0000-0000-0000-000000000000");
    let with_warning = format!("{placeholder}{SINK}{ROUTE}");
    let allowed = check(folder.path(), &with_warning, &[]);
    assert!(allowed.code == Some(0) && allowed.err.starts_with("warning: my.toml:2: calls.app_ids[0]"), "{allowed:?}");
    let denied = check(folder.path(), &with_warning, &["--deny-warnings"]);
    assert_eq!(denied.code, Some(2), "{denied:?}");
    assert!(denied.err.ends_with("1 warning, and --deny-warnings allows none\n"), "{denied:?}");
    let without = check(folder.path(), &format!("{APP}{SINK}{ROUTE}"), &["--deny-warnings"]);
    assert_eq!((without.code, &*without.err), (Some(0), ""), "{without:?}");
}

#[test]
fn programs_get_one_line_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let good = check(folder.path(), &format!("{APP}{SINK}{ROUTE}"), &["--json"]);
    let expected = json!({
        "config": "my.toml", "mistakes": [], "warnings": [], "notes": [], "sinks": 1, "routes": 1, "probes": []
    });
    assert_eq!((good.code, json_of(&good), &*good.err), (Some(0), expected, ""));
    let bad = check(folder.path(), &format!("[server]\nlisten = 17\n{APP}{SINK}{ROUTE}"), &["--json"]);
    assert_eq!((bad.code, &*bad.err), (Some(2), ""), "{bad:?}");
    let found = json_of(&bad);
    let mistake = &found["mistakes"][0];
    assert_eq!((&mistake["key"], &found["sinks"]), (&"server.listen".into(), &Value::Null));
    assert_eq!(mistake["origin"], json!({ "kind": "file", "file": "my.toml", "line": 2 }));
    assert!(mistake["text"].as_str().unwrap().starts_with("found 17, expected"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tries_the_store_and_the_listeners_and_leaves_nothing_behind() {
    let site = Site::new();
    let entries = || std::fs::read_dir(site.folder.path()).unwrap().count();
    let before = entries();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let probe = |name: &str, value: &str| {
        let command = &mut site.command(&["check", "--probe"]);
        Said::from(command.env("REELHOOK__ADMIN__PROBES", "127.0.0.1:0").env(name, value).output().unwrap())
    };
    let good = probe("X", "x");
    for tried in ["store.path", "store.encryption_key", "server.listen", "admin.listen", "admin.probes", "sinks.hook"] {
        assert!(good.out.contains(&format!("  ok      {tried}\n")), "{tried}: {good:?}");
    }
    assert_eq!((good.code, entries()), (Some(0), before), "{good:?}");

    let held = TcpListener::bind(taken).unwrap();
    let bad = probe("REELHOOK__SERVER__LISTEN", &taken.to_string());
    let told = format!("  FAILED  server.listen: cannot listen on {taken}: Address already in use");
    assert!(bad.code == Some(1) && bad.out.contains(&told), "{bad:?}");
    drop(held);

    // A file where the folder should be.
    let nowhere = probe("REELHOOK__STORE__PATH", &format!("{}/new/reelhook.db", site.config().display()));
    assert!(nowhere.code == Some(1) && nowhere.out.contains("  FAILED  store.path: "), "{nowhere:?}");
    assert!(nowhere.out.contains("reelhook.toml: no file can be written in it"), "{nowhere:?}");
    let full = probe("REELHOOK__STORE__DISK_RESERVE", "1TiB");
    assert!(full.code == Some(1) && full.out.contains("less space is free than store.disk_reserve"), "{full:?}");

    let key = site.folder.path().join("reelhook.db.key");
    std::fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let open = probe("X", "x");
    assert!(open.code == Some(1) && open.out.contains("  FAILED  store.encryption_key: "), "{open:?}");
    std::fs::remove_file(&key).unwrap();
    std::fs::write(site.store(), "not a database").unwrap();
    let lost = probe("X", "x");
    assert!(lost.out.contains("  FAILED  store.path: ") && lost.out.contains("its key does not"), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_beside_the_running_server_knows_that_the_addresses_may_be_its_own() {
    let site = Site::new();
    let server = site.serve();
    let mut command = site.command(&["check", "--probe", "--json"]);
    let said = Said::from(command.env("REELHOOK__SERVER__LISTEN", server.public.to_string()).output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    let probes = json_of(&said)["probes"].clone();
    let of = |name: &str| probes.as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    for name in ["server.listen", "admin.listen"] {
        assert!(of(name)["note"].as_str().unwrap().contains("a server uses the store now"), "{probes}");
    }
    assert_eq!(of("store.path"), json!({ "name": "store.path", "failure": null, "note": null }));
}
