//! The connection that a client speaks its protocol over: TCP, encrypted where the config says so. For clients that can be
//! given one: so the table `tls` means the same for every kind.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::tls::Tls;
use super::{DeliveryError, reason};

/// A connection, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// Connects to the host of `url`, at its port or else at `default_port`. With `tls` it is encrypted.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery.
pub async fn open(url: &Url, default_port: u16, tls: Option<&Tls>) -> Result<Box<dyn Stream>, DeliveryError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let connected = TcpStream::connect((host, url.port().unwrap_or(default_port))).await;
    // A batch is written at once: nothing is gained by waiting for more.
    let socket = connected.and_then(|socket| socket.set_nodelay(true).map(|()| socket)).map_err(|it| failed(&it))?;
    let Some(tls) = tls else { return Ok(Box::new(socket)) };
    let name = ServerName::try_from(host.to_owned()).map_err(|it| failed(&it))?;
    let connector = TlsConnector::from(Arc::new(tls.client_config()?));
    let encrypted = connector.connect(name, socket).await.map_err(|it| failed(&it))?;
    Ok(Box::new(encrypted))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> DeliveryError {
    reason::retry_all(&format!("could not connect: {}", reason::chain(error)))
}
