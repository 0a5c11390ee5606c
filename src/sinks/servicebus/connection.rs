//! A connection to a broker, with a session, and a link to the queue. If one of them ends, another connection is made.

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::{Connection as Client, Session};
use jiff::Timestamp;
use tokio_util::sync::DropGuard;
use uuid::Uuid;

use super::link::{Link, Pending};
use super::login::Identity;
use super::{MAX_AGE, Settings, failure, login, message, outcome};
use crate::clock::Clock;
use crate::domain::Delivery;
use crate::sinks::auth::Login;
use crate::sinks::connection::Connected;
use crate::sinks::cuttable::Cuttable;
use crate::sinks::socket::Stream;
use crate::sinks::{DeliveryError, results_of, socket};

/// The port of `amqp://host`, and of the others, which are encrypted.
const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;
/// After so many milliseconds without a word from the broker, the connection is lost. The broker is asked to say something
/// twice as often.
const IDLE_MS: u32 = 60_000;

/// A connection.
pub(super) struct Connection {
    link: Link,
    session: SessionHandle<()>,
    client: ConnectionHandle<()>,
    /// How long it is used, in steady time.
    until: Timestamp,
    clock: Clock,
    /// Ends it, with the client's tasks.
    _cut: DropGuard,
}

impl Connection {
    /// Connects with the login and the certificates as they are now, and attaches a link to the queue.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) async fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let (made_at, port) = (settings.clock.steady(), if settings.tls.is_some() { TLS_PORT } else { PORT });
        let socket = socket::open(&settings.url, port, settings.tls.as_ref()).await?;
        let identity = Identity::now(settings).await?;
        let until = made_at.saturating_add(MAX_AGE).unwrap_or(made_at);
        let until = identity.until.map_or(until, |end| end.min(until));
        let opened = Self::over(socket, settings, (identity.login.as_ref(), until)).await;
        if let (Err(_), Some(entra), Some(login)) = (&opened, &settings.entra, &identity.login) {
            entra.forget(&login.secret).await;
        }
        opened
    }

    /// Makes it over a socket, with a login, to be used until then.
    async fn over(
        socket: Box<dyn Stream>,
        settings: &Settings,
        (login, until): (Option<&Login>, Timestamp),
    ) -> Result<Self, DeliveryError> {
        let (socket, cut) = Cuttable::new(socket);
        let host = settings.url.host_str();
        let client = Client::builder().container_id(format!("reelhook-{}", Uuid::new_v4()));
        let client = client.hostname(host).sasl_hostname(host).idle_time_out(IDLE_MS);
        let client = client.sasl_profile(login::profile(login)).open_with_stream(socket).await;
        let mut client = client.map_err(|error| failure::of_opening(&error))?;
        let session = Session::begin(&mut client).await;
        let mut session = session.map_err(|error| failure::of_session(&error))?;
        if let Some(login) = login {
            login::put_token(&mut session, settings, login).await?;
        }
        let link = Link::attach(&mut session, settings).await?;
        Ok(Self { link, session, client, until, clock: settings.clock.clone(), _cut: cut })
    }

    /// Sends the messages of deliveries, and waits for the outcome of each.
    pub(super) async fn send(&self, settings: &Settings, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let messages = deliveries.iter().map(|delivery| message::of(settings, delivery)).collect();
        let settled = async |pending: Pending| {
            pending.await.map_err(|error| failure::of_sending(&error)).and_then(outcome::result)
        };
        results_of(self.link.send(messages).await, settled).await
    }

    /// Ends it as the protocol has it.
    pub(super) async fn farewell(mut self) {
        // Whether the broker answers does not matter: nothing is owed.
        drop(self.client.close().await);
    }
}

impl Connected for Connection {
    fn works(&self) -> Option<bool> {
        let is_young = self.clock.steady() < self.until;
        Some(is_young && !self.client.is_closed() && !self.session.is_ended() && self.link.is_attached())
    }
}
