//! The PROXY protocol, version 2 (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>): a proxy that does not
//! speak HTTP sends the client's address before all other bytes of the connection.
//!
//! **Invariants**
//! 1. It is read only from trusted proxies, and they must send it. So no other client can choose its address, and
//!    reelhook never guesses one.
//! 2. It has a limit in bytes and in time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest time to wait for it. A proxy sends it at once.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Its first bytes.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part. It says how many bytes follow.
const START_BYTES: usize = 16;
/// The most bytes that may follow: the addresses, and further values from a load balancer or a TLS proxy.
const MAX_REST_BYTES: usize = 4096;

/// The client's address. `None`: the proxy itself connected, for a health check.
///
/// # Errors
/// The connection broke, or the bytes are not this protocol, too many or too slow.
pub async fn source(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    tokio::time::timeout(TIMEOUT, read(stream)).await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; START_BYTES];
    stream.read_exact(&mut header).await?;
    let n_bytes = usize::from(u16::from_be_bytes([header[START_BYTES - 2], header[START_BYTES - 1]]));
    let is_none = || io::Error::from(io::ErrorKind::InvalidData);
    if !header.starts_with(SIGNATURE) || n_bytes > MAX_REST_BYTES {
        return Err(is_none());
    }
    header.resize(START_BYTES + n_bytes, 0);
    stream.read_exact(&mut header[START_BYTES..]).await?;
    let version_2 = ParseConfig { include_tlvs: false, allow_v1: false, allow_v2: true };
    let (header, _n_bytes) = ProxyHeader::parse(&header, version_2).map_err(|_error| is_none())?;
    Ok(header.proxied_address().filter(|it| it.protocol == Protocol::Stream).map(|it| it.source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read of bytes, and what is left of them.
    async fn read_of(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, usize) {
        let mut rest = bytes;
        let source = source(&mut rest).await;
        (source, rest.len())
    }

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let n_bytes = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[0x20 | command, family], &n_bytes, rest].concat()
    }

    #[tokio::test]
    async fn the_address_is_read_and_what_follows_is_left_to_others() {
        let v4 = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0x1f, 0x90];
        let with_more = [v4.as_slice(), &[0xea, 0, 3, b'a', b'b', b'c']].concat();
        let v6 = [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0; 16]].concat();
        let v6 = [v6.as_slice(), &[0x12, 0x67, 0x1f, 0x90]].concat();
        for (bytes, expected) in [
            (header(1, 0x11, &v4), Some("192.0.2.1:4711")),
            (header(1, 0x11, &with_more), Some("192.0.2.1:4711")),
            (header(1, 0x21, &v6), Some("[2001:db8::1]:4711")),
            (header(0, 0x11, &v4), None),
            (header(0, 0x00, &[]), None),
            (header(1, 0x00, &[]), None),
        ] {
            let (source, n_left) = read_of(&[bytes.as_slice(), b"GET / "].concat()).await;
            assert_eq!(source.unwrap(), expected.map(|it| it.parse().unwrap()), "{bytes:?}");
            assert_eq!(n_left, 6, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_none_is_refused() {
        let v1 = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 8080\r\nGET / HTTP/1.1\r\n\r\n".to_vec();
        let long = header(1, 0x11, &[0; MAX_REST_BYTES + 1]);
        let cut = header(1, 0x11, &[0; 12]);
        for bytes in [
            v1,
            long,
            cut[..20].to_vec(),
            header(1, 0x11, &[0; 3]),
            header(7, 0x11, &[0; 12]),
            vec![],
            b"GET /".to_vec(),
        ] {
            assert!(read_of(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(command in 0u8..16, family: u8, rest in prop::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _ = runtime.block_on(read_of(&header(command, family, &rest)));
        }
    }
}
