//! A connection to a broker, from its making to its loss.

use std::io;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::{
    AsyncClient, Broker, ConnAck, ConnectionError, Event, EventLoop, Incoming, MqttOptions, PublishNotice,
    PublishNoticeError, PublishOptions, PublishResult,
};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Settings, failure, message};
use crate::domain::Delivery;
use crate::sinks::auth::Auth;
use crate::sinks::connection::Connected;
use crate::sinks::lost::Lost;
use crate::sinks::{DeliveryError, reason, results_of, socket};

/// The port of `mqtt://host`, and of `mqtts://host`.
const PORT: u16 = 1883;
const TLS_PORT: u16 = 8883;
/// How often the client asks a broker from which nothing comes whether it is still there. Without an answer by the next
/// question, the connection is lost.
const KEEP_ALIVE_SECS: u16 = 15;
/// The dispatcher ends an attempt that takes too long, not the client.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// Messages that wait for the client to send them. More wait in their attempts.
const MAX_UNSENT: usize = 256;
/// The largest message of the protocol.
const MAX_PACKET_BYTES: u32 = 268_435_460;
/// How long a farewell may take. Nobody's event depends on it.
const FAREWELL: Duration = Duration::from_secs(1);
/// The broker takes only messages that it does not acknowledge.
const WITHOUT_ACKNOWLEDGEMENT: u8 = 0;

/// A connection. It is used until it is lost, and then replaced.
pub(super) struct Connection {
    client: AsyncClient,
    /// The largest message that the broker takes.
    max_bytes: usize,
    lost: Lost,
    /// Moves the bytes. It ends with the connection.
    _driver: JoinSet<()>,
}

impl Connection {
    /// Connects with the login and the certificates as they are now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) async fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let options = options(settings).await?;
        let built = AsyncClient::builder(options).capacity(MAX_UNSENT).try_build();
        let (client, mut events) = built.map_err(|error| reason::retry_all(&error.to_string()))?;
        let greeting = greeted(&mut events).await.map_err(|error| failure::of_connection(&error))?;
        let told = greeting.properties.as_ref();
        if told.and_then(|it| it.max_qos) == Some(WITHOUT_ACKNOWLEDGEMENT) {
            return Err(reason::retry_all("the broker does not acknowledge messages (Maximum QoS 0)"));
        }
        let max_bytes = told.and_then(|it| it.max_packet_size).unwrap_or(MAX_PACKET_BYTES) as usize;
        let lost = Lost::default();
        let mut driver = JoinSet::new();
        driver.spawn(drive(events, lost.clone()));
        Ok(Self { client, max_bytes, lost, _driver: driver })
    }

    /// Publishes the messages of deliveries, and waits for the acknowledgement of each.
    pub(super) async fn publish(
        &self,
        settings: &Settings,
        deliveries: &[&Delivery],
    ) -> Vec<Result<(), DeliveryError>> {
        let mut sent = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            sent.push(self.send(settings, delivery).await);
        }
        results_of(sent, |notice| self.acknowledged(notice)).await
    }

    /// Sends the message of a delivery. Its acknowledgement is still to come.
    async fn send(&self, settings: &Settings, delivery: &Delivery) -> Result<PublishNotice, DeliveryError> {
        let publish = message::of(settings, delivery, self.max_bytes)?;
        let options = PublishOptions::at_least_once().properties(publish.properties);
        tokio::select! {
            sent = self.client.publish_tracked(publish.topic, publish.body, options) => match sent {
                Ok(notice) => Ok(notice),
                Err(_) if self.lost.is_lost() => Err(self.lost.reason().await),
                // Its text would have the message in it.
                Err(_shown) => Err(reason::retry("the client does not take the message")),
            },
            lost = self.lost.reason() => Err(lost),
        }
    }

    /// Waits until the broker acknowledged a message, or says why it has not taken it, as far as is known.
    async fn acknowledged(&self, notice: PublishNotice) -> Result<(), DeliveryError> {
        match notice.wait_async().await {
            Ok(PublishResult::Qos1(answer)) => failure::of_answer(&answer),
            // The client ended with the connection.
            Err(PublishNoticeError::Recv) => Err(self.lost.reason().await),
            Err(error) => Err(reason::retry_all(&error.to_string())),
            Ok(other) => Err(reason::retry_all(&format!("found {other:?}, expected a PUBACK"))),
        }
    }

    /// Tells the broker that the connection ends, if that can be done at once.
    pub(super) async fn farewell(&self) {
        if self.client.disconnect_now().await.is_ok() {
            drop(tokio::time::timeout(FAREWELL, self.lost.reason()).await);
        }
    }
}

impl Connected for Connection {
    fn works(&self) -> Option<bool> {
        Some(!self.lost.is_lost())
    }
}

async fn options(settings: &Settings) -> Result<MqttOptions, DeliveryError> {
    let port = if settings.tls.is_some() { TLS_PORT } else { PORT };
    let socket = socket::open(&settings.url, port, settings.tls.as_ref()).await?;
    // It is asked for once: a connection that fails is not made again by the client.
    let socket = Mutex::new(Some(socket));
    let broker = Broker::tcp(settings.url.host_str().unwrap_or_default(), settings.url.port().unwrap_or(port));
    let mut options = MqttOptions::new(client_id(), broker);
    options.set_clean_start(true).set_keep_alive(KEEP_ALIVE_SECS).set_connect_timeout(NEVER);
    options.set_socket_connector(move |_host, _options| {
        let socket = socket.lock().take().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted));
        std::future::ready(socket)
    });
    if let Some(login) = settings.auth.as_ref().map(Auth::login).transpose()? {
        options.set_credentials(login.name, login.secret.expose_secret().to_owned());
    }
    Ok(options)
}

/// One that no other connection has: a broker ends a connection when another has the same. Each broker takes at least 23
/// letters and digits.
fn client_id() -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("reelhook{}", &random[..15])
}

/// Connects, and waits for the broker's greeting.
async fn greeted(events: &mut EventLoop) -> Result<ConnAck, ConnectionError> {
    loop {
        if let Event::Incoming(Incoming::ConnAck(greeting)) = events.poll().await? {
            return Ok(greeting);
        }
    }
}

/// Moves bytes until the connection is lost.
async fn drive(mut events: EventLoop, lost: Lost) {
    loop {
        if let Err(error) = events.poll().await {
            return lost.lose(failure::told(&error));
        }
    }
}
