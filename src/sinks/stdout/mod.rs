//! The `stdout` sink: one event per line, for pipes and for trying out.
//!
//! **Invariant**: a line that was cut off by a failure stays alone on its line.

#![cfg(feature = "stdout")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Context, DeliveryError, FromConfig, Shape, Sink, WITHOUT_HEADERS, background, reason};
use crate::config::Section;
use crate::domain::Delivery;

/// More than a pipe holds, so that a reader that keeps up causes no waiting.
const BATCH_SIZE: usize = 256;

/// Writes events to a stream.
pub struct StdoutSink {
    stream: Arc<Mutex<Stream>>,
    shape: Shape,
}

struct Stream {
    file: File,
    /// Whether the last write failed, perhaps in the middle of a line.
    torn: bool,
}

impl StdoutSink {
    /// Reads the keys, and makes a sink that writes to `file`: the standard output, a pipe.
    pub fn to(file: File, section: &mut Section<'_>, context: &Context) -> Self {
        let stream = Arc::new(Mutex::new(Stream { file, torn: false }));
        Self { stream, shape: Shape::read(section, WITHOUT_HEADERS, context) }
    }
}

impl FromConfig for StdoutSink {
    const KIND: &'static str = "stdout";
    const SUMMARY: &'static str = "one CloudEvent per line on the standard output";
    const CONFIRMED: &'static str = "written";
    const PAGE: &'static str = include_str!("../../../docs/sinks/stdout.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        // A copy of the descriptor: the library's own stream buffers, and takes a closed one for a success.
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(stdout) => Some(Self::to(File::from(stdout), section, context)),
            Err(error) => {
                drop(Shape::read(section, WITHOUT_HEADERS, context));
                section.mistake("kind", format!("found no standard output: {error}"));
                None
            }
        }
    }
}

#[async_trait]
impl Sink for StdoutSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.write(self.shape.lines(&[delivery])).await
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let result = self.write(self.shape.lines(deliveries)).await;
        vec![result; deliveries.len()]
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    fn is_all_or_nothing(&self) -> bool {
        true
    }

    fn most_at_a_time(&self) -> usize {
        2 // one is written while the other is settled
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        Ok(Vec::new()) // it was open when the sink was built, and only writing shows more
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Each batch is flushed: after the one under way there is nothing left to write.
        self.write(Vec::new()).await
    }
}

impl StdoutSink {
    async fn write(&self, lines: Vec<u8>) -> Result<(), DeliveryError> {
        let written = background::alone(&self.stream, move |stream| stream.write(&lines)).await;
        written.map_err(|error| reason::retry_all(&format!("could not write to the standard output: {error}")))
    }
}

impl Stream {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return self.file.flush();
        }
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        self.torn = true;
        self.file.write_all(lines)?;
        self.file.flush()?;
        self.torn = false;
        Ok(())
    }
}
