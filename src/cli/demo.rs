//! `reelhook demo`: the whole of reelhook and a simulated Microsoft Graph in one process, to be watched.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use jiff::SignedDuration;

use super::print::say;
use super::text;
use crate::app::{App, BuiltSinks};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::domain::Delivery;
use crate::simulator::payload::{Recording, Seed};
use crate::simulator::scenario::{self, Channels, Part, Step};
use crate::simulator::{Certificate, Client, Graph, Identity, Paths, Provider};
use crate::sinks::{DeliveryError, Sink};
use crate::telemetry;

const APP_ID: &str = "0efc74f7-41c3-47a4-8775-7259bfef4241";
const TENANT: &str = "1fdd12d0-4620-44ed-baec-459b611f84b2";
const CLIENT_STATE: &str = "the secret of the demo's subscriptions";
const CERTIFICATE: &str = "demo-certificate";
/// Between two recordings, once the scenario is played.
const PACE: Duration = Duration::from_secs(2);
/// How long the last deliveries are waited for.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook demo                  stays up until Ctrl-C
  reelhook demo --duration 10s   ends by itself

Exit codes: 0 every answer was as expected and everything was delivered, 1 not so")]
pub struct Args {
    /// End after this long ("10s", "2m"); default: stay up until Ctrl-C
    #[arg(long, value_name = "TIME")]
    duration: Option<SignedDuration>,
    /// Chooses the ids; the same number plays the same notifications
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Prints what it is given, a line each.
struct Printer {
    n_delivered: Arc<AtomicU64>,
}

#[async_trait]
impl Sink for Printer {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let event = &delivery.event;
        let context = event
            .client_context
            .as_ref()
            .map_or_else(String::new, |context| format!("  clientContext {}", text::safe(context.as_str(), 48)));
        self.n_delivered.fetch_add(1, Ordering::Relaxed);
        say!(
            "{}  -> {:<22} {}{context}  (route {})",
            now(),
            delivery.sink.as_str(),
            text::safe(&event.kind, 60),
            delivery.route
        );
        Ok(())
    }

