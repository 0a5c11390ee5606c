//! How the client is given a connection of ours: `lapin` takes one of the type that a reactor has. This reactor is tokio's,
//! with another type of connection.
//!
//! **Invariant**: when its [`DropGuard`] is dropped, the connection fails, and with it the thread ends that `lapin` has for
//! each.

use std::future::{Future, ready};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_util::Stream as Items;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use crate::sinks::socket::Stream;

/// What `lapin` runs on.
pub(super) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, OurReactor>>;

/// Tokio's reactor, but for its connections.
#[derive(Clone, Debug)]
pub(super) struct OurReactor(Tokio);

/// A connection that fails once it is cut.
pub(super) struct Cuttable {
    stream: Box<dyn Stream>,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cuttable {
    /// The connection, and what cuts it when it is dropped.
    pub(super) fn new(stream: Box<dyn Stream>) -> (Self, DropGuard) {
        let token = CancellationToken::new();
        (Self { stream, is_cut: Box::pin(token.clone().cancelled_owned()) }, token.drop_guard())
    }

    fn fail_if_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.is_cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

/// The runtime that runs this.
pub(super) fn runtime() -> Runtime {
    Runtime::new(RuntimeParts::new(Tokio::current(), OurReactor(Tokio::current())))
}

impl AsyncRead for Cuttable {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.fail_if_cut(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
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
