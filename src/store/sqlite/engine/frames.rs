//! The frames of the log behind a damaged one. SQLite reads the log up to the first damaged frame and silently ignores
//! the rest; reelhook reports it at the start. The format: <https://sqlite.org/fileformat2.html#walformat>.
//!
//! **Invariants**
//! 1. This only reads, before SQLite opens the database: until then nothing has changed the log.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use super::layout;

const HEADER: usize = layout::HEADER as usize;
const FRAME_HEADER: usize = layout::FRAME_HEADER as usize;
/// The first word of a log; if its last bit is set, the checksums are over big-endian words.
const MAGIC: u32 = 0x377f_0682;
/// The bytes of a header that its checksum covers.
const SUMMED: usize = 24;

/// Frames that SQLite will not read although they belong to this log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// How many.
    pub n_frames: u64,
    /// How many of them end a transaction. With more than one, an acknowledged transaction is among them, because each
    /// is synced before the next one begins.
    pub n_commits: u64,
    /// Which frame is damaged, from 1; 0: the log's header.
    pub damaged: u64,
}

/// Reads a log and finds frames behind a damaged one. `None`: there are none, or there is no log.
///
/// # Errors
/// The log cannot be read.
pub fn behind_damage(log: &Path) -> std::io::Result<Option<Behind>> {
    let file = match File::open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => BufReader::with_capacity(1 << 20, file?),
    };
    let Some(mut frames) = Frames::of(file)? else { return Ok(None) };
    let mut behind = Behind::default();
    let mut is_whole = frames.is_whole;
    let mut number = 0;
    while let Some(frame) = frames.next()? {
        number += 1;
        if is_whole && frame.is_whole {
            continue;
        }
        if is_whole {
            is_whole = false;
            behind.damaged = number;
        } else if frame.is_of_this_log {
            behind.n_frames += 1;
            behind.n_commits += u64::from(frame.is_commit);
        }
    }
    // Without a commit they belong to a transaction that was rolled back, and that the next one did not overwrite.
    Ok((behind.n_commits > 0).then_some(behind))
}

struct Frames<R> {
    log: R,
    /// Whether the header is intact.
    is_whole: bool,
    is_big_endian: bool,
    salts: [u8; 8],
    sum: [u32; 2],
    frame: Vec<u8>,
}

struct Frame {
    /// Whether the frame and all frames before it are intact.
    is_whole: bool,
    /// Whether it was written since the log was last restarted.
    is_of_this_log: bool,
    is_commit: bool,
}

impl<R: Read> Frames<R> {
    /// `None` if it is no log.
    fn of(mut log: R) -> std::io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        if !fill(&mut log, &mut header)? || word(&header, 0) & !1 != MAGIC {
            return Ok(None);
        }
        let is_big_endian = word(&header, 0) & 1 == 1;
        let sum = checksum([0, 0], &header[..SUMMED], is_big_endian);
        let is_whole = sum == [word(&header, 24), word(&header, 28)];
        // 1 stands for 65,536.
        let page_bytes = match word(&header, 8) {
            1 => 1 << 16,
            n => usize::try_from(n).unwrap_or_default(),
        };
        if !page_bytes.is_power_of_two() || !(512..=1 << 16).contains(&page_bytes) {
            return Ok(None);
        }
        let mut salts = [0; 8];
        salts.copy_from_slice(&header[16..SUMMED]);
        Ok(Some(Self { log, is_whole, is_big_endian, salts, sum, frame: vec![0; FRAME_HEADER + page_bytes] }))
    }

    fn next(&mut self) -> std::io::Result<Option<Frame>> {
        if !fill(&mut self.log, &mut self.frame)? {
            return Ok(None);
        }
        let sum = checksum(self.sum, &self.frame[..8], self.is_big_endian);
        self.sum = checksum(sum, &self.frame[FRAME_HEADER..], self.is_big_endian);
        let is_of_this_log = self.frame[8..16] == self.salts;
        let is_whole = is_of_this_log && self.sum == [word(&self.frame, 16), word(&self.frame, 20)];
        Ok(Some(Frame { is_whole, is_of_this_log, is_commit: word(&self.frame, 4) != 0 }))
    }
}

/// Returns whether there were enough bytes.
fn fill(from: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match from.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_be_bytes(*four))
}

fn checksum([mut first, mut second]: [u32; 2], bytes: &[u8], is_big_endian: bool) -> [u32; 2] {
    let read = |four: [u8; 4]| if is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) };
    for eight in bytes.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *eight;
        first = first.wrapping_add(read([a, b, c, d])).wrapping_add(second);
        second = second.wrapping_add(read([e, f, g, h])).wrapping_add(first);
    }
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// A log of five transactions of one frame each, beside the database that it is of.
    fn log(folder: &Path) -> Vec<u8> {
        let path = folder.join("t.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode=wal; CREATE TABLE t (x);").unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        for n in 0..5 {
            connection.execute("INSERT INTO t (x) VALUES (?1)", [n]).unwrap();
        }
        std::fs::read(folder.join("t.db-wal")).unwrap()
    }

    fn told(log: &[u8]) -> Option<Behind> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, log).unwrap();
        behind_damage(&path).unwrap()
    }

    #[test]
    fn a_log_as_sqlite_wrote_it_has_nothing_behind_a_damaged_frame() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(folder.path());
        let frame = FRAME_HEADER + 4096;
        assert_eq!(log.len(), HEADER + 5 * frame);
        assert_eq!(told(&log), None);
        for n_bytes in [0, 10, HEADER, HEADER + 10, HEADER + 2 * frame + 100] {
            assert_eq!(told(&log[..n_bytes]), None, "{n_bytes}: it ends in the midst, as after a crash");
        }
        assert_eq!(behind_damage(&folder.path().join("none")).unwrap(), None);
    }

    #[test]
    fn frames_behind_a_damaged_one_are_counted_and_those_of_an_older_log_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path());
        let at = |number: usize| HEADER + (number - 1) * (FRAME_HEADER + 4096);
        log[at(2) + FRAME_HEADER + 7] ^= 1;
        assert_eq!(told(&log), Some(Behind { n_frames: 3, n_commits: 3, damaged: 2 }));
        log[at(5) + 8] ^= 1;
        assert_eq!(told(&log), Some(Behind { n_frames: 2, n_commits: 2, damaged: 2 }));
        let mut last = log[..at(3)].to_vec();
        last[at(2) + 4] = 0;
        assert_eq!(told(&last), None, "the last one was being written");
    }

    #[test]
    fn what_a_transaction_wrote_that_was_rolled_back_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode=wal; PRAGMA cache_size=10; CREATE TABLE t (x);").unwrap();
        let length = || folder.path().join("t.db-wal").metadata().unwrap().len();
        let before = length();
        connection.execute_batch("BEGIN").unwrap();
        for _ in 0..100 {
            connection.execute("INSERT INTO t (x) VALUES (zeroblob(3000))", []).unwrap();
        }
        connection.execute_batch("ROLLBACK; INSERT INTO t (x) VALUES (1)").unwrap();
        assert!(length() > before + 20 * 4096, "it was written before it was rolled back");
        assert_eq!(told(&std::fs::read(folder.path().join("t.db-wal")).unwrap()), None);
    }

    #[test]
    fn a_damaged_header_costs_every_frame() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path());
        log[13] ^= 1;
        assert_eq!(told(&log).unwrap().n_frames, 5);
    }
}
