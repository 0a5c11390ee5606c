//! A whole reelhook in the test's own process: port 0, a temporary store, the simulator as Microsoft Graph, sinks that
//! record, a clock that the test turns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use reelhook::app::{App, BuiltSinks, Checked, Source};
use reelhook::clock::Clock;
use reelhook::config::{self, Loaded};
use reelhook::dispatch::Pauses;
use reelhook::domain::{ClientContext, Status};
use reelhook::routing::Routes;
use reelhook::running::Outcome;
use reelhook::simulator::payload::Seed;
use reelhook::simulator::{Answer, Certificate, Client, Graph, Identity, Mode, Paths, Provider, client::Post};
use reelhook::sinks::Context;
use reelhook::store::operations::NewOperation;
use reelhook::store::{Newest, Operations, Store};
use tempfile::TempDir;

use crate::recording_sink::{PATIENCE, RecordingSink};

/// The application that notifications are for.
pub const APP_ID: &str = "0efc74f7-41c3-47a4-8775-7259bfef4241";
/// The tenant that they come from.
pub const TENANT: &str = "1fdd12d0-4620-44ed-baec-459b611f84b2";
/// The secret of the subscriptions.
pub const CLIENT_STATE: &str = "canary-client-state-7c1f";
/// The secret of the subscriptions to come.
pub const NEXT_CLIENT_STATE: &str = "canary-client-state-next";
/// The id of the certificate that rich notifications are encrypted with.
pub const CERTIFICATE_ID: &str = "cert-1";

/// A running reelhook with everything around it.
pub struct TestApp {
    /// Microsoft Graph, towards this reelhook.
    pub graph: Graph,
    /// Where its keys are published.
    pub provider: Provider,
    /// The sink `first`.
    pub first: Arc<RecordingSink>,
    /// The sink `second`.
    pub second: Arc<RecordingSink>,
    /// The clock of everyone here.
    pub clock: Clock,
    /// For payloads.
    pub seed: Seed,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The operations in it.
    pub operations: Arc<dyn Operations>,
    /// Which sinks are paused.
    pub pauses: Arc<Pauses>,
    /// The Graph-facing listener.
    pub public: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The listener for probes, if the config has one.
    pub probes: Option<SocketAddr>,
    app: App,
    settings: Arc<Mutex<Settings>>,
    _closing: Closing,
    /// Where the store is. It goes last.
    pub folder: TempDir,
}

/// Closes the store of a test that ends without stopping it: the store ends the process where its files are gone under it.
struct Closing(Arc<dyn Store>);

impl Drop for Closing {
    fn drop(&mut self) {
        let store = Arc::clone(&self.0);
        let close = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(store.close());
        };
        // The test's own runtime cannot wait here.
        let _ = std::thread::spawn(close).join();
    }
}

/// What a test wants otherwise.
#[derive(Clone, Default)]
pub struct Settings {
    /// More lines for `[server]`.
    pub server: String,
    /// More lines for `[admin]`.
    pub admin: String,
    /// More lines for `[store]`.
    pub store: String,
    /// More lines for `[calls]`.
    pub calls: String,
    /// Further app ids of both channels, each after a comma.
    pub app_ids: String,
    /// More lines for `[subscriptions]`.
    pub subscriptions: String,
    /// Whether [`NEXT_CLIENT_STATE`] is taken as well.
    pub next_client_state: bool,
    /// How the key provider answers at first.
    pub provider: Mode,
    /// More lines for each sink.
    pub sinks: String,
    /// More lines for the sink `first`.
    pub first: String,
    /// Whether the config lacks the sink `first`.
    pub without_first: bool,
    /// The routes; empty: everything goes to `first`.
    pub routes: String,
    /// More sections.
    pub more: String,
}

