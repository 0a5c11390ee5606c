//! What a real server has around it: a folder, a config, a key provider, a web service that it delivers to.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Condvar, Mutex};

use reelhook::clock::Clock;
use reelhook::simulator::payload::{Recording, Seed};
use reelhook::simulator::{Answer, Certificate, Client, Graph, Identity, Paths, Provider};
use tempfile::TempDir;

use super::{Server, reelhook, wait_until};
use crate::sinks::answering::{Answering, OK};
use crate::test_app::{APP_ID, CERTIFICATE_ID, CLIENT_STATE, TENANT, install_crypto, start};

/// The route that takes everything.
const ALL: &str = "[[routes]]\nname = \"all\"\nsinks = [\"hook\"]\n";

/// A place for a server.
pub struct Site {
    /// Holds the config, the store and the certificate's key.
    pub folder: TempDir,
    /// Where Graph's keys are published.
    pub provider: Provider,
    /// The far side of the sink `hook`.
    pub hook: Answering,
    /// For payloads.
    pub seed: Seed,
    /// Where the server's admin listener is, for the commands too: over restarts, and at no other site's address.
    pub admin: String,
}

/// Keeps the far side from answering until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets everything through from now on.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

/// An address of this machine that no other test uses.
pub fn free_address() -> String {
    let [a, b, ..] = *uuid::Uuid::new_v4().as_bytes();
    std::net::TcpListener::bind((std::net::Ipv4Addr::new(127, 83, a, b), 0)).unwrap().local_addr().unwrap().to_string()
}

impl Site {
    /// With a config that takes everything and delivers it to `hook`.
    pub fn new() -> Self {
        install_crypto();
        let (provider, server) =
            Provider::start("127.0.0.1:0".parse().unwrap(), Identity::new(Clock::system()).unwrap()).unwrap();
        start(server);
        let folder = tempfile::tempdir().unwrap();
        let admin = free_address();
        let site = Self { folder, provider, hook: Answering::with(OK), seed: Seed::new(11), admin };
        site.write(("", ""), ALL);
        site
    }

    /// Writes the config, with more lines for `[server]` and `[sinks.hook]`, and these routes.
    pub fn write(&self, (server, hook): (&str, &str), routes: &str) {
        let folder = self.folder.path().display();
        let (calls, changes) = (self.provider.calls_configuration(), self.provider.subscriptions_configuration());
        let hook = format!("{}{hook}", self.hook.table());
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\n\
             path = \"{folder}/reelhook.db\"\ndisk_reserve = \"1MiB\"\n[calls]\napp_ids = [\"{APP_ID}\"]\n\
             openid_configuration = \"{calls}\"\n[subscriptions]\napp_ids = [\"{APP_ID}\"]\n\
             openid_configuration = \"{changes}\"\nclient_states = [{{ env = \"TEST_CLIENT_STATE\" }}]\n\
             [sinks.hook]\nkind = \"http\"\n{hook}\n{routes}"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// As [`Site::write`], with the route that takes everything.
    pub fn write_for_all(&self, server: &str, hook: &str) {
        self.write((server, hook), ALL);
    }

    /// Where the config is.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("reelhook.toml")
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("reelhook.db")
    }

    /// The binary, told of the config by its variable, with the secrets that the config names.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = reelhook();
        command.args(arguments).env("REELHOOK_CONFIG", self.config()).env("TEST_CLIENT_STATE", CLIENT_STATE);
        command.env("REELHOOK__ADMIN__LISTEN", &self.admin);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().unwrap())
    }

    /// Starts the server.
    pub fn serve(&self) -> Server {
        Server::start_with(&mut self.command(&["serve"]))
    }

    /// Microsoft Graph, towards a server.
    pub fn graph(&self, server: &Server) -> Graph {
        Graph {
            client: Client::new(&server.url("")).unwrap(),
            identity: self.provider.identity().clone(),
            app_id: APP_ID.into(),
            tenant: TENANT.into(),
            client_state: Some(CLIENT_STATE.into()),
            certificate: Some(Certificate::in_file(CERTIFICATE_ID, &self.folder.path().join("key.pem")).unwrap()),
            paths: Paths::default(),
        }
    }

    /// A recording with a client context.
    pub fn recording(&mut self, client_context: &str) -> Recording {
        Recording::new(&mut self.seed).client_context(client_context)
    }

    /// Posts that a recording with a client context was completed.
    pub async fn post(&mut self, server: &Server, client_context: &str) -> Answer {
        let graph = self.graph(server);
        let completed = self.recording(client_context).completed();
        graph.send(graph.calls(&[completed]).unwrap()).await.unwrap()
    }

    /// Keeps the far side from answering.
    pub fn hold_hook(&self) -> Gate {
        let gate = Gate::default();
        let held = gate.clone();
        self.hook.behave(move |stream| {
            held.pass();
            let _ = stream.write_all(OK.as_bytes());
        });
        gate
    }

    /// The event ids that arrived at the far side, by client context.
    pub fn arrived(&self) -> BTreeMap<String, Vec<String>> {
        let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in self.hook.requests() {
            let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            // The data has every one, the attribute only those that an attribute may hold.
            let context = event["data"]["clientContext"].as_str().unwrap_or_default().to_owned();
            arrived.entry(context).or_default().push(event["id"].as_str().unwrap().to_owned());
        }
        arrived
    }

    /// Waits until events with these client contexts arrived.
    pub fn wait_for(&self, client_contexts: &[&str]) {
        wait_until(&format!("{client_contexts:?} arrived"), || {
            let arrived = self.arrived();
            client_contexts.iter().all(|context| arrived.contains_key(*context))
        });
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: Option<i32>,
    /// On standard output.
    pub out: String,
    /// On standard error.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}
