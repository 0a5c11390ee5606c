//! The real server loads its config again: by a signal, by the command, because the file changed.

use rustix::process::Signal;

use super::site::Site;
use super::{eventually, wait_until};

/// The route that takes nothing.
const NONE: &str = "[[routes]]\nname = \"none\"\nclient_context = { exact = \"none\" }\nsinks = [\"hook\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_has_the_config_loaded_again() {
    let mut site = Site::new();
    site.write(("", ""), NONE);
    let server = site.serve();
    assert_eq!(site.post(&server, "before").await.status, 202);
    site.write_for_all("", "");
    server.signal(Signal::HUP);
    server.said("\"changed\":\"routes\"");
    assert_eq!(site.post(&server, "after").await.status, 202);
    site.wait_for(&["after"]);
    assert!(!site.arrived().contains_key("before"));
    std::fs::write(site.config(), "[calls\n").unwrap();
    server.signal(Signal::HUP);
    server.said("the config has mistakes and was not loaded: the server keeps the old one");
    assert_eq!(site.post(&server, "goes on").await.status, 202);
    site.wait_for(&["goes on"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_what_changed_and_what_is_wrong() {
    let mut site = Site::new();
    let server = site.serve();
    let url = server.admin_url("");
    let reload = || site.run(&["reload", "--url", &url]);
    let same = reload();
    assert_eq!((same.code, &*same.out), (Some(0), "loaded: nothing changed\n"), "{same:?}");
    site.write(("workers = 3\nmax_items = 7", "timeout = \"3s\""), NONE);
    let other = reload();
    let expected =
        "changed: server.max_items\nchanged: routes\nchanged: sinks.hook (changed)\nneeds a restart: server.workers\n";
    assert_eq!((other.code, &*other.out), (Some(0), expected), "{other:?}");
    site.write_for_all("max_items = 0", "");
    let wrong = reload();
    assert_eq!((wrong.code, &*wrong.out), (Some(2), ""), "{wrong:?}");
    assert!(wrong.err.contains("server.max_items: found"), "{wrong:?}");
    assert!(wrong.err.contains("the server keeps the old one"), "{wrong:?}");
    let beside = site.run(&["reload"]);
    assert!(beside.code == Some(2) && beside.err.contains("the server was not asked"), "{beside:?}");
    site.write_for_all("", "");
    assert_eq!(reload().code, Some(0));
    assert_eq!(site.post(&server, "a").await.status, 202);
    site.wait_for(&["a"]);
    drop(server);
    let away = site.run(&["reload", "--url", &url]);
    assert!(away.code == Some(1) && away.err.contains("no answer from"), "{away:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_loaded_again_where_the_config_says_so() {
    let site = Site::new();
    let watch = "[reload]\nwatch = true\n";
    site.write(("", ""), &format!("{NONE}{watch}"));
    let server = site.serve();
    let metrics = async || reqwest::get(server.admin_url("/metrics")).await.unwrap().text().await.unwrap();
    site.write(("", "timeout = \"3s\""), NONE);
    server.said("\"asked_by\":\"the changed file\"");
    eventually("it is counted", async || metrics().await.contains("reelhook_config_reloads_total{result=\"ok\"} 1"))
        .await;
    // From now on nobody watches.
    site.write(("", "timeout = \"4s\""), NONE);
    let url = server.admin_url("");
    wait_until("the command finds the change", || {
        site.run(&["reload", "--url", &url]).out.contains("sinks.hook (changed)")
    });
    assert!(metrics().await.contains("reelhook_config_reloads_total{result=\"ok\"} 2"));
}
