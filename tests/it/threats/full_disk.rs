//! Threat 60: a disk that fills up.

use std::path::{Path, PathBuf};
use std::process::Command;

use reelhook::simulator::payload::Recording;

use crate::process::eventually;
use crate::recording_sink::RecordingSink;
use crate::test_app::{Settings, TestApp};

/// What `/readyz` says.
async fn ready(app: &TestApp) -> (u16, String) {
    let answer = reqwest::get(format!("http://{}/readyz", app.admin)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Everything that comes in is turned away for now, and told so.
async fn is_turned_away(app: &mut TestApp) {
    let completed = Recording::new(&mut app.seed).client_context("too-much").completed();
    let change = app.graph.change(&mut app.seed).basic();
    let unproven = app.graph.change(&mut app.seed).basic().replace("canary", "wrong");
    for answer in [
        app.post_calls(&[completed]).await,
        app.post_changes(&[change], false).await,
        app.post_changes(&[unproven], false).await,
    ] {
        assert_eq!((answer.status, answer.header("retry-after"), answer.body.len()), (503, "10", 0));
    }
    assert_eq!(ready(app).await, (503, "not ready: the store's disk is below its reserve\n".to_owned()));
    let live = reqwest::get(format!("http://{}/livez", app.admin)).await.unwrap();
    assert_eq!(live.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_60_below_the_reserve_nothing_comes_in_and_what_waits_goes_out() {
    let mut app = TestApp::start().await;
    app.first.fail([RecordingSink::retry("not yet")]);
    let waiting = Recording::new(&mut app.seed).client_context("waiting").completed();
    assert_eq!(app.post_calls(&[waiting]).await.status, 202);
    app.first.wait_for_attempts(1).await;
    let mut app = app.restart_with(|settings| settings.store = "disk_reserve = \"1TiB\"".into()).await;
    is_turned_away(&mut app).await;
    assert_eq!((app.rejected("calls", "shed").await, app.rejected("notifications", "shed").await), (1.0, 2.0));
    app.advance(60);
    app.first.wait_for(1).await;
    assert_eq!(app.delivered_contexts(), ["waiting"]);
    assert_eq!(app.first.attempts()[0].attempt, 2, "the failed attempt before counts");
    let mut app = app.restart_with(|settings| settings.store = String::new()).await;
    assert_eq!(ready(&app).await, (200, "ready\n".to_owned()));
    let after = Recording::new(&mut app.seed).client_context("after").completed();
    assert_eq!(app.post_calls(&[after]).await.status, 202);
    app.first.wait_for(1).await;
    assert_eq!(app.delivered_contexts(), ["after"], "what was delivered while the disk was full is settled");
    app.stop().await;
}

/// A small disk in memory; gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn at(path: &Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|it| it.status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_60_when_there_is_room_again_it_goes_on_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::at(folder.path()) else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    let settings = Settings { store: "disk_reserve = \"8MiB\"".into(), ..Settings::default() };
    let mut app = TestApp::start_on(folder, settings).await;
    app.first.fail([RecordingSink::retry("not yet")]);
    let waiting = Recording::new(&mut app.seed).client_context("waiting").completed();
    assert_eq!(app.post_calls(&[waiting]).await.status, 202);
    app.first.wait_for_attempts(1).await;

    let ballast = disk.0.join("ballast");
    std::fs::write(&ballast, vec![0; 18 << 20]).unwrap();
    eventually("it sees that the disk is full", async || ready(&app).await.0 == 503).await;
    is_turned_away(&mut app).await;
    app.advance(60);
    app.first.wait_for(1).await;

    std::fs::remove_file(&ballast).unwrap();
    eventually("it sees that there is room", async || ready(&app).await.0 == 200).await;
    let after = Recording::new(&mut app.seed).client_context("after").completed();
    assert_eq!(app.post_calls(&[after]).await.status, 202);
    app.first.wait_for(2).await;
    assert_eq!(app.delivered_contexts(), ["waiting", "after"]);
    app.stop().await;
    drop(disk);
}

/// Without a reserve SQLite meets the full disk itself: nothing is acknowledged that is not durable.
#[tokio::test(flavor = "multi_thread")]
async fn threat_60_a_disk_that_is_full_to_the_last_byte_acknowledges_nothing_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::at(folder.path()) else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    let settings = Settings { store: "disk_reserve = \"0B\"".into(), ..Settings::default() };
    let mut app = TestApp::start_on(folder, settings).await;
    let fill = || {
        use std::io::Write;
        let mut ballast = std::fs::File::create(disk.0.join("ballast")).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
    };
    fill();
    let mut accepted = Vec::new();
    let padding = "p".repeat(200);
    for n in 0..200 {
        let client_context = format!("full-{n}-{padding}");
        let completed = Recording::new(&mut app.seed).client_context(&*client_context).completed();
        let answer = app.post_calls(&[completed]).await;
        match answer.status {
            202 => accepted.push(client_context),
            503 => {
                assert_eq!(answer.header("retry-after"), "10");
                break;
            }
            other => panic!("answered {other}"),
        }
    }
    assert!(accepted.len() < 200, "the disk never filled up");
    std::fs::remove_file(disk.0.join("ballast")).unwrap();
    eventually("it is ready again", async || ready(&app).await.0 == 200).await;
    let after = Recording::new(&mut app.seed).client_context("after").completed();
    assert_eq!(app.post_calls(&[after]).await.status, 202);
    eventually("all that was acknowledged is delivered", async || {
        let delivered = app.delivered_contexts();
        delivered.contains(&"after".to_owned()) && accepted.iter().all(|context| delivered.contains(context))
    })
    .await;
    app.stop().await;
    drop(disk);
}
