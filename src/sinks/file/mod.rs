//! The `file` sink: JSON lines on the disk. A delivered event is synced to the disk, a batch at a time.

#![cfg(feature = "file")]

mod log;
mod rotation;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytesize::ByteSize;
use tokio::sync::Mutex;

use super::{Context, DeliveryError, FromConfig, Shape, Sink, WITHOUT_HEADERS, background, reason};
use crate::clock::Clock;
use crate::config::value::{count, duration, path, size};
use crate::config::{Reading, Section};
use crate::domain::Delivery;
use log::Log;
use rotation::Rotation;

/// A batch costs one sync to the disk: as many events as arrive during one.
const BATCH_SIZE: usize = 256;
/// A batch is held in memory as text.
const MAX_BATCH_SIZE: i64 = 4096;
const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// `kind = "file"`
struct Settings {
    /// The file that is appended to; its folder is made where it is missing.
    path: PathBuf,
    /// Events written and synced at a time, at most.
    batch_size: usize,
    /// When the file is rotated.
    rotation: Rotation,
    shape: Shape,
}

impl Settings {
    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let path = section.need("path", "the name of a file, as \"data/events.jsonl\"", file_name());
        let batch_size = section.or("batch_size", BATCH_SIZE, count(1..=MAX_BATCH_SIZE));
        let max_bytes = section.read("max_bytes", size(ByteSize::b(1)..=ByteSize::pib(1)));
        let max_age = section.read("max_age", duration(Duration::from_millis(1)..=100 * YEAR));
        let keep = section.read("keep", count(1..=1_000_000));
        if section.has("keep") && !section.has("max_bytes") && !section.has("max_age") {
            section
                .mistake("keep", "found it without max_bytes and max_age, expected at least one of them: without them no file is rotated");
        }
        let shape = Shape::read(section, WITHOUT_HEADERS, context);
        Some(Self { path: path?, batch_size, rotation: Rotation { max_bytes, max_age, keep }, shape })
    }
}

/// A path that ends with a name.
fn file_name() -> Reading<PathBuf> {
    path().check(|path| match path.file_name() {
        Some(_) => Ok(()),
        None => Err(format!("found {path:?}, expected the name of a file")),
    })
}

/// Appends events to a file.
pub struct FileSink {
    log: Arc<Mutex<Log>>,
    path: PathBuf,
    batch_size: usize,
    shape: Shape,
}

impl FileSink {
    /// Reads the keys, and makes the sink; files' ages are told by `clock`.
    pub fn with_clock(section: &mut Section<'_>, context: &Context, clock: Clock) -> Option<Self> {
        let Settings { path, batch_size, rotation, shape } = Settings::read(section, context)?;
        let log = Arc::new(Mutex::new(Log::new(path.clone(), rotation, clock)));
        Some(Self { log, path, batch_size, shape })
    }

    async fn append(&self, lines: Vec<u8>) -> Result<(), DeliveryError> {
        background::alone(&self.log, move |log| log.append(&lines)).await.map_err(|error| self.failure(&error))
    }

    /// Any fault of the file affects every delivery.
    fn failure(&self, error: &io::Error) -> DeliveryError {
        reason::retry_all(&format!("could not write to {}: {error}", self.path.display()))
    }
}

impl FromConfig for FileSink {
    const KIND: &'static str = "file";
    const SUMMARY: &'static str = "JSON lines in a file, synced to the disk, rotated by size and age";
    const CONFIRMED: &'static str = "synced to disk";
    const PAGE: &'static str = include_str!("../../../docs/sinks/file.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        Self::with_clock(section, context, Clock::system())
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.append(self.shape.lines(&[delivery])).await
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let result = self.append(self.shape.lines(deliveries)).await;
        vec![result; deliveries.len()]
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn is_all_or_nothing(&self) -> bool {
        true
    }

    fn most_at_a_time(&self) -> usize {
        2 // one is written while the other is settled
    }

    /// Whatever its spelling and links to its folder: two sinks with one file have the same.
    fn own_path(&self) -> Option<PathBuf> {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_error| self.path.clone());
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        Some(folder.zip(path.file_name()).map_or_else(|| path.clone(), |(folder, name)| folder.join(name)))
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let probed = background::alone(&self.log, |log| log.probe()).await;
        probed.map(|()| Vec::new()).map_err(|error| self.failure(&error))
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        background::alone(&self.log, Log::close).await.map_err(|error| self.failure(&error))
    }
}
