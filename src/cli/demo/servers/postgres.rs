//! PostgreSQL.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use rustix::process::{Signal, geteuid};
use tokio::process::Command;
use tokio_postgres::{Client, NoTls};

use super::{FarSide, PAUSE, Place, Program, Tell};

/// The table.
const TABLE: &str = "recordings";
/// Where Debian has the servers, a folder for each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// The user of Debian's package: the server does not run as root.
const USER: &str = "postgres";
/// Rows are numbered before they are committed: so a row can come after one with a later number. How far back is looked.
const BEFORE: i64 = 10_000;

pub(super) struct Postgres(pub(super) Place);

impl Postgres {
    fn data(&self) -> PathBuf {
        self.0.folder.join("data")
    }

    /// The server asks for none, and a sink has a user only with a password.
    fn password(&self) -> PathBuf {
        self.0.folder.join("password")
    }

    async fn client(&self) -> anyhow::Result<(Client, tokio::task::JoinSet<()>)> {
        let server = format!("host=127.0.0.1 port={} user=reelhook dbname=postgres", self.0.address.port());
        let (client, connection) = tokio_postgres::connect(&server, NoTls).await?;
        let mut driver = tokio::task::JoinSet::new();
        driver.spawn(async move { drop(connection.await) });
        Ok((client, driver))
    }
}

#[async_trait]
impl FarSide for Postgres {
    fn program(&self) -> anyhow::Result<Option<Program>> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.password())?.write_all(b"any")?;
        let user = if geteuid().is_root() { Some(user()?) } else { None };
        if let Some((uid, gid)) = user {
            chown(&self.0.folder, Some(uid), Some(gid))?;
        }
        let mut made = std::process::Command::new(program("initdb")?);
        made.args(["--auth", "trust", "--username", "reelhook", "--no-sync", "--pgdata"]).arg(self.data());
        let made = as_user(made.into(), user).into_std().current_dir(&self.0.folder).output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr).trim());
        let mut command = Command::new(program("postgres")?);
        command.arg("-D").arg(self.data()).arg("-k").arg(&self.0.folder).current_dir(&self.0.folder);
        command.args(["-h", "127.0.0.1", "-p", &self.0.address.port().to_string()]);
        let command = as_user(command, user);
        Ok(Some(Program { command, installed_by: "Debian: apt-get install postgresql" }))
    }

    fn stop(&self) -> Signal {
        // It does not wait for those who are connected.
        Signal::INT
    }

    fn keys(&self) -> String {
        let (address, password) = (self.0.address, self.password());
        format!(
            "url = \"postgresql://{address}/postgres\"\ntable = \"{TABLE}\"\nauth = {{ user = \"reelhook\", password = {{ \
             file = {password:?} }} }}\n"
        )
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        let began = std::time::Instant::now();
        // It listens before it takes statements.
        while let Err(error) = self.client().await {
            ensure!(began.elapsed() < super::PATIENCE, "{error}");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let (client, _driver) = self.client().await?;
        let (mut told, mut last) = (HashSet::new(), 0_i64);
        loop {
            let is_there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&TABLE]).await?;
            if is_there.try_get(0)? {
                let rows = format!("SELECT position, event::text FROM {TABLE} WHERE position > $1 ORDER BY position");
                for row in client.query(&rows, &[&(last - BEFORE)]).await? {
                    let (position, event): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
                    if told.insert(position) {
                        tell(&format!("{TABLE} {position}"), event.as_bytes());
                    }
                    last = last.max(position);
                }
                told.retain(|position| *position > last - BEFORE);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A program of the newest version that is installed.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().filter_map(Result::ok);
    let programs = versions.map(|it| it.path().join("bin").join(name)).filter(|program| program.exists());
    programs.max().with_context(|| format!("{name} is not in {VERSIONS}; Debian: apt-get install postgresql"))
}

/// The numbers of the server's user and its group.
fn user() -> anyhow::Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == USER);
    let number = |fields: &[&str], n: usize| fields.get(n).and_then(|it| it.parse().ok());
    let numbers = fields.and_then(|fields| number(&fields, 2).zip(number(&fields, 3)));
    numbers.with_context(|| format!("PostgreSQL does not run as root, and there is no user {USER}"))
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