    async fn probe(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// Runs until Ctrl-C or for the given time. Exit code 1 where an answer was not as it should be.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::log::start("warn", false).map_err(anyhow::Error::msg)?;
    let folder = tempfile::Builder::new().prefix("reelhook-demo-").tempdir().context("no temporary folder")?;
    let identity = Identity::new(Clock::system())?;
    let (provider, server) = Provider::start(([127, 0, 0, 1], 0).into(), identity)?;
    let provider_task = actix_web::rt::spawn(server);
    let certificate = Certificate::in_file(CERTIFICATE, &folder.path().join("key.pem"))?;
    let config = config(folder.path(), &provider)?;
    let n_delivered = Arc::new(AtomicU64::new(0));
    let app = App::start(config.clone(), printers(&config, &n_delivered), Clock::system()).await?;
    let graph = Graph {
        client: Client::new(&format!("http://{}", app.public))?,
        identity: provider.identity().clone(),
        app_id: APP_ID.into(),
        tenant: TENANT.into(),
        client_state: Some(CLIENT_STATE.into()),
        certificate: Some(certificate),
        paths: Paths::default(),
    };
    greet(&app, folder.path());
    let until = args.duration.map(|it| Duration::try_from(it).unwrap_or_default());
    let mut tally = Tally::default();
    tokio::select! {
        played = play(&graph, args.seed, &mut tally) => played?,
        () = over(until) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    settle(&app).await;
    let n_open = waiting(&app).await;
    app.stop().await;
    provider.stop().await;
    provider_task.await??;
    say!(
        "\n{} POSTs answered, {} of them not as expected; {} deliveries made, {n_open} still open.",
        tally.n_posts,
        tally.n_faults,
        n_delivered.load(Ordering::Relaxed)
    );
    Ok(if tally.n_faults == 0 && n_open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was sent.
#[derive(Default)]
struct Tally {
    n_posts: u64,
    n_faults: u64,
}

impl Tally {
    fn tell(&mut self, step: &Step) {
        let answer = match &step.outcome {
            Ok(answer) => format!("{} in {:.1} ms", answer.status, answer.took.as_secs_f64() * 1_000.0),
            Err(error) => error.to_string(),
        };
        self.n_posts += 1;
        say!("{}  POST {:<20} {answer:<16} {}", now(), step.path, step.what);
        if let Some(fault) = step.fault() {
            self.n_faults += 1;
            say!("{}  NOT AS EXPECTED: {fault}", now());
        }
    }
}

/// The scenario once, then recordings for ever.
async fn play(graph: &Graph, seed: u64, tally: &mut Tally) -> anyhow::Result<()> {
    let channels = Channels { calls: true, subscriptions: true };
    scenario::play(graph, (&Part::ALL, channels), seed, |step| tally.tell(step)).await?;
    say!("{}  that was everything Graph can say; from now on a recording every two seconds", now());
    let mut seed = Seed::new(seed.wrapping_add(1));
    for number in 1_u64.. {
        let context = format!("{}-{number}", if number % 3 == 0 { "sales" } else { "support" });
        let recording = Recording::new(&mut seed).client_context(context);
        for (what, item) in
            [("recording is running", recording.running()), ("recording completed", recording.completed())]
        {
            tokio::time::sleep(PACE / 2).await;
            let post = graph.calls(&[item])?;
            let path = post.path.clone();
            tally.tell(&Step::new((Part::Recordings, what), path, graph.send(post).await));
        }
    }
    Ok(())
}

async fn over(until: Option<Duration>) {
    match until {
        Some(until) => tokio::time::sleep(until).await,
        None => std::future::pending().await,
    }
}

/// Waits until what was accepted is delivered.
async fn settle(app: &App) {
    let began = std::time::Instant::now();
    while waiting(app).await > 0 && began.elapsed() < LAST_DELIVERIES {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn waiting(app: &App) -> u64 {
    app.store.backlog().await.map_or(0, |backlogs| backlogs.values().map(|backlog| backlog.n_open).sum())
}

fn greet(app: &App, folder: &Path) {
    say!("reelhook demo: a server and a simulated Microsoft Graph in one process");
    say!("  Graph posts to    http://{}/graph/calls, /graph/notifications, /graph/lifecycle", app.public);
    say!("  operators look at http://{}/metrics, /readyz", app.admin);
    say!("  the store is      {} (removed at the end)", folder.join("reelhook.db").display());
    say!("  every bearer token, validation token and encrypted content is real and is checked; Ctrl-C ends it\n");
}

fn now() -> String {
    Clock::system().now().strftime("%H:%M:%S%.3f").to_string()
}

fn printers(config: &Config, n_delivered: &Arc<AtomicU64>) -> BuiltSinks {
    let printer: Arc<dyn Sink> = Arc::new(Printer { n_delivered: Arc::clone(n_delivered) });
    config.sinks.iter().map(|sink| (sink.name.clone(), Arc::clone(&printer))).collect()
}

fn config(folder: &Path, provider: &Provider) -> anyhow::Result<Config> {
    let folder = folder.display();
    let (calls, subscriptions) = (provider.calls_configuration(), provider.subscriptions_configuration());
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[store]
path = "{folder}/reelhook.db"
disk_reserve = "1MiB"
[calls]
app_ids = ["{APP_ID}"]
openid_configuration = "{calls}"
[subscriptions]
app_ids = ["{APP_ID}"]
openid_configuration = "{subscriptions}"
client_states = [{{ env = "REELHOOK_DEMO_CLIENT_STATE" }}]
[[subscriptions.certificates]]
id = "{CERTIFICATE}"
private_key = {{ file = "{folder}/key.pem" }}
[sinks.crm]
kind = "stdout"
[sinks.archive]
kind = "stdout"
[[routes]]
name = "support"
client_context = {{ prefix = "support-" }}
sinks = ["crm", "archive"]
[[routes]]
name = "rest"
sinks = ["archive"]
"#
    );
    let variables = [("REELHOOK_DEMO_CLIENT_STATE".to_owned(), CLIENT_STATE.to_owned())];
    match config::parse(&text, variables.into_iter()) {
        Ok(loaded) => Ok(loaded.config),
        Err(mistakes) => anyhow::bail!("the demo's own config has mistakes:\n{mistakes}"),
    }
}
