//! A server of PostgreSQL: Debian's. Its folder is made once, and copied for each server.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::super::LOGIN;
use super::super::process::{Process, free_address};

/// How long a server may take until it takes statements.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Server {
    process: Process,
    pub address: SocketAddr,
    folder: TempDir,
    /// Those of the operator's connections. They end with the test.
    drivers: Mutex<JoinSet<()>>,
}

impl Server {
    /// Starts a server with these settings. Who connects is asked for a password, or for nothing at all.
    pub async fn start(settings: &str, asks_for_password: bool) -> Self {
        Self::start_with(&[], settings, asks_for_password).await
    }

    /// The same with these files in its folder, which only it may read.
    pub async fn start_with(files: &[(&str, Vec<u8>)], settings: &str, asks_for_password: bool) -> Self {
        let folder = own_folder();
        let data = folder.path().join("data");
        run(Command::new("cp").arg("-a").arg(template()).arg(&data));
        for (name, content) in files {
            let file = data.join(name);
            // Made by its owner: a copy of a file that has the mode and the owner already.
            run(Command::new("cp").arg("-a").arg(data.join("PG_VERSION")).arg(&file));
            fs::write(&file, content).unwrap();
        }
        let method = if asks_for_password { "scram-sha-256" } else { "trust" };
        let logins =
            format!("local all all trust\nhostssl all all 127.0.0.1/32 {method}\nhost all all 127.0.0.1/32 {method}\n");
        fs::write(data.join("pg_hba.conf"), logins).unwrap();
        let address = free_address();
        let config = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nshared_buffers = 16MB\n\
             max_connections = 20\nautovacuum = off\n{settings}\n",
            address.port(),
            folder.path().display(),
        );
        fs::write(data.join("postgresql.conf"), config).unwrap();
        let process = launch(&data, address).await;
        let server = Self { process, address, folder, drivers: Mutex::default() };
        // It listens before it takes statements.
        server.client().await;
        server
    }

    pub async fn stop(&mut self) {
        self.process.stop().await;
    }

    pub async fn restart(&mut self) {
        self.process = launch(&self.folder.path().join("data"), self.address).await;
        self.client().await;
    }

    /// A connection of an operator, past every password.
    pub async fn client(&self) -> Client {
        let socket =
            format!("host={} port={} user=operator dbname=postgres", self.folder.path().display(), self.address.port());
        let began = Instant::now();
        loop {
            match tokio_postgres::connect(&socket, NoTls).await {
                Ok((client, connection)) => {
                    self.drivers.lock().unwrap().spawn(async move { drop(connection.await) });
                    return client;
                }
                Err(error) => assert!(began.elapsed() < PATIENCE, "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs statements as an operator, each in a transaction of its own.
    pub async fn run(&self, statements: &[&str]) {
        let client = self.client().await;
        for statement in statements {
            client.batch_execute(statement).await.unwrap();
        }
    }
}

/// Where Debian has the programs of the newest version that is installed.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("scripts/test installs postgresql");
    let mut programs: Vec<PathBuf> = versions.map(|it| it.unwrap().path().join("bin").join(name)).collect();
    programs.retain(|program| program.exists());
    programs.sort();
    programs.pop().unwrap()
}

/// PostgreSQL refuses to run as root: then it runs as the user that its package made.
fn command(name: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program(name));
    command
}

/// A folder of the user that PostgreSQL runs as.
fn own_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        let id = Command::new("id").args(["-u", "postgres"]).output().unwrap().stdout;
        let id = String::from_utf8(id).unwrap().trim().parse().unwrap();
        chown(folder.path(), Some(id), None).unwrap();
    }
    folder
}

/// The folder of a new server with the two users of the tests.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let folder = TEMPLATE.get_or_init(|| {
        let folder = own_folder();
        let data = folder.path().join("data");
        let mut made = command("initdb");
        made.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--wal-segsize=1"]);
        run(made.args(["--auth=trust", "--username=operator", "-D"]).arg(&data));
        let mut users = command("postgres");
        users.args(["--single", "-D"]).arg(&data).arg("postgres").stdin(Stdio::piped()).stdout(Stdio::null());
        let mut users = users.stderr(Stdio::null()).spawn().unwrap();
        let (user, password) = LOGIN;
        // Without `auth`, a client says that it is the user of its process.
        let nobody = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let statements = format!(
            "CREATE ROLE {user} LOGIN PASSWORD '{password}'\nCREATE ROLE \"{}\" LOGIN SUPERUSER\n\
             GRANT CREATE ON SCHEMA public TO {user}\n",
            nobody.trim()
        );
        users.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
        assert!(users.wait().unwrap().success());
        folder
    });
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| folder.path().join("data"))
}

async fn launch(data: &Path, address: SocketAddr) -> Process {
    // With SIGINT it does not wait for its clients.
    Process::start(command("postgres").arg("-D").arg(data), address).await.stopped_by(Signal::INT)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
