//! Threat 62 at the real binary, and what else its surroundings may do to it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Stdio};

use reelhook::simulator::payload::{Recording, Seed};
use reelhook::simulator::{Client, Graph, Paths};

use crate::process::site::Site;
use crate::test_app::{APP_ID, TENANT};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_62_a_key_that_others_can_read_stops_the_start() {
    let site = Site::new();
    drop(site.serve());
    let store_key = site.folder.path().join("reelhook.db.key");
    open_to_all(&store_key);
    let said = site.run(&["serve"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("reelhook.db.key") && said.err.contains("chmod 600"), "{said:?}");
    std::fs::set_permissions(&store_key, std::fs::Permissions::from_mode(0o600)).unwrap();

    let key = site.folder.path().join("cert.pem");
    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\ncanary\n").unwrap();
    open_to_all(&key);
    let config = std::fs::read_to_string(site.config()).unwrap();
    let certificate = format!("[[subscriptions.certificates]]\nid = \"c\"\nprivate_key = {{ file = {key:?} }}\n");
    std::fs::write(site.config(), format!("{config}\n{certificate}")).unwrap();
    for arguments in [["serve"], ["check"]] {
        let said = site.run(&arguments);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("private_key") && said.err.contains("chmod 600"), "{said:?}");
        assert!(!said.err.contains("canary") && !said.out.contains("canary"), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_62_what_it_writes_is_its_owners_alone() {
    let mut site = Site::new();
    let folder = site.folder.path().join("data");
    let config = std::fs::read_to_string(site.config()).unwrap();
    let moved = config.replace("/reelhook.db\"", "/data/reelhook.db\"");
    std::fs::write(site.config(), moved).unwrap();
    let server = site.serve();
    assert_eq!(site.post(&server, "mine").await.status, 202);
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4, "database, log, key, lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

/// A server whose log the test reads, or not.
struct Logging {
    child: Child,
    log: Option<BufReader<ChildStderr>>,
    /// Where Graph posts to, and where operators look.
    addresses: (String, String),
}

impl Logging {
    fn start(site: &Site) -> Self {
        let child = site.command(&["serve"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut this = Self { child, log: None, addresses: Default::default() };
        let mut log = BufReader::new(this.child.stderr.take().unwrap());
        while this.addresses.0.is_empty() {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "serving" {
                let address = |name: &str| format!("http://{}", line[name].as_str().unwrap());
                this.addresses = (address("public"), address("admin"));
            }
        }
        this.log = Some(log);
        this
    }

    fn graph(&self, site: &Site) -> Graph {
        Graph {
            client: Client::new(&self.addresses.0).unwrap(),
            identity: site.provider.identity().clone(),
            app_id: APP_ID.into(),
            tenant: TENANT.into(),
            client_state: None,
            certificate: None,
            paths: Paths::default(),
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_can_write_costs_no_answer() {
    let site = Site::new();
    let mut server = Logging::start(&site);
    let graph = server.graph(&site);
    server.log = None;
    for n in 0..20 {
        let refused = graph.send(graph.calls_with("Bearer nonsense", "{}")).await.unwrap();
        assert_eq!(refused.status, 401);
        let completed = Recording::new(&mut Seed::new(n)).client_context(format!("unlogged-{n}")).completed();
        assert_eq!(graph.send(graph.calls(&[completed]).unwrap()).await.unwrap().status, 202);
    }
    site.wait_for(&["unlogged-0", "unlogged-19"]);
    let ready = reqwest::get(format!("{}/readyz", server.addresses.1)).await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn threat_53_a_crash_leaves_no_core_and_no_secret_is_an_argument() {
    let site = Site::new();
    let server = Logging::start(&site);
    let about = |what: &str| std::fs::read_to_string(format!("/proc/{}/{what}", server.child.id())).unwrap();
    let limits = about("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    let arguments = about("cmdline");
    assert!(arguments.ends_with("reelhook\0serve\0"), "{arguments:?}");
}
