//! The `file` sink: JSON lines on the disk. A delivered event is synced to the disk, a batch at a time.

mod log;
mod rotation;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::units::{Period, Size};
use super::{DeliveryError, FromConfig, Mistakes, Sink, background, cloud_event, reason};
use crate::clock::Clock;
use crate::domain::Delivery;
use log::Log;
use rotation::Rotation;

/// A batch costs one sync to the disk: as many events as arrive during one.
const BATCH_SIZE: usize = 256;
/// A batch is held in memory as text.
const MAX_BATCH_SIZE: usize = 4096;

/// `kind = "file"`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file that is appended to; its folder is made where it is missing.
    path: PathBuf,
    /// Events written and synced at a time, at most.
    #[serde(default = "batch_size")]
    batch_size: usize,
    /// The file is rotated before it grows beyond this.
    max_bytes: Option<Size>,
    /// The file is rotated if it is older than this and more is to be written.
    max_age: Option<Period>,
    /// How many rotated files are kept; without it, all.
    keep: Option<usize>,
    /// Whether the recording's token is written too.
    #[serde(default)]
    include_access_token: bool,
}

fn batch_size() -> usize {
    BATCH_SIZE
}

/// Appends events to a file.
pub struct FileSink {
    log: Arc<Mutex<Log>>,
    path: PathBuf,
    batch_size: usize,
    include_access_token: bool,
}

impl FileSink {
    /// Builds the sink; `clock` gives the files' ages.
    ///
    /// # Errors
    /// Every mistake in the table.
    pub fn new(config: Config, clock: Clock) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        if config.path.file_name().is_none() {
            mistakes.add("path", format!("found {:?}, expected the name of a file", config.path));
        }
        if !(1..=MAX_BATCH_SIZE).contains(&config.batch_size) {
            mistakes.add("batch_size", format!("found {}, expected 1 to {MAX_BATCH_SIZE}", config.batch_size));
        }
        if config.keep == Some(0) {
            mistakes.add("keep", "found 0, expected at least 1; omit the key to keep all files");
        }
        if config.keep.is_some() && config.max_bytes.is_none() && config.max_age.is_none() {
            mistakes.add("keep", "found it without max_bytes and max_age, expected at least one of them: without them no file is rotated");
        }
        let rotation = Rotation {
            max_bytes: config.max_bytes.map(|size| size.bytes),
            max_age: config.max_age.map(|period| period.0),
            keep: config.keep,
        };
        let log = Arc::new(Mutex::new(Log::new(config.path.clone(), rotation, clock)));
        let (path, batch_size, include_access_token) = (config.path, config.batch_size, config.include_access_token);
        mistakes.none_in(Self { log, path, batch_size, include_access_token })
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
    type Config = Config;

    fn from_config(config: Config) -> Result<Self, Mistakes> {
        Self::new(config, Clock::system())
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        self.append(cloud_event::write_lines(&[delivery], self.include_access_token)).await
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let result = self.append(cloud_event::write_lines(deliveries, self.include_access_token)).await;
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

    async fn probe(&self) -> Result<(), DeliveryError> {
        background::alone(&self.log, |log| log.probe()).await.map_err(|error| self.failure(&error))
    }
}
