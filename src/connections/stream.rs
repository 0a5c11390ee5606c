//! The byte stream of a connection. It keeps the time limits, follows the bytes, and ends when it is told to.
//!
//! **Invariants**
//! 1. It ends in time if no request is in progress, and if the client does not read its answers.
//! 2. It reads nothing more while the client does not read its answers, and not far ahead of the request in progress.
//! 3. A refusal before there is a request is counted once.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Serving;
use super::framing::{Flaw, Framing};
use super::phase::Phase;
use super::progress::{HEAD_TIMEOUT, Progress};
use crate::domain::Reason;
use crate::telemetry::ConnectionEnd;

/// How long a client may read nothing of its answers.
const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the bytes of a refused sender are still read, so that the sender gets the answer.
pub const LINGER: Duration = Duration::from_secs(1);
/// The answer to a head that does not end.
const TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The answer to a head that is too long.
const TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// The answer to a head that must give its place or its memory to others.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// Bytes that actix refuses everywhere except in a body. So actix answers 400, after the answers to earlier requests.
const MUST_NOT_STAND: &[u8] = b"\0\r\r";

/// A connection.
pub struct Connection {
    stream: TcpStream,
    pub(super) progress: Rc<Progress>,
    serving: Rc<Serving>,
    framing: Framing,
    /// Always armed, so that the phase of the last look does not matter. It goes off too early rather than being moved
    /// with every request: once in some seconds costs nothing.
    timer: Pin<Box<Sleep>>,
    /// Until when the client may go on reading nothing; set while it does.
    stalled_until: Option<Instant>,
    reading: Reading,
}

/// The source of the bytes for actix.
#[derive(Clone, Copy)]
enum Reading {
    /// The client's bytes.
    Theirs,
    /// These bytes, then nothing more.
    Ours(&'static [u8]),
    /// Nothing, while the client's bytes are thrown away; then the end.
    Nothing,
    /// The end.
    Ended,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, progress: Rc<Progress>, serving: Rc<Serving>) -> Self {
        Self {
            stream,
            progress,
            framing: Framing::new(serving.max_head_bytes),
            serving,
            timer: Box::pin(sleep_until(Instant::now() + HEAD_TIMEOUT)),
            stalled_until: None,
            reading: Reading::Theirs,
        }
    }

    /// Ready when the time is up; with the reason.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<ConnectionEnd> {
        if let Some(end) = self.progress.is_dismissed() {
            return Poll::Ready(end);
        }
        let until = [self.progress.until(), self.stalled_until].into_iter().flatten().min();
        loop {
            if self.timer.is_elapsed() || until.is_some_and(|until| until < self.timer.deadline()) {
                self.timer.as_mut().reset(until.unwrap_or_else(|| Instant::now() + HEAD_TIMEOUT));
            }
            ready!(self.timer.as_mut().poll(context));
            if until.is_some_and(|until| until <= self.timer.deadline()) {
                return Poll::Ready(match self.progress.phase() {
                    _ if self.stalled_until.is_some() => ConnectionEnd::Stalled,
                    Phase::New | Phase::Head => ConnectionEnd::HeadTimeout,
                    _ => ConnectionEnd::Rest,
                });
            }
        }
    }

    /// Ends the connection. A client that sent half a head gets an answer.
    fn give_up(&mut self, context: &mut Context<'_>, end: ConnectionEnd) {
        self.progress.ends(end);
        self.reading = Reading::Ended;
        if self.progress.phase() == Phase::Head && self.stalled_until.is_none() {
            let is_late = end == ConnectionEnd::HeadTimeout;
            let (reason, answer) = if is_late { (Reason::BodyTimeout, TIMEOUT) } else { (Reason::Shed, BUSY) };
            self.answer(context, reason, answer);
        }
    }

    /// Sends an answer that no request makes. In this phase no other answer is being sent. If this one cannot be sent
    /// at once, nobody reads it.
    fn answer(&mut self, context: &mut Context<'_>, reason: Reason, answer: &'static [u8]) {
        self.serving.refused(reason);
        self.progress.is_over(LINGER);
        let _ = Pin::new(&mut self.stream).poll_write(context, answer);
    }

    /// Follows the bytes in `buffer` after the first `n_before`.
    fn follow(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>, n_before: usize) {
        let n_bytes = buffer.filled().len() - n_before;
        match self.framing.pass(&buffer.filled()[n_before..]) {
            Ok(passed) => self.progress.heard(n_bytes, passed, self.framing.unfinished()),
            Err(flaw) => {
                self.progress.heard(0, Default::default(), self.framing.unfinished());
                let is_alone = self.progress.phase() == Phase::Head && self.progress.n_waiting() == 0;
                if flaw == Flaw::TooLarge && is_alone && self.stalled_until.is_none() {
                    buffer.set_filled(n_before);
                    self.answer(context, Reason::BadRequest, TOO_LARGE);
                    self.reading = Reading::Nothing;
                } else {
                    let at = if let Flaw::Byte(at) = flaw { at } else { 0 };
                    buffer.set_filled(n_before + at);
                    self.reading = Reading::Ours(MUST_NOT_STAND);
                }
                self.progress.ends(ConnectionEnd::Refused);
            }
        }
    }

    /// Reads from a source other than the client.
    fn poll_own(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.reading {
            Reading::Ours(bytes) => {
                let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
                buffer.put_slice(now);
                self.reading = if later.is_empty() { Reading::Ended } else { Reading::Ours(later) };
            }
            Reading::Nothing if self.progress.is_dismissed().is_some() => self.reading = Reading::Ended,
            Reading::Nothing => {
                self.progress.waits(context.waker(), false);
                let mut thrown_away = [0; 4096];
                loop {
                    let mut bytes = ReadBuf::new(&mut thrown_away);
                    match Pin::new(&mut self.stream).poll_read(context, &mut bytes) {
                        Poll::Ready(Ok(())) if !bytes.filled().is_empty() => {}
                        Poll::Ready(_) => break,
                        Poll::Pending => {
                            let until = self.progress.until().unwrap_or_else(Instant::now);
                            if self.timer.deadline() != until {
                                self.timer.as_mut().reset(until);
                            }
                            ready!(self.timer.as_mut().poll(context));
                            break;
                        }
                    }
                }
                self.reading = Reading::Ended;
            }
            Reading::Theirs | Reading::Ended => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !matches!(this.reading, Reading::Theirs) {
            return this.poll_own(context, buffer);
        }
        let may_read = this.stalled_until.is_none() && this.progress.is_dismissed().is_none();
        let is_withheld = may_read && !this.progress.may_read();
        if may_read && !is_withheld {
            let n_before = buffer.filled().len();
            if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
                if buffer.filled().len() > n_before {
                    this.follow(context, buffer, n_before);
                    if buffer.filled().len() == n_before {
                        return this.poll_own(context, buffer);
                    }
                }
                return Poll::Ready(read);
            }
        }
        this.progress.waits(context.waker(), is_withheld);
        let end = ready!(this.poll_overdue(context));
        this.give_up(context, end);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            if this.stalled_until.take().is_some() {
                // Reading may go on, but nothing waits for that yet.
                context.waker().wake_by_ref();
            }
            this.progress.told();
            return Poll::Ready(written);
        }
        this.stalled_until.get_or_insert_with(|| Instant::now() + STALL_TIMEOUT);
        if matches!(this.reading, Reading::Theirs) {
            let end = ready!(this.poll_overdue(context));
            this.progress.ends(end);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.serving.closed(self.progress.end().unwrap_or(ConnectionEnd::Done));
        self.progress.leaves();
    }
}
