//! A connection that can be cut: for clients whose own tasks and threads go on with it for as long as it works.
//!
//! **Invariant**: once its [`DropGuard`] is dropped, everything that waits for the connection fails.

use std::fmt::{self, Debug, Formatter};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::socket::Stream;

/// A connection that fails once it is cut.
pub(super) struct Cuttable {
    stream: Box<dyn Stream>,
    // One for each direction: a client may wait for both at a time.
    reading: Cut,
    writing: Cut,
}

struct Cut(Pin<Box<WaitForCancellationFutureOwned>>);

impl Cuttable {
    /// The connection, and what cuts it when it is dropped.
    pub(super) fn new(stream: Box<dyn Stream>) -> (Self, DropGuard) {
        let token = CancellationToken::new();
        (Self { stream, reading: Cut::by(&token), writing: Cut::by(&token) }, token.drop_guard())
    }
}

impl Cut {
    fn by(token: &CancellationToken) -> Self {
        Self(Box::pin(token.clone().cancelled_owned()))
    }

    fn fail_if_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.0.as_mut().poll(context) {
            Poll::Ready(()) => Err(ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Debug for Cuttable {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cuttable")
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reading.fail_if_cut(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writing.fail_if_cut(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing.fail_if_cut(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_connection_is_told_that_it_was_cut() {
        let (ours, _theirs) = duplex(16);
        let (mut cuttable, guard) = Cuttable::new(Box::new(ours));
        let (written, ()) = tokio::join!(cuttable.write_all(&[0; 64]), async { drop(guard) });
        assert_eq!(written.unwrap_err().kind(), ErrorKind::ConnectionAborted);
        assert_eq!(cuttable.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    }
}
