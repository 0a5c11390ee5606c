//! The real binary over a store in PostgreSQL: killed, started again, two beside each other, and a server that goes away.

use std::process::Command;

use super::site::{Site, free_address};
use super::{Server, eventually, wait_until};
use crate::sinks::brokers::postgres::server::Server as Postgres;

/// A command of a site whose store is in PostgreSQL.
fn command(site: &Site, postgres: &Postgres, arguments: &[&str]) -> Command {
    let mut command = site.command(arguments);
    command.env("REELHOOK__STORE__URL", format!("postgres://operator@{}/postgres", postgres.address));
    command.env("REELHOOK__STORE__ENCRYPTION_KEY", "{ env = \"TEST_STORE_KEY\" }");
    command.env("TEST_STORE_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    command
}

fn serve(site: &Site, postgres: &Postgres) -> Server {
    Server::start_with(&mut command(site, postgres, &["serve"]))
}

/// A server beside another one of the site.
fn serve_beside(site: &Site, postgres: &Postgres) -> Server {
    Server::start_with(command(site, postgres, &["serve"]).env("REELHOOK__ADMIN__LISTEN", free_address()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_kill_is_delivered_once_after_it() {
    let postgres = Postgres::start("", false).await;
    let mut site = Site::new();
    let gate = site.hold_hook();
    let server = serve(&site, &postgres);
    assert_eq!(site.post(&server, "held").await.status, 202);
    wait_until("it is being delivered", || site.hook.n_connections() > 0);
    server.kill();
    gate.open();
    let n_before = site.arrived().get("held").map_or(0, Vec::len);
    let server = serve(&site, &postgres);
    assert_eq!(site.post(&server, "after").await.status, 202);
    site.wait_for(&["after"]);
    wait_until("the held one arrives", || site.arrived().get("held").map_or(0, Vec::len) > n_before);
    // It is settled: a further start delivers nothing more.
    server.terminate();
    server.said("stopped");
    let server = serve(&site, &postgres);
    assert_eq!(site.post(&server, "last").await.status, 202);
    site.wait_for(&["last"]);
    let arrived = site.arrived();
    assert_eq!((arrived["held"].len() - n_before, arrived["after"].len(), arrived["last"].len()), (1, 1, 1));
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_held_is_taken_over_by_another_one_within_ten_seconds() {
    let postgres = Postgres::start("", false).await;
    let mut site = Site::new();
    let gate = site.hold_hook();
    let (first, second) = (serve(&site, &postgres), serve_beside(&site, &postgres));
    assert_eq!(site.post(&first, "held").await.status, 202);
    wait_until("it is being delivered", || site.hook.n_connections() > 0);
    first.kill();
    let began = std::time::Instant::now();
    gate.open();
    let n_before = site.arrived().get("held").map_or(0, Vec::len);
    eventually("the other process delivers it", async || site.arrived().get("held").map_or(0, Vec::len) > n_before)
        .await;
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_acknowledged_and_afterwards_everything_again() {
    let mut postgres = Postgres::start("", false).await;
    let mut site = Site::new();
    let server = serve(&site, &postgres);
    assert_eq!(site.post(&server, "before").await.status, 202);
    postgres.stop().await;
    assert_eq!(site.post(&server, "away").await.status, 503);
    postgres.restart().await;
    let mut n = 0;
    loop {
        n += 1;
        let context = format!("again-{n}");
        if site.post(&server, &context).await.status == 202 {
            site.wait_for(&["before", &context]);
            break;
        }
        assert!(n < 100, "it never accepts again");
    }
    server.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_could_lose_a_commit_is_refused_and_a_probe_tells_what_it_can() {
    let postgres = Postgres::start("", false).await;
    let site = Site::new();
    let probe = || super::site::Said::from(command(&site, &postgres, &["check", "--probe"]).output().unwrap());
    let said = probe();
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("PostgreSQL 15") || told.contains("PostgreSQL 1"), "{said:?}");
    assert!(told.contains("synchronous_commit on") && told.contains("no store yet"), "{said:?}");
    postgres.run(&["ALTER ROLE operator SET synchronous_commit = off"]).await;
    let said = super::site::Said::from(command(&site, &postgres, &["serve"]).output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("found synchronous_commit = off"), "{said:?}");
    let said = probe();
    assert!(format!("{}{}", said.out, said.err).contains("found synchronous_commit = off"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_for_a_file_name_the_tools_of_postgresql() {
    let postgres = Postgres::start("", false).await;
    let site = Site::new();
    for arguments in [&["store", "check"][..], &["store", "backup", "never.db"]] {
        let said = super::site::Said::from(command(&site, &postgres, arguments).output().unwrap());
        assert!(said.code == Some(1) && said.err.contains("pg_dump"), "{said:?}");
    }
}
