//! The third step of the start: everything that answers requests. The public listener for Graph, the admin listener, and
//! the listener for probes if the config has one.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use anyhow::Context;

use super::engine::Engine;
use super::parts::Parts;
use super::store::Stored;
use crate::access::Access;
use crate::config::Config;
use crate::operator::Operator;
use crate::sources::Proxies;
use crate::{api, console, http};

/// The running listeners.
pub(super) struct Faces {
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) probes: Option<SocketAddr>,
    pub(super) public_server: ServerHandle,
    /// The listeners that answer until the end of a stop: admin, probes.
    pub(super) last_servers: Vec<ServerHandle>,
    pub(super) access: Arc<Access>,
    pub(super) bounds: Arc<http::Bounds>,
}

/// The sockets. They are opened before anything else, so that an address in use stops the start early.
pub(super) struct Sockets {
    public: TcpListener,
    admin: TcpListener,
    probes: Option<TcpListener>,
}

impl Sockets {
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |key, listen: SocketAddr| {
            TcpListener::bind(listen).with_context(|| format!("{key}: cannot listen on {listen}"))
        };
        Ok(Self {
            public: bind("server.listen", config.server.listen)?,
            admin: bind("admin.listen", config.admin.listen)?,
            probes: config.admin.probes.map(|listen| bind("admin.probes", listen)).transpose()?,
        })
    }
}

impl Faces {
    pub(super) fn serve(
        Sockets { public, admin, probes }: Sockets,
        parts: &Parts,
        stored: &Stored,
        engine: &Engine,
    ) -> anyhow::Result<Self> {
        let setup = parts.running.now();
        let config = &setup.config;
        let (public_addr, admin_addr) = (public.local_addr()?, admin.local_addr()?);
        let probes_addr = probes.as_ref().map(TcpListener::local_addr).transpose()?;
        let access = Arc::new(Access::new(config.admin.tokens.clone()));
        let operator = operator(parts, stored);
        let (jobs, stop) = (Arc::clone(&operator), parts.stops.waiting.clone());
        parts.tasks.run("operators' jobs", async move { jobs.work(stop).await });
        let console = console(parts, engine, &operator, &access);
        let operators = operators(parts, engine, operator);
        let probes_server = match probes {
            Some(listener) => Some(api::probes::serve(listener, as_probes(&operators, config))?),
            None => None,
        };
        let admin_server = api::serve(admin, Arc::clone(&access), operators, console::routes(Data::new(console)))?;
        let bounds = Arc::new(http::Bounds::new(&config.server));
        let (intake, paths) = (Arc::clone(&engine.intake), paths(config));
        let served = http::Served { paths, bounds: Arc::clone(&bounds), intake };
        let public_server = http::serve(public, &config.server, served)?;
        let last_servers = std::iter::once(&admin_server).chain(&probes_server).map(Server::handle).collect();
        let public_handle = public_server.handle();
        parts.tasks.run("the admin listener", async move { drop(admin_server.await) });
        if let Some(server) = probes_server {
            parts.tasks.run("the listener for probes", async move { drop(server.await) });
        }
        parts.tasks.run("the public listener", async move { drop(public_server.await) });
        Ok(Self {
            public: public_addr,
            admin: admin_addr,
            probes: probes_addr,
            public_server: public_handle,
            last_servers,
            access,
            bounds,
        })
    }
}

fn paths(config: &Config) -> http::Paths {
    http::Paths {
        calls: config.calls.as_ref().map(|calls| calls.path.clone()),
        calls_subpaths: config.calls.as_ref().is_some_and(|calls| calls.subpaths),
        subscriptions: config.subscriptions.as_ref().map(|it| (it.path.clone(), it.lifecycle_path.clone())),
    }
}

fn operator(parts: &Parts, stored: &Stored) -> Arc<Operator> {
    Arc::new(Operator {
        store: Arc::clone(&stored.store),
        operations: Arc::clone(&stored.operations),
        pauses: Arc::clone(&stored.pauses),
        conditions: Arc::clone(&stored.conditions),
        routes: Arc::clone(&stored.routes),
        running: Arc::clone(&parts.running),
        jobs: Arc::default(),
        verdicts: Arc::clone(&stored.process.verdicts),
        clock: parts.clock.clone(),
    })
}

fn console(parts: &Parts, engine: &Engine, operator: &Arc<Operator>, access: &Arc<Access>) -> console::Console {
    console::Console {
        running: Arc::clone(&parts.running),
        reload: Arc::clone(&parts.reload),
        access: Arc::clone(access),
        operator: Arc::clone(operator),
        operations: Arc::clone(&operator.operations),
        events: Arc::clone(&operator.store) as _,
        changes: Arc::clone(&engine.changes),
        metrics: Arc::clone(&parts.metrics),
        rejections: Arc::clone(&engine.intake.rejections),
        clock: parts.clock.clone(),
    }
}

fn operators(parts: &Parts, engine: &Engine, operator: Arc<Operator>) -> api::Admin {
    let setup = parts.running.now();
    api::Admin {
        operations: Arc::clone(&operator.operations),
        events: Arc::clone(&operator.store) as _,
        changes: Arc::clone(&engine.changes),
        reload: Arc::clone(&parts.reload),
        metrics: Arc::clone(&parts.metrics),
        bodies: api::body_limits(&setup.config.admin),
        rejections: Arc::clone(&engine.intake.rejections),
        proxies: Proxies::new(&setup.config.server.trusted_proxies),
        clock: parts.clock.clone(),
        health: Arc::new(api::Health::new(Arc::clone(&operator.store), parts.tasks.clone())),
        no_more_waiting: parts.stops.waiting.clone(),
        operator,
    }
}

/// What the listener for probes has of the admin listener's parts.
fn as_probes(admin: &api::Admin, config: &Config) -> api::probes::Probes {
    api::probes::Probes {
        health: Arc::clone(&admin.health),
        metrics: Arc::clone(&admin.metrics),
        shows_metrics: config.admin.probes_metrics,
        rejections: Arc::clone(&admin.rejections),
        proxies: admin.proxies.clone(),
        clock: admin.clock.clone(),
    }
}
