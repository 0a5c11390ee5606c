//! Where things stand in SQLite's log: a header, then frames, each with a header and one page
//! (<https://sqlite.org/fileformat2.html#walformat>).

/// The bytes of the log's header.
pub const HEADER: u64 = 32;
/// The bytes of a frame's header.
pub const FRAME_HEADER: u64 = 24;

/// Where the frame of the log's page `n` begins, counted from 0, in bytes.
pub fn frame_at(n: u64, page_bytes: u64) -> u64 {
    HEADER + n.saturating_mul(page_bytes + FRAME_HEADER)
}

/// The length of a log with `n_pages`, in bytes. SQLite leaves a log without pages empty, or as long as it was.
pub fn log_bytes(n_pages: u64, page_bytes: u64) -> u64 {
    if n_pages == 0 { 0 } else { frame_at(n_pages, page_bytes) }
}
