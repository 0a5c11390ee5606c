//! The suite's databases: one server of PostgreSQL for all tests that run at a time, and a database for each store.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, Weak};

use reelhook::clock::Clock;
use reelhook::config;
use reelhook::domain::SinkName;
use reelhook::store::postgres::PostgresStore;
use reelhook::store::process::Place;
use reelhook::store::{Hint, Listener, Process, Store, StoreError};
use tokio::runtime::Runtime;

use crate::sinks::brokers::postgres::server::Server;

/// What stores and the server run on, whichever test opened them.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// The server, as long as a store uses it.
static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// No test here asks what a power cut leaves.
const SETTINGS: &str = "fsync = off\nmax_connections = 300\nshared_buffers = 64MB\nmax_wal_size = 1GB";

/// The key of the suite's stores.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// The databases that stores use, by their names.
static DATABASES: Mutex<BTreeMap<String, Weak<Database>>> = Mutex::new(BTreeMap::new());

/// A database, as long as a store uses it.
struct Database {
    name: String,
    server: Arc<Server>,
}

impl Database {
    /// The one with a name; made if it is missing.
    fn with(name: String) -> Arc<Self> {
        let mut known = DATABASES.lock().unwrap();
        if let Some(database) = known.get(&name).and_then(Weak::upgrade) {
            return database;
        }
        let database = Arc::new(Self { name: name.clone(), server: server() });
        run(database.server.run(&[&format!("CREATE DATABASE {name}")]));
        known.insert(name, Arc::downgrade(&database));
        database
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (Arc::clone(&self.server), std::mem::take(&mut self.name));
        // Beside everything else: it may be dropped by a task of the stores' runtime. Where the tests end before it is done,
        // the database goes with its server.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(server.run(&[&format!("DROP DATABASE {name} WITH (FORCE)")]));
        });
    }
}

/// A process beside a store, which keeps the store's database.
struct Beside {
    process: Arc<Process>,
    _database: Arc<Database>,
}

impl Listener for Beside {
    fn place(&self, sink: &SinkName, n_bytes: usize) -> Option<Place> {
        self.process.place(sink, n_bytes)
    }

    fn hint(&self, hint: Hint<'_>) {
        self.process.hint(hint);
    }
}

/// Does something on the stores' runtime, while this thread waits.
fn run<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| RUNTIME.block_on(work)).join().unwrap())
}

fn server() -> Arc<Server> {
    let mut known = SERVER.lock().unwrap();
    if let Some(server) = known.upgrade() {
        return server;
    }
    let server = Arc::new(run(Server::start(SETTINGS, false)));
    *known = Arc::downgrade(&server);
    server
}

/// The name of the database for a store's settings.
fn name_of(settings: &config::Store) -> String {
    let folder = settings.path.parent().and_then(|folder| folder.parent()).unwrap();
    let name = folder.file_name().unwrap().to_string_lossy();
    format!("s_{}", name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase())
}

/// Opens the store of some settings; makes its database if it is missing.
pub fn open(settings: &config::Store, clock: Clock, process: Arc<Process>) -> Result<Arc<dyn Store>, StoreError> {
    let database = Database::with(name_of(settings));
    let url = format!("postgres://operator@{}/{}", database.server.address, database.name);
    let settings = config::Store { url: Some(url.into()), encryption_key: Some(KEY.into()), ..settings.clone() };
    let beside = Arc::new(Beside { process, _database: database });
    let store = run(PostgresStore::open_beside(&settings, clock, beside))?;
    Ok(Arc::new(store))
}
