//! Mistakes in sinks' tables: all at once, with key paths, without secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reelhook::{config, sinks};

use super::samples::{build, mistakes};

#[test]
fn an_unknown_kind_names_the_kinds() {
    let kinds: Vec<&str> = sinks::KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(mistakes("htpp", ""), format!("sinks.crm.kind: found \"htpp\", expected one of {}", kinds.join(", ")));
}

#[test]
fn every_mistake_of_a_table_is_told_at_once() {
    let told = mistakes("file", "path = 3\nmax_bytes = 5\nmax_age = 'soon'\nkeep = -1\nbatch = 1");
    for key in ["path", "max_bytes", "max_age", "keep", "batch"] {
        assert!(told.lines().any(|line| line.starts_with(&format!("sinks.crm.{key}: found "))), "{key}: {told}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
    assert!(told.contains("found 5, expected a size with its unit, as \"64MiB\""), "{told}");
    let told = mistakes("file", "path = '/'\nbatch_size = 0\nkeep = 0");
    assert_eq!(told.lines().count(), 4, "{told}");
    let told = mistakes(
        "http",
        "url = 'https://a@b/'\nallow_private = ['x', '10.0.0.0/8', '10.0.0.0/33']\nsecret = [{ env = 'UNSET_1' }, { env = 'UNSET_2' }]\nheaders = { Host = 'a', 'X Y' = 'b', Authorization = 'canary', webhook-id = '1', A = \"\\n\" }",
    );
    for key in ["url", "allow_private[0]", "allow_private[2]", "secret[0]", "secret[1]"] {
        assert!(
            told.lines().any(|line| line.starts_with(&format!("sinks.crm.{key}: found ")))
                || told.contains(&format!("sinks.crm.{key}: env: found ")),
            "{key}: {told}"
        );
    }
    for header in ["Host", "X Y", "Authorization", "webhook-id", "A"] {
        assert!(told.contains(&format!("sinks.crm.headers.{header}: found ")), "{header}: {told}");
    }
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn a_value_of_the_wrong_type_hides_no_other_mistake() {
    let told = mistakes(
        "http",
        "url = 'https://a@b/'\ninclude_access_token = 3\nheaders = { Host = 'a', x = 4 }\nsecret = { env = 'UNSET_1' }\n\
         allow_private = 'x'\nheader = 'y'",
    );
    for key in ["url", "include_access_token", "headers.Host", "headers.x", "secret", "allow_private", "header"] {
        assert!(told.lines().any(|line| line.starts_with(&format!("sinks.crm.{key}: "))), "{key}: {told}");
    }
    assert_eq!(told.lines().count(), 7, "{told}");
    // The networks are not known: whether the address is among them is not either.
    let told = mistakes("http", "url = 'http://10.0.0.1/'\nallow_private = 'x'");
    assert_eq!(told, "sinks.crm.allow_private: found \"x\", expected a list");
}

#[test]
fn a_sinks_mistakes_have_their_lines_and_the_sinks_secrets_are_those_of_the_config() {
    let text = "[calls]\napp_ids = ['x']\n[sinks.crm]\nkind = 'http'\nurl = { env = 'CRM_URL' }\nkeep = 1\n\
                [[routes]]\nname = 'r'\nsinks = ['crm']\n";
    let variables = [
        ("CRM_URL".to_owned(), "ftp://canary.example/".to_owned()),
        ("REELHOOK__SINKS__CRM__HEADERS__HOST".to_owned(), "x".to_owned()),
    ];
    let config = config::parse(text, variables.into_iter()).unwrap().config;
    let told: Vec<String> = sinks::build(&config.sinks[0], &sinks::Context::default())
        .err()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told[0], "config:5: sinks.crm.url: found another scheme, expected https://..");
    assert!(
        told[1].starts_with("config:6: sinks.crm.keep: found an unknown key, expected one of: url, secret"),
        "{told:?}"
    );
    assert!(told[1].contains("kind, events, concurrency"), "the keys of every sink too: {told:?}");
    let variable =
        "REELHOOK__SINKS__CRM__HEADERS__HOST: sinks.crm.headers.host: found a header that reelhook sets itself";
    assert_eq!(told[2..], [variable]);
}

#[test]
fn a_value_without_default_is_asked_for() {
    assert!(mistakes("http", "").starts_with("sinks.crm.url: found nothing"));
    assert!(mistakes("file", "").starts_with("sinks.crm.path: found nothing"));
    assert!(mistakes("file", "path = ''").starts_with("sinks.crm.path: found "));
}

#[test]
fn threat_62_a_secret_is_read_from_a_file_of_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let table = format!("url = 'https://example.com/'\nsecret = {{ file = {path:?} }}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let told = mistakes("http", &table);
    assert!(told.starts_with("sinks.crm.secret: ") && told.contains("chmod 600"), "{told}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(build("http", &table).is_ok());
    assert!(build("http", &table.replace("{ file", "[{ file").replace(" }", " }]")).is_ok());
    assert!(mistakes("http", "url = 'https://example.com/'\nsecret = []").contains("empty list"));
}

#[test]
fn a_secret_in_the_config_s_text_is_refused_and_not_repeated() {
    for table in ["secret = 'whsec_canary'", "secret = ['whsec_canary']", "headers = { Cookie = 'canary' }"] {
        let told = mistakes("http", &format!("url = 'https://example.com/'\n{table}"));
        assert!(!told.contains("canary"), "{told}");
    }
    let told = mistakes("http", "url = 'https://example.com/'\nheaders = 'Authorization: canary'");
    assert!(told.contains("found text") && !told.contains("canary"), "{told}");
}
