//! The admin API over a store that no server uses, for the duration of one command. Commands use it in the same way as
//! a server's API. It receives and delivers nothing.
//!
//! **Invariants**
//! 1. It listens on loopback, and needs a token that only this command knows.
//! 2. It does not open a store that a server uses for changes. If a command only reads, nothing is changed and no lock
//!    is taken.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use anyhow::{anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::api;
use crate::clock::Clock;
use crate::config::{AdminToken, Config, Scope};
use crate::dispatch::{Conditions, Pauses};
use crate::operator::Operator;
use crate::routing::{Router, Routes};
use crate::running::{Running, Setup};
use crate::sources::Proxies;
use crate::store::sqlite::SqliteStore;
use crate::store::{Process, Upkeep};
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, Rejections};

const TOKEN_BYTES: usize = 32;

/// The store of one command, and the API over it.
pub struct Offline {
    /// The address of the API.
    pub address: SocketAddr,
    /// The token for the API.
    pub token: String,
    store: Arc<SqliteStore>,
    server: ServerHandle,
    tasks: Tasks,
}

impl Offline {
    /// Opens the store of a config; `to_change`: also to change it.
    ///
    /// # Errors
    /// There is no store, a server uses it, or it cannot be opened.
    pub async fn open(config: Config, to_change: bool) -> anyhow::Result<Self> {
        let opened = Opened::new(&config, to_change).await?;
        let mut bytes = [0; TOKEN_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| anyhow!("no randomness"))?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let scopes = vec![Scope::Read, Scope::Write, Scope::Admin, Scope::Recordings];
        let own = AdminToken { name: "offline".into(), sha256: Sha256::digest(&token).into(), scopes };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, tasks) = (listener.local_addr()?, Tasks::default());
        let admin = opened.admin(&config, &tasks).await?;
        let server = api::serve(listener, Arc::new(Access::new(vec![own])), admin, |_no_console| {})?;
        let handle = server.handle();
        tasks.run("the store's listener", async move { drop(server.await) });
        Ok(Self { address, token, store: opened.store, server: handle, tasks })
    }

    /// Closes the listener and the store.
    pub async fn close(self) {
        self.tasks.begin_stop();
        self.server.stop(false).await;
        self.tasks.ended().await;
        self.store.close().await;
    }
}

/// The store, and the values that the API needs besides.
struct Opened {
    store: Arc<SqliteStore>,
    process: Arc<Process>,
    clock: Clock,
}

impl Opened {
    async fn new(config: &Config, to_change: bool) -> anyhow::Result<Self> {
        ensure!(
            config.store.url.is_none(),
            "store.url: found a store in PostgreSQL, expected a file with --offline: leave --offline out, and ask a server \
             that uses the store"
        );
        let (clock, process) = (Clock::system(), Arc::new(Process::default()));
        // Fails if there is no store: this never creates one.
        let mut store = SqliteStore::open_for_operator(&config.store, clock.clone())?;
        ensure!(
            !store.is_served(),
            "{}: found a server that uses the store, expected none with --offline: leave --offline out",
            config.store.path.display()
        );
        if to_change {
            store.close().await;
            store = SqliteStore::open_beside(&config.store, clock.clone(), Arc::clone(&process) as _)?;
        }
        Ok(Self { store: Arc::new(store), process, clock })
    }

    async fn admin(&self, config: &Config, tasks: &Tasks) -> anyhow::Result<api::Admin> {
        let Self { store, process, clock } = self;
        let metrics = Arc::new(Metrics::new());
        // Nothing is delivered, so the sinks are not built.
        let setup = Setup { config: config.clone(), keys: Vec::new(), sinks: Vec::new(), since: clock.now() };
        let conditions = Conditions::load(&**store, &setup.sink_names()).await?;
        let operator = Operator {
            store: Arc::clone(store) as _,
            operations: Arc::clone(store) as _,
            pauses: Arc::new(Pauses::load(Arc::clone(store) as _).await?),
            conditions: Arc::new(conditions),
            routes: Arc::new(Router::new(Routes::new(&config.routes, &config.sinks)?)),
            running: Arc::new(Running::new(setup)),
            jobs: Arc::default(),
            verdicts: Arc::clone(&process.verdicts),
            clock: clock.clone(),
        };
        Ok(api::Admin {
            operator: Arc::new(operator),
            operations: Arc::clone(store) as _,
            events: Arc::clone(store) as _,
            changes: Arc::clone(&process.changes),
            reload: Arc::default(),
            metrics: Arc::clone(&metrics),
            bodies: api::body_limits(&config.admin),
            rejections: Arc::new(Rejections::new(metrics, clock.clone())),
            proxies: Proxies::default(),
            clock: clock.clone(),
            health: Arc::new(api::Health::new(Arc::clone(store) as _, tasks.clone())),
            no_more_waiting: CancellationToken::new(),
        })
    }
}
