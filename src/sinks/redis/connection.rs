//! A connection to a server, and the batches that are sent through it.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, RedisConnectionInfo, RedisError, RedisResult, Value};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use super::{Settings, entry, failure};
use crate::domain::Delivery;
use crate::sinks::auth::Auth;
use crate::sinks::connection::Connected;
use crate::sinks::{DeliveryError, reason, socket};

/// The port of `redis://host`.
const PORT: u16 = 6379;
/// The longest value that a server takes, where it does not tell.
const MAX_BYTES: usize = 512 << 20;
/// How long the server waits for the disks, in milliseconds. Without an end it would wait for a replica that is away until
/// the attempt is given up, and nobody would be told why.
const WAIT_MS: u32 = 10_000;

/// A connection.
pub(super) struct Connection {
    commands: MultiplexedConnection,
    max_bytes: usize,
    /// Moves the bytes. It ends with the connection.
    _driver: JoinSet<()>,
}

impl Connected for Connection {}

impl Connection {
    /// Connects with the login and the certificates as they are now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) async fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let mut login = RedisConnectionInfo::default().set_db(settings.database).set_skip_set_lib_name();
        if let Some(auth) = settings.auth.as_ref().map(Auth::login).transpose()? {
            login = login.set_password(auth.secret.expose_secret());
            if !auth.name.is_empty() {
                login = login.set_username(auth.name);
            }
        }
        let stream = socket::open(&settings.url, PORT, settings.tls.as_ref()).await?;
        // The dispatcher ends an attempt that takes too long, not the client.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
        let (commands, driver) = opened.map_err(|error| failure::of(&error))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(driver);
        let mut connection = Self { commands, max_bytes: MAX_BYTES, _driver: tasks };
        connection.ask(settings).await?;
        Ok(connection)
    }

    /// Asks for the longest value, which not every login may know, and whether `wait_aof` can be had.
    async fn ask(&mut self, settings: &Settings) -> Result<(), DeliveryError> {
        let mut questions = redis::pipe();
        questions.cmd("CONFIG").arg("GET").arg("proto-max-bulk-len");
        if settings.wait_aof.is_some() {
            // On a connection that has written nothing it is answered at once.
            questions.cmd("WAITAOF").arg(1).arg(0).arg(1);
        }
        let mut answers = self.send(&mut questions).await.map_err(|error| failure::of(&error))?.into_iter();
        if let Some(Ok(Value::Array(setting))) = answers.next() {
            let found = setting.get(1).and_then(|value| usize::from_redis_value_ref(value).ok());
            self.max_bytes = found.unwrap_or(MAX_BYTES);
        }
        match answers.next() {
            Some(Err(error)) => Err(no_wait(&error)),
            _ => Ok(()),
        }
    }

    /// Adds the entries of deliveries: one result for each, in order.
    pub(super) async fn add(&self, settings: &Settings, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let mut commands = redis::pipe();
        let mut results: Vec<Result<(), DeliveryError>> = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            results.push(entry::of(settings, delivery, self.max_bytes).map(|entry| {
                commands.add_command(entry);
            }));
        }
        if commands.is_empty() {
            return results;
        }
        if let Some(n_replicas) = settings.wait_aof {
            commands.cmd("WAITAOF").arg(1).arg(n_replicas).arg(WAIT_MS);
        }
        match self.send(&mut commands).await {
            Ok(mut answers) => {
                let waited = settings.wait_aof.map_or(Ok(()), |n_replicas| on_disks(answers.pop(), n_replicas));
                let mut answers = answers.into_iter();
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = match answers.next() {
                        Some(Ok(_id)) => waited.clone(),
                        Some(Err(error)) => Err(failure::of(&error)),
                        None => Err(reason::retry_all("the server did not answer")),
                    };
                }
            }
            Err(error) => {
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    *result = Err(failure::of(&error));
                }
            }
        }
        results
    }

    /// Sends commands at once. Each has an answer or an error of its own, unless the connection fails.
    pub(super) async fn send(&self, commands: &mut Pipeline) -> RedisResult<Vec<RedisResult<Value>>> {
        commands.ignore_errors().query_async(&mut self.commands.clone()).await
    }
}

/// Whether the server, and so many replicas, have synced what was added.
fn on_disks(answer: Option<RedisResult<Value>>, n_replicas: u32) -> Result<(), DeliveryError> {
    let counts = answer.unwrap_or(Ok(Value::Nil)).and_then(|counts| Ok(<(u32, u32)>::from_redis_value(counts)?));
    let (local, replicas) = counts.map_err(|error| no_wait(&error))?;
    if local >= 1 && replicas >= n_replicas {
        return Ok(());
    }
    let found = if local == 0 { "the server itself has not".to_owned() } else { format!("{replicas} have") };
    Err(reason::retry_all(&format!(
        "wait_aof: after {} s {found} synced it to the disk, expected the server and {n_replicas} replicas",
        WAIT_MS / 1000
    )))
}

fn no_wait(error: &RedisError) -> DeliveryError {
    let text = error.detail().unwrap_or_default();
    if text.contains("unknown command") {
        return reason::retry_all("wait_aof: found a server without WAITAOF, expected Redis 7.2 or newer");
    }
    if text.contains("appendonly is disabled") {
        return reason::retry_all("wait_aof: found appendonly no, expected a server with appendonly yes");
    }
    match failure::of(error) {
        DeliveryError::Retry { reason, .. } | DeliveryError::Reject { reason } => {
            reason::retry_all(&format!("wait_aof: {reason}"))
        }
    }
}
