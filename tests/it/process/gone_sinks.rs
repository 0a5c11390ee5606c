//! A sink is taken out of the config while deliveries wait for it: they are kept, everyone is told, and there are ways out.

use std::process::Stdio;
use std::sync::mpsc::Sender;

use super::site::{Said, Site};
use super::{Server, eventually, wait_until};

const GATE_SHUT: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const OK: &str = crate::sinks::answering::OK;

/// A site whose sink `old` is gone since two deliveries wait for it, with its server.
async fn with_a_gone_sink(site: &mut Site) -> Server {
    site.hook.answer(GATE_SHUT);
    let old = format!("[sinks.old]\nkind = \"http\"\nretry = [\"0s\", \"1h\"]\n{}", site.hook.table());
    site.write(("", ""), &format!("{old}[[routes]]\nname = \"all\"\nsinks = [\"old\"]\n"));
    let mut server = site.serve();
    for context in ["left-1", "left-2"] {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    wait_until("both failed once", || {
        site.run(&["deliveries", "list", "--sink", "old"]).out.matches("  1 attempt  due ").count() == 2
    });
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    site.write_for_all("", "");
    site.hook.answer(OK);
    site.serve()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_gone_sink_is_told_everywhere_and_goes_where_the_operator_says() {
    let mut site = Site::new();
    let server = with_a_gone_sink(&mut site).await;
    let told = "2 deliveries wait for sink \\\"old\\\", which is not in the config";
    assert!(server.before.iter().any(|line| line.contains(told)), "before it serves: {:#?}", server.before);
    let check = site.run(&["check"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert!(check.err.contains("warning: 2 deliveries wait for sink \"old\""), "{check:?}");
    assert!(check.err.contains("reelhook deliveries move --from old --to SINK"), "{check:?}");
    let get = async |path: &str| reqwest::get(server.admin_url(path)).await.unwrap().text().await.unwrap();
    let sinks: serde_json::Value = serde_json::from_str(&get("/v1.0/sinks").await).unwrap();
    let old = sinks["value"].as_array().unwrap().iter().find(|sink| sink["name"] == "old").unwrap();
    assert_eq!((&old["isConfigured"], &old["openCount"]), (&false.into(), &2.into()), "{old}");
    assert!(old["hint"].as_str().unwrap().contains("deliveries move --from old"), "{old}");
    assert!(get("/sinks/old").await.contains("deliveries move --from old --to SINK"));
    let shown = site.run(&["sinks", "show", "old"]);
    assert!(shown.out.starts_with("sink old: removed\n2 deliveries waiting, the oldest created at 2"), "{shown:?}");
    assert!(shown.out.contains("deliveries move --from old --to SINK"), "{shown:?}");
    for series in ["reelhook_sink_open_deliveries{sink=\"old\"} 2", "reelhook_sink_configured{sink=\"old\"} 0"] {
        eventually(series, async || get("/metrics").await.contains(series)).await;
    }
    assert!(get("/metrics").await.contains("reelhook_sink_configured{sink=\"hook\"} 1"));

    let list = site.run(&["deliveries", "list"]);
    assert!(list.out.lines().all(|line| line.ends_with("  (the config has no such sink)")), "{list:?}");
    let nowhere = site.run(&["deliveries", "move", "--from", "old", "--to", "hok"]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("found no sink \"hok\" in the config"), "{nowhere:?}");
    let busy = site.run(&["deliveries", "drop", "--sink", "hook"]);
    assert!(busy.code == Some(1) && busy.err.contains("found sink \"hook\" in the config"), "{busy:?}");
    let moved = site.run(&["deliveries", "move", "--from", "old", "--to", "hook"]);
    assert_eq!((moved.code, &*moved.out), (Some(0), "2 deliveries of old go to hook now\n"), "{moved:?}");
    wait_until("both arrived", || ["left-1", "left-2"].iter().all(|it| site.arrived().contains_key(*it)));
    eventually("it is counted", async || {
        get("/metrics").await.contains("reelhook_sink_open_deliveries{sink=\"old\"} 0")
    })
    .await;
    let again = site.run(&["deliveries", "move", "--from", "old", "--to", "hook"]);
    assert!(again.code == Some(1) && again.err.contains("no delivery waits for sink old"), "{again:?}");
}

/// A server whose sink `old` was removed by a reload while an attempt for it is under way, and a second delivery waits.
/// `hold` holds the attempt until it is dropped.
async fn with_an_attempt_under_way(site: &mut Site) -> (Server, Sender<()>) {
    let hold = site.hook.hold(GATE_SHUT);
    let old = format!("[sinks.old]\nkind = \"http\"\nconcurrency = 1\n{}", site.hook.table());
    site.write(("", ""), &format!("{old}[[routes]]\nname = \"all\"\nsinks = [\"old\"]\n"));
    let server = site.serve();
    assert_eq!(site.post(&server, "under-way").await.status, 202);
    wait_until("it is under way", || site.hook.requests().len() == 1);
    assert_eq!(site.post(&server, "waits").await.status, 202);
    site.write_for_all("", "");
    let reloaded = site.run(&["reload"]);
    assert!(reloaded.out.contains("sinks.old (removed)"), "{reloaded:?}");
    (server, hold)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_moved_as_well_when_its_attempt_has_failed() {
    let mut site = Site::new();
    let (_server, hold) = with_an_attempt_under_way(&mut site).await;
    let mut command = site.command(&["deliveries", "move", "--from", "old", "--to", "hook"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the one that waits is moved", || {
        site.run(&["deliveries", "list", "--sink", "old"]).out.lines().count() == 1
    });
    site.hook.answer(OK);
    drop(hold);
    let moved = Said::from(child.wait_with_output().unwrap());
    assert_eq!((moved.code, &*moved.out), (Some(0), "2 deliveries of old go to hook now\n"), "{moved:?}");
    wait_until("both arrived", || ["under-way", "waits"].iter().all(|it| site.arrived().contains_key(*it)));
    assert_eq!(site.run(&["deliveries", "list", "--sink", "old"]).err, "no deliveries\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_or_drops_is_told_what_is_left_because_it_is_under_way() {
    let mut site = Site::new();
    let (_server, hold) = with_an_attempt_under_way(&mut site).await;
    let moved = site.run(&["deliveries", "move", "--from", "old", "--to", "hook"]);
    assert_eq!((moved.code, &*moved.out), (Some(1), "1 delivery of old goes to hook now\n"), "{moved:?}");
    let left = "1 delivery of old is left: an attempt is under way. Repeat the command when it has ended\n";
    assert!(moved.err.ends_with(left), "{moved:?}");
    site.hook.answer(OK);
    drop(hold);
    let dropped = site.run(&["deliveries", "drop", "--sink", "old"]);
    assert_eq!((dropped.code, &*dropped.out), (Some(0), "1 delivery of old is a dead letter now\n"), "{dropped:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_a_dead_letter_and_can_be_had_again_by_adding_the_sink() {
    let mut site = Site::new();
    let mut server = with_a_gone_sink(&mut site).await;
    let dropped = site.run(&["deliveries", "drop", "--sink", "old"]);
    assert_eq!((dropped.code, &*dropped.out), (Some(0), "2 deliveries of old are dead letters now\n"), "{dropped:?}");
    let dead = site.run(&["deadletters", "list", "--sink", "old"]);
    assert!(dead.out.lines().count() == 2 && dead.out.contains("dropped by an operator\n"), "{dead:?}");
    let page = reqwest::get(server.admin_url("/sinks/old")).await.unwrap().text().await.unwrap();
    assert!(page.contains("If you replay a dead letter now, it only waits"), "{page}");
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let asked = site.run(&["deadletters", "replay", "--all", "--offline"]);
    let told = "2 dead letters are due again when the server starts\n";
    assert_eq!((asked.code, &*asked.out), (Some(0), told), "{asked:?}");
    let old = format!("[sinks.old]\nkind = \"http\"\n{}", site.hook.table());
    site.write(("", ""), &format!("{old}[[routes]]\nname = \"all\"\nsinks = [\"hook\"]\n"));
    let _server = site.serve();
    wait_until("both arrived", || ["left-1", "left-2"].iter().all(|it| site.arrived().contains_key(*it)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_dropped_without_a_server_too() {
    let mut site = Site::new();
    let mut server = with_a_gone_sink(&mut site).await;
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let asked = site.run(&["deliveries", "drop", "--sink", "old", "--offline"]);
    let told = "2 deliveries of old are dead letters now\n";
    assert_eq!((asked.code, &*asked.out), (Some(0), told), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_the_pause_of_a_gone_sink_and_end_it() {
    let mut site = Site::new();
    let mut server = with_a_gone_sink(&mut site).await;
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let old = format!("[sinks.old]\nkind = \"http\"\n{}", site.hook.table());
    site.write(("", ""), &format!("{old}[[routes]]\nname = \"all\"\nsinks = [\"hook\"]\n"));
    let paused = site.run(&["sinks", "pause", "old", "--offline"]);
    assert_eq!(paused.code, Some(0), "{paused:?}");
    site.write_for_all("", "");
    let _server = site.serve();
    let list = site.run(&["sinks", "list"]);
    assert!(list.out.contains("old  removed (paused by an operator)  2 deliveries waiting"), "{list:?}");
    let show = site.run(&["sinks", "show", "old"]);
    assert!(show.out.starts_with("sink old: removed (paused by an operator)\n"), "{show:?}");
    assert!(show.out.contains("An operator paused sink \"old\" at 2"), "{show:?}");
    let resumed = site.run(&["sinks", "resume", "old"]);
    assert_eq!((resumed.code, &*resumed.out), (Some(0), "sink old is not paused any more\n"), "{resumed:?}");
    let list = site.run(&["sinks", "list"]);
    assert!(list.out.contains("old  removed  2 deliveries waiting"), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_failed_fails_on_after_a_crash() {
    let mut site = Site::new();
    site.hook.answer(GATE_SHUT);
    site.write_for_all("", "retry = [\"0s\", \"0s\"]");
    let server = site.serve();
    for context in ["dead-1", "dead-2"] {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    wait_until("nothing but dead letters is left", || {
        site.run(&["sinks", "list"]).out.starts_with("hook  failing  no deliveries waiting  2 dead letters")
    });
    let before = site.run(&["sinks", "show", "hook"]);
    server.kill();
    let server = site.serve();
    let metrics = reqwest::get(server.admin_url("/metrics")).await.unwrap().text().await.unwrap();
    for series in ["reelhook_sink_failing{sink=\"hook\"} 1", "reelhook_sink_dead_letters{sink=\"hook\"} 2"] {
        assert!(metrics.contains(series), "{series} in {metrics}");
    }
    let after = site.run(&["sinks", "show", "hook"]);
    assert_eq!(after.out, before.out);
    assert!(after.out.contains("last failed attempt 2") && after.out.contains("500"), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_stopped_in_the_middle_stops_nobody_else() {
    let mut site = Site::new();
    let server = with_a_gone_sink(&mut site).await;
    let mut stopped = Vec::new();
    for n in 0..10u64 {
        let mut child = site.command(&["deliveries", "drop", "--sink", "old"]);
        let child = child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(7 * n));
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        stopped.push(child);
        let began = std::time::Instant::now();
        assert_eq!(site.post(&server, &format!("beside-{n}")).await.status, 202);
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
    for mut child in stopped {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
