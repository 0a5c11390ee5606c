//! Tests the connection: connects, and makes the TLS handshake. Sends no request.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::guard::Guard;

/// The longest that one step may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the host of `url`.
///
/// # Errors
/// Why a delivery would fail.
pub(super) async fn connect(url: &Url, guard: &Guard) -> io::Result<()> {
    let port = url.port_or_known_default().unwrap_or(443);
    let (addresses, name) = match url.host() {
        Some(Host::Ipv4(address)) => {
            (vec![SocketAddr::from((address, port))], ServerName::from(std::net::IpAddr::V4(address)))
        }
        Some(Host::Ipv6(address)) => {
            (vec![SocketAddr::from((address, port))], ServerName::from(std::net::IpAddr::V6(address)))
        }
        Some(Host::Domain(name)) => {
            let server = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
            (guard.resolve(name, port).await?, server)
        }
        None => return Err(io::Error::other("the address has no host")),
    };
    let encrypted = url.scheme() == "https";
    let shaken = tokio::task::spawn_blocking(move || {
        let mut stream = connect_to_one(&addresses)?;
        if encrypted { shake_hands(&mut stream, name) } else { Ok(()) }
    });
    shaken.await.map_err(io::Error::other)?
}

fn connect_to_one(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, STEP_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = io::Error::new(error.kind(), format!("could not connect to {address}: {error}")),
        }
    }
    Err(failed)
}

fn shake_hands(stream: &mut TcpStream, name: ServerName<'static>) -> io::Result<()> {
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    let config = Arc::new(crate::tls::client_config().map_err(io::Error::other)?);
    let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(stream)?;
    }
    Ok(())
}
