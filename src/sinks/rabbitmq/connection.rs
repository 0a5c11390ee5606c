//! A connection to a server, and its channels.

use std::io;

use lapin::options::ConfirmSelectOptions;
use lapin::tcp::AsyncTcpStream;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, ConnectionProperties};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use tokio_util::sync::DropGuard;

use super::{Settings, failure, stream};
use crate::sinks::auth::Auth;
use crate::sinks::connection::Connected;
use crate::sinks::cuttable::Cuttable;
use crate::sinks::{DeliveryError, reason, socket};

/// The port of `amqp://host`, and of `amqps://host`.
const PORT: u16 = 5672;
const TLS_PORT: u16 = 5671;
/// A connection.
pub(super) struct Connection {
    client: lapin::Connection,
    /// Channels that no attempt uses now. All that was published over them is confirmed.
    idle: Mutex<Vec<Channel>>,
    /// Ends it, with the client's thread.
    _cut: DropGuard,
}

impl Connection {
    /// Connects with the login and the certificates as they are now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) async fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let address = address(settings)?;
        let port = if settings.tls.is_some() { TLS_PORT } else { PORT };
        let socket = socket::open(&settings.url, port, settings.tls.as_ref()).await?;
        let (socket, cut) = Cuttable::new(socket);
        // It is asked for once: a connection that fails is not made again by the client.
        let socket = Mutex::new(Some(socket));
        let connect = async move |_address: AMQPUri, _runtime: stream::Runtime| {
            let socket = socket.lock().take().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
            Ok(AsyncTcpStream::Plain(async_compat::Compat::new(socket)))
        };
        let properties = ConnectionProperties::default().with_connection_name("reelhook".into());
        let client = lapin::Connection::connector(address, stream::runtime(), connect, properties).await;
        let client = client.map_err(|error| refused(&error))?;
        Ok(Self { client, idle: Mutex::default(), _cut: cut })
    }

    /// A channel for one attempt, which gives it back with [`Connection::give_back`] once all is confirmed.
    ///
    /// # Errors
    /// The server opens none.
    pub(super) async fn channel(&self) -> Result<Channel, DeliveryError> {
        let idle = self.idle.lock().pop();
        match idle {
            Some(channel) => Ok(channel),
            None => self.new_channel().await,
        }
    }

    /// Keeps a channel for another attempt, unless the server closed it.
    pub(super) fn give_back(&self, channel: Channel) {
        if channel.status().connected() {
            self.idle.lock().push(channel);
        }
    }

    /// A channel of its own, which confirms.
    ///
    /// # Errors
    /// The server opens none.
    pub(super) async fn new_channel(&self) -> Result<Channel, DeliveryError> {
        let channel = self.client.create_channel().await.map_err(|error| failure::of(&error))?;
        let selected = channel.confirm_select(ConfirmSelectOptions::default()).await;
        selected.map_err(|error| failure::of(&error))?;
        Ok(channel)
    }
}

impl Connected for Connection {
    fn works(&self) -> Option<bool> {
        Some(self.client.status().connected())
    }
}

/// Who logs in, and to which virtual host. The client connects to nothing by it.
fn address(settings: &Settings) -> Result<AMQPUri, DeliveryError> {
    let mut address = AMQPUri { scheme: AMQPScheme::AMQP, ..AMQPUri::default() };
    let path = settings.url.path().trim_start_matches('/');
    if !path.is_empty() {
        address.vhost = percent_decode_str(path).decode_utf8_lossy().into_owned();
    }
    if let Some(login) = settings.auth.as_ref().map(Auth::login).transpose()? {
        address.authority.userinfo.username = login.name;
        address.authority.userinfo.password = login.secret.expose_secret().to_owned();
    }
    Ok(address)
}

fn refused(error: &lapin::Error) -> DeliveryError {
    match failure::of(error) {
        DeliveryError::Retry { reason, .. } | DeliveryError::Reject { reason } => {
            reason::retry_all(&format!("could not connect: {reason}"))
        }
    }
}