impl TestApp {
    /// Starts with everything at its default.
    pub async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    /// Starts with a test's own settings.
    pub async fn start_with(settings: Settings) -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), settings).await
    }

    /// As [`TestApp::start_with`], in a folder of the test's.
    pub async fn start_on(folder: TempDir, settings: Settings) -> Self {
        let clock = Clock::manual("2026-11-24T08:00:00Z".parse::<Timestamp>().unwrap());
        let identity = Identity::new(clock.clone()).unwrap();
        let (provider, server) = Provider::start("127.0.0.1:0".parse().unwrap(), identity).unwrap();
        provider.set(settings.provider.clone());
        start(server);
        Self::start_in(settings, folder, (provider, clock)).await
    }

    async fn start_in(settings: Settings, folder: TempDir, (provider, clock): (Provider, Clock)) -> Self {
        install_crypto();
        let key = folder.path().join("key.pem");
        let certificate = Certificate::in_file(CERTIFICATE_ID, &key).unwrap();
        let (first, second) = (Arc::new(RecordingSink::default()), Arc::new(RecordingSink::default()));
        let settings = Arc::new(Mutex::new(settings));
        let load = {
            let (surroundings, settings) = (Surroundings::of(&folder, &provider), Arc::clone(&settings));
            let recording = [Arc::clone(&first), Arc::clone(&second)];
            move || load(&settings.lock(), &surroundings, &recording)
        };
        let Checked { loaded, sinks, .. } = load().unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let app = App::start(loaded, sinks, clock.clone()).await.unwrap();
        app.reload_from(Source::new(load));
        let graph = Graph {
            client: Client::new(&format!("http://{}", app.public)).unwrap(),
            identity: provider.identity().clone(),
            app_id: APP_ID.into(),
            tenant: TENANT.into(),
            client_state: Some(CLIENT_STATE.into()),
            certificate: Some(certificate),
            paths: Paths::default(),
        };
        let (public, admin, probes, store) = (app.public, app.admin, app.probes, Arc::clone(&app.store));
        let closing = Closing(Arc::clone(&store));
        let (operations, pauses, seed) = (Arc::clone(&app.operations), Arc::clone(&app.pauses), Seed::new(7));
        Self {
            graph,
            provider,
            first,
            second,
            clock,
            seed,
            folder,
            store,
            operations,
            pauses,
            public,
            admin,
            probes,
            app,
            settings,
            _closing: closing,
        }
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) {
        self.app.stop().await;
    }

    /// Stops it and starts another on the same store, with sinks that have seen nothing.
    pub async fn restart(self) -> Self {
        self.restart_with(|_settings| {}).await
    }

    /// As [`TestApp::restart`], with a changed config.
    pub async fn restart_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Self { folder, provider, clock, seed, app, settings, .. } = self;
        app.stop().await;
        let mut settings = settings.lock().clone();
        change(&mut settings);
        Self { seed, ..Self::start_in(settings, folder, (provider, clock)).await }
    }

    /// Changes the config, and has it loaded again.
    pub async fn reload_with(&self, change: impl FnOnce(&mut Settings)) -> Outcome {
        change(&mut self.settings.lock());
        self.app.reload.ask("the test").await
    }

    /// Sends; there must be an answer.
    pub async fn send(&self, post: Post) -> Answer {
        self.graph.send(post).await.unwrap()
    }

    /// Posts items on the calls channel with a good token.
    pub async fn post_calls(&self, items: &[String]) -> Answer {
        self.send(self.graph.calls(items).unwrap()).await
    }

    /// Posts a body on the calls channel with a good token.
    pub async fn post_calls_body(&self, body: impl Into<bytes::Bytes>) -> Answer {
        let authorization = format!("Bearer {}", self.graph.calls_token().unwrap());
        self.send(self.graph.calls_with(&authorization, body)).await
    }

    /// Posts items on the subscriptions channel, with a validation token where they are rich.
    pub async fn post_changes(&self, items: &[String], with_token: bool) -> Answer {
        self.send(self.graph.notifications(items, with_token).unwrap()).await
    }

    /// Turns the clock.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// The metrics' text, as OpenMetrics.
    pub async fn metrics(&self) -> String {
        self.metrics_as("application/openmetrics-text").await
    }

    /// The metrics' text, in a media type.
    pub async fn metrics_as(&self, accept: &str) -> String {
        let request = reqwest::Client::new().get(format!("http://{}/metrics", self.admin)).header("accept", accept);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Counts an answer to Graph that took so long.
    pub fn answered(&self, path: &'static str, took: std::time::Duration) {
        self.app.metrics.answered_graph(path, took, self.clock.steady());
    }

    /// What is counted, where the admin listener does not tell.
    pub fn own_metrics(&self) -> String {
        self.app.metrics.render(self.clock.now())
    }

    /// The value of one series, 0 where it is not there.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a series has a value.
    pub async fn until_metric(&self, series: &str, value: f64) {
        let reached = async {
            while self.metric(series).await != value {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{series} does not become {value}"));
    }

    /// How often something was refused on a path for a reason.
    pub async fn rejected(&self, path: &str, reason: &str) -> f64 {
        self.metric(&format!("reelhook_ingest_rejected_total{{path=\"{path}\",reason=\"{reason}\"}}")).await
    }

    /// How often anything was refused.
    pub async fn rejected_in_all(&self) -> f64 {
        let text = self.metrics().await;
        let series = text.lines().filter(|line| line.starts_with("reelhook_ingest_rejected_total{"));
        series.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// How often each thing was refused, by path and reason: `calls shape`.
    pub async fn rejections(&self) -> BTreeMap<String, f64> {
        let counted = self.counted("reelhook_ingest_rejected_total").await;
        let named = |labels: &str| labels.replace("path=", "").replace(",reason=", " ").replace('"', "");
        counted.into_iter().map(|(labels, n)| (named(&labels), n)).collect()
    }

    /// Sends, and tells with the answer what the POST added to the rejections: path, reason and how often.
    pub async fn send_counting(&self, post: Post) -> (Answer, Vec<(String, String, u64)>) {
        let before = self.rejections().await;
        let answer = self.send(post).await;
        let added = self.rejections().await.into_iter().filter_map(|(label, n)| {
            let (path, reason) = label.split_once(' ').unwrap();
            let n = n - before.get(&label).copied().unwrap_or_default();
            (n > 0.0).then(|| (path.to_owned(), reason.to_owned(), n as u64))
        });
        (answer, added.collect())
    }

    /// How often each dialect was met.
    pub async fn dialects(&self) -> BTreeMap<String, f64> {
        let counted = self.counted("reelhook_dialect_total").await;
        counted.into_iter().map(|(labels, n)| (labels.replace("dialect=", "").replace('"', ""), n)).collect()
    }

    /// The series of a counter that are above 0, by their labels.
    async fn counted(&self, name: &str) -> BTreeMap<String, f64> {
        let text = self.metrics().await;
        let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
        let series = series.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap()));
        series.filter(|(_, value)| *value > 0.0).collect()
    }

    /// The routes of the config as it is now.
    pub fn routes(&self) -> Routes {
        let config = &self.app.running.now().config;
        Routes::new(&config.routes, &config.sinks).unwrap()
    }

    /// Has quarantine entries judged again, and waits until that is done.
    pub async fn judge_again(&self, ids: &[i64], vouched: bool) {
        for id in ids {
            assert!(self.store.wish_replay(*id, vouched).await.unwrap(), "no entry {id}");
        }
        let ended = async {
            while !self.store.replay_wishes(1).await.unwrap().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the wishes are carried out");
    }

    /// Why each quarantine entry is there, newest first.
    pub async fn quarantine(&self) -> Vec<&'static str> {
        self.store.quarantine(Newest::up_to(1_000)).await.unwrap().iter().map(|entry| entry.reason.as_str()).collect()
    }

    /// The client contexts that `first` got, in order.
    pub fn delivered_contexts(&self) -> Vec<String> {
        let delivered = self.first.delivered();
        delivered.iter().filter_map(|it| Some(it.event.client_context.as_ref()?.as_str().to_owned())).collect()
    }
}

/// Runs a server of the test's beside it.
#[allow(clippy::disallowed_methods, reason = "the test owns it, and ends with it")]
pub fn start<F: Future + Send + 'static>(server: F)
where
    F::Output: Send,
{
    tokio::spawn(server);
}

/// TLS needs a provider before the first client is made.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What a config names around it.
struct Surroundings {
    folder: PathBuf,
    calls_url: String,
    changes_url: String,
}

impl Surroundings {
    fn of(folder: &TempDir, provider: &Provider) -> Self {
        let (calls_url, changes_url) = (provider.calls_configuration(), provider.subscriptions_configuration());
        Self { folder: folder.path().to_owned(), calls_url, changes_url }
    }
}

/// The config of some settings, and its sinks: `first` and `second` record, others are what their kind says.
fn load(
    settings: &Settings,
    surroundings: &Surroundings,
    [first, second]: &[Arc<RecordingSink>; 2],
) -> Result<Checked, Vec<String>> {
    let lines = |mistakes: &dyn std::fmt::Display| mistakes.to_string().lines().map(str::to_owned).collect::<Vec<_>>();
    let loaded = config(settings, surroundings).map_err(|mistakes| lines(&mistakes))?;
    let (mut sinks, context) = (BuiltSinks::new(), Context::of(&loaded.config));
    for sink in &loaded.config.sinks {
        let mut built = reelhook::sinks::build(sink, &context)
            .map_err(|wrong| wrong.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        match sink.name.as_str() {
            "first" => built.sink = Arc::clone(first) as _,
            "second" => built.sink = Arc::clone(second) as _,
            _ => {}
        }
        sinks.push((sink.name.clone(), built));
    }
    Ok(Checked { loaded, sinks, warnings: Vec::new() })
}

fn config(settings: &Settings, surroundings: &Surroundings) -> Result<Loaded, config::Mistakes> {
    let text = config_text(settings, surroundings);
    let variables = [("TEST_CLIENT_STATE", CLIENT_STATE), ("TEST_NEXT_CLIENT_STATE", NEXT_CLIENT_STATE)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    config::parse(&text, variables.into_iter())
}

fn config_text(settings: &Settings, surroundings: &Surroundings) -> String {
    let Settings {
        server,
        admin,
        store,
        calls,
        subscriptions,
        next_client_state,
        sinks,
        first,
        without_first,
        routes,
        more,
        app_ids,
        ..
    } = settings;
    let next_client_state = if *next_client_state { ", { env = \"TEST_NEXT_CLIENT_STATE\" }" } else { "" };
    let Surroundings { folder, calls_url, changes_url } = surroundings;
    let folder = folder.display();
    let store = match store.contains("disk_reserve") {
        true => store.clone(),
        false => format!("disk_reserve = \"1MiB\"\n{store}"),
    };
    let first = match without_first {
        true => String::new(),
        false => format!("[sinks.first]\nkind = \"stdout\"\n{sinks}{first}"),
    };
    let routes = match routes.as_str() {
        "" => "[[routes]]\nname = \"all\"\nsinks = [\"first\"]\n",
        routes => routes,
    };
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
{server}
[admin]
listen = "127.0.0.1:0"
{admin}
[store]
path = "{folder}/reelhook.db"
{store}
[calls]
app_ids = ["{APP_ID}"{app_ids}]
openid_configuration = "{calls_url}"
{calls}
[subscriptions]
app_ids = ["{APP_ID}"{app_ids}]
openid_configuration = "{changes_url}"
client_states = [{{ env = "TEST_CLIENT_STATE" }}{next_client_state}]
{subscriptions}
[[subscriptions.certificates]]
id = "{CERTIFICATE_ID}"
private_key = {{ file = "{folder}/key.pem" }}
{first}
[sinks.second]
kind = "stdout"
{sinks}
{routes}
{more}
"#
    )
}

/// An announcement with a client context alone.
pub fn announcement(context: &str) -> NewOperation {
    NewOperation {
        id: None,
        call_id: None,
        tenant_id: None,
        client_context: ClientContext::new(context),
        status: Status::NotStarted,
        metadata: None,
        sinks: Vec::new(),
        expected_by: None,
        allow_duplicate: false,
    }
}
