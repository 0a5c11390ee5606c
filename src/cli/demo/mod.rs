//! `reelhook demo`: reelhook, a simulated Microsoft Graph and a bot in one process.

mod servers;
mod setting;
mod story;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures_util::future;
use jiff::SignedDuration;
use parking_lot::Mutex;

use self::servers::Server;
use self::setting::{APP_ID, CERTIFICATE, CLIENT_STATE, Folder, TENANT};
use self::story::Story;
use super::print::say;
use super::signals::Signals;
use crate::app::App;
use crate::clock::Clock;
use crate::simulator::payload::Seed;
use crate::simulator::scenario::{self, Channels, Play, Scenario, Step};
use crate::simulator::script::Request;
use crate::simulator::{Certificate, Client, Graph, Identity, Paths, Provider};
use crate::telemetry;

/// Failures that the demo makes on purpose are printed where they happen, so their logs are off. So are those of clients whose
/// servers end with the demo.
const LOGGED: &str =
    "warn,reelhook::dispatch=off,reelhook::watch=off,reelhook::telemetry::rejections=off,async_nats=off";
/// The pause between two notifications of a call, once the scenarios are played.
const PACE: Duration = Duration::from_secs(1);
/// How long the demo waits for the last deliveries.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook demo                  runs until Ctrl-C
  reelhook demo --duration 10s   ends after 10 s
  reelhook demo --sinks nats     starts a NATS server too, and shows the events arriving there
                                 (other kinds: see --sinks)

Ctrl-C, SIGTERM or SIGHUP ends it: the last deliveries are made, and the temporary folder is
removed. A second signal ends it at once, and the folder is removed too.

Exit codes: 0 everything happened as the demo planned, 1 otherwise")]
pub struct Args {
    /// End after this time ("10s", "2m") [default: run until Ctrl-C]
    #[arg(long, value_name = "TIME")]
    duration: Option<SignedDuration>,
    /// The seed of the ids: the same number makes the same notifications
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also deliver every event to sinks of these kinds, and show what arrives there: exec, file and object write to a
    /// temporary folder; for kafka, mqtt, nats, postgres, pubsub, rabbitmq, redis, servicebus and sqs a server is started,
    /// whose program must be installed
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    sinks: Vec<String>,
}

/// Runs until a signal or for the given time. Exit code 1 if an answer was not as expected or a delivery still waits.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    telemetry::log::start(LOGGED, false).map_err(anyhow::Error::msg)?;
    let folder = Folder::make().context("no temporary folder")?;
    shown(args, folder.path(), &mut signals).await
}

