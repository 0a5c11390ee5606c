//! How the client is given a connection of ours: `lapin` takes one of the type that a reactor has. This reactor is tokio's,
//! with another type of connection.
//!
//! When the connection is cut, the thread ends that `lapin` has for each.

use std::future::{Future, ready};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_util::Stream as Items;

use crate::sinks::cuttable::Cuttable;

/// What `lapin` runs on.
pub(super) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, OurReactor>>;

/// Tokio's reactor, but for its connections.
#[derive(Clone, Debug)]
pub(super) struct OurReactor(Tokio);

/// The runtime that runs this.
pub(super) fn runtime() -> Runtime {
    Runtime::new(RuntimeParts::new(Tokio::current(), OurReactor(Tokio::current())))
}

impl Reactor for OurReactor {
    type TcpStream = Compat<Cuttable>;
    type Sleep = <Tokio as Reactor>::Sleep;

    #[allow(refining_impl_trait, reason = "it is never called: no type would say more")]
    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(&self, _socket: H) -> io::Result<Self::TcpStream> {
        Err(ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Items<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        ready(Err(ErrorKind::Unsupported.into()))
    }
}
