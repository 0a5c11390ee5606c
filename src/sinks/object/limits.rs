//! When a batch is stored: the table `batch`.

use std::time::Duration;

use bytesize::ByteSize;

use crate::config::Section;
use crate::config::value::{count, duration, show, show_size, size};
use crate::sinks::Context;

const COUNT: usize = 1000;
const N_BYTES: usize = 4 << 20;
const AGE: Duration = Duration::from_secs(10);
/// As many deliveries wait at a time, each of them with an attempt of its own.
const MOST: i64 = 10_000;
const HOUR: Duration = Duration::from_secs(3600);

/// A batch is stored when one of these is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The events in it.
    pub(super) count: usize,
    /// The bytes of its lines.
    pub(super) n_bytes: usize,
    /// How long ago its first event came.
    pub(super) age: Duration,
}

impl Limits {
    /// Reads the table. `None`: there is none, and each event is an object of its own.
    pub(super) fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let mut table = section.section("batch")?;
        let count = table.or("count", COUNT, count(1..=MOST));
        let n_bytes = table.or("size", N_BYTES, size(ByteSize::kib(1)..=ByteSize::mib(256)));
        let age = table.or("age", AGE, duration(Duration::from_millis(1)..=HOUR));
        let Context { timeout, queue_bytes, .. } = *context;
        if !table.report.is_description && age >= timeout {
            let (age, timeout) = (show(age), show(timeout));
            table.mistake(
                "age",
                format!("found {age} beside the sink's timeout of {timeout}, expected less: an event waits for its batch within its attempt"),
            );
        }
        if !table.report.is_description && n_bytes > queue_bytes {
            let [size, queue] = [n_bytes, queue_bytes].map(|it| show_size(u64::try_from(it).unwrap_or(u64::MAX)));
            table.mistake(
                "size",
                format!("found {size} beside the sink's queue_bytes of {queue}, expected at most that: what waits for its batch counts there"),
            );
        }
        Some(Self { count, n_bytes, age })
    }
}