async fn shown(args: Args, folder: &Path, signals: &mut Signals) -> anyhow::Result<ExitCode> {
    let identity = Identity::new(Clock::system())?;
    let (provider, server) = Provider::start(([127, 0, 0, 1], 0).into(), identity)?;
    let provider_task = actix_web::rt::spawn(server);
    let certificate = Certificate::in_file(CERTIFICATE, &folder.join("key.pem"))?;
    let servers = future::try_join_all(args.sinks.iter().map(|kind| Server::start(kind))).await?;
    let loaded = setting::config(folder, &provider, &servers)?;
    let n_delivered = Arc::new(AtomicU64::new(0));
    let sinks = setting::sinks(&loaded.config, &servers, &n_delivered)?;
    let app = App::start(loaded, sinks, Clock::system()).await?;
    let graph = Graph {
        client: Client::new(&format!("http://{}", app.public))?,
        identity: provider.identity().clone(),
        app_id: APP_ID.into(),
        tenant: TENANT.into(),
        client_state: Some(CLIENT_STATE.into()),
        certificate: Some(certificate),
        paths: Paths::default(),
    };
    greet(&app, folder, &servers);
    let until = args.duration.map(|it| Duration::try_from(it).unwrap_or_default());
    let tally = Mutex::new(Tally::default());
    tokio::select! {
        played = play(&app, &graph, args.seed, &tally) => played?,
        broken = show(&servers) => broken?,
        () = over(until) => {}
        _told = signals.next() => {}
    }
    let ending = async {
        settle(&app).await;
        let n_open = waiting(&app).await;
        app.stop().await;
        future::join_all(servers.into_iter().map(Server::stop)).await;
        provider.stop().await;
        provider_task.await??;
        anyhow::Ok(n_open)
    };
    let n_open = tokio::select! {
        n_open = ending => n_open?,
        told = signals.next() => return Ok(told.code()),
    };
    let tally = tally.into_inner();
    let answered = match tally.n_faults {
        0 => "all answered as expected".to_owned(),
        n => format!("{n} of them not answered as expected (the last one: {})", tally.last_fault),
    };
    say!(
        "\n{} POSTs, {answered}; {} deliveries made, {n_open} still waiting.",
        tally.n_posts,
        n_delivered.load(Ordering::Relaxed)
    );
    Ok(if tally.n_faults == 0 && n_open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what arrives at the servers, for ever.
async fn show(servers: &[Server]) -> anyhow::Result<()> {
    future::try_join_all(servers.iter().map(Server::show)).await?;
    std::future::pending().await
}

/// The POSTs so far.
#[derive(Default)]
struct Tally {
    n_posts: u64,
    n_faults: u64,
    /// When and what the last of them was.
    last_fault: String,
}

impl Tally {
    fn tell(&mut self, step: &Step) {
        let answer = match &step.outcome {
            Ok(answer) => format!("{} in {:.1} ms", answer.status, answer.took.as_secs_f64() * 1_000.0),
            Err(error) => error.to_string(),
        };
        self.n_posts += 1;
        say!("{}  POST {:<20} {answer:<16} {}: {}", now(), step.path, step.scenario, step.what);
        if let Some(fault) = step.fault() {
            self.n_faults += 1;
            self.last_fault = format!("{}, POST {}, {answer}: {fault}", now(), step.path);
            say!("{}  NOT AS EXPECTED: {fault}", now());
        }
    }
}

/// Plays every scenario once, then the calls of the bot's recordings, beside other calls for ever.
async fn play(app: &App, graph: &Graph, seed: u64, tally: &Mutex<Tally>) -> anyhow::Result<()> {
    let channels = Channels { calls: true, subscriptions: true };
    let scenarios = Scenario::all()?;
    let all = Play { scenarios: &scenarios, channels, seed };
    scenario::play(graph, all, |step| tally.lock().tell(step)).await?;
    let mut seed = Seed::new(seed.wrapping_add(1));
    let story = Story::new(graph, &mut seed)?;
    say!("{}  Graph has sent each kind of notification once; now a bot announces its recordings", now());
    announce(app, &story).await?;
    let unproven = graph.notifications(&[story.unproven()], false)?;
    let (path, outcome) = (unproven.path.clone(), graph.send(unproven).await);
    let step = Step::new("stranger", "a notification with a wrong clientState", path, outcome);
    tally.lock().tell(&step);
    let calls = async {
        for number in 1_u64.. {
            let name = format!("call {number}");
            for request in story::call(number, graph, &mut seed)?.requests {
                tokio::time::sleep(PACE).await;
                send(graph, &name, &request, tally).await?;
            }
        }
        anyhow::Ok(())
    };
    let told = async {
        for request in &story.run.requests {
            tokio::time::sleep(request.after).await;
            send(graph, "announced", request, tally).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(told, calls)?;
    Ok(())
}

async fn send(graph: &Graph, name: &str, request: &Request, tally: &Mutex<Tally>) -> anyhow::Result<()> {
    let post = request.post(graph)?;
    let path = post.path.clone();
    let outcome = graph.send(post).await;
    tally.lock().tell(&Step::new(name, &request.what, path, outcome));
    Ok(())
}

/// Announces recordings over the admin listener, as a bot does before it records.
async fn announce(app: &App, story: &Story) -> anyhow::Result<()> {
    let bot = Client::new(&format!("http://{}", app.admin))?;
    for (what, post) in story.announced() {
        let answer = bot.send(post).await?;
        anyhow::ensure!(answer.status == 201, "{what}: found the answer {}, expected 201", answer.status);
        say!("{}  announced {what}", now());
    }
    Ok(())
}

async fn over(until: Option<Duration>) {
    match until {
        Some(until) => tokio::time::sleep(until).await,
        None => std::future::pending().await,
    }
}

/// Waits until all accepted notifications are delivered.
async fn settle(app: &App) {
    let began = std::time::Instant::now();
    while waiting(app).await > 0 && began.elapsed() < LAST_DELIVERIES {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn waiting(app: &App) -> u64 {
    app.store.backlog().await.map_or(0, |backlogs| backlogs.values().map(|backlog| backlog.n_open).sum())
}

fn greet(app: &App, folder: &Path, servers: &[Server]) {
    say!("reelhook demo: open the console at http://{}/", app.admin);
    say!("  a server, a simulated Microsoft Graph and a bot in one process. Within half a minute the console shows");
    say!("  completed and failed recordings, overdue and lost ones, one that arrived late (recovered), a dead");
    say!("  letter, a quarantined notification, and events that matched no route");
    say!("  the sinks crm and archive are simulated too: they print each delivery below");
    servers.iter().for_each(|server| say!("  {}", server.told()));
    say!("  Graph posts to   http://{}/graph/calls, /graph/notifications, /graph/lifecycle", app.public);
    say!("  the API is at    http://{}/v1.0/communications/recordOperations (metrics: /metrics)", app.admin);
    say!("  the store is     {} (removed at the end)", folder.join("reelhook.db").display());
    say!("  tokens and encryption use real cryptography, with keys of the demo. Ctrl-C ends the demo\n");
}

fn now() -> String {
    Clock::system().now().strftime("%H:%M:%S%.3f").to_string()
}
