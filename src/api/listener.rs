//! The admin listener's socket. It has room for many waiting clients; each costs little more than a connection.
//!
//! **Invariants**
//! 1. Waiting clients take no open file from the public listener, the sinks or the store.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::connections;

/// The most connections: 10,000 waiting clients, and as many others.
const MAX_CONNECTIONS: usize = 20_000;
/// The most unauthenticated connections: each costs 16 KiB and more. A client with a token occupies one of these places
/// only for its first request.
const MAX_STRANGERS: usize = 2048;
/// The most bytes of all request heads at a time: enough for 200 of the longest or 16,000 usual ones.
const HEAD_MEMORY_BYTES: usize = 16 << 20;
/// The most bytes of one head: an address of 64 KiB, and 64 KiB for the rest.
pub const MAX_HEAD_BYTES: usize = 80 * 1024;
/// How long a stop waits for requests that are being answered.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// The open files that are left to the rest of the process, if there are that many.
const FILES_OF_OTHERS: usize = 4096;
/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// How much of a connection the kernel buffers before reelhook reads it. A body is at most 64 KiB.
const RECEIVE_BUFFER_BYTES: usize = 32 * 1024;

/// Prepares the socket. Returns how its connections are served.
///
/// # Errors
/// The kernel refused.
pub fn prepare(listener: &TcpListener) -> std::io::Result<connections::Settings> {
    // Connections inherit this size. Without it, many clients that send much would fill the kernel's memory, which
    // reelhook does not limit.
    rustix::net::sockopt::set_socket_recv_buffer_size(listener, RECEIVE_BUFFER_BYTES)?;
    rustix::net::listen(listener, BACKLOG)?;
    Ok(connections::Settings {
        workers: 1,
        max_connections: max_connections(raise_open_files()),
        max_strangers: MAX_STRANGERS,
        head_memory_bytes: HEAD_MEMORY_BYTES,
        shutdown_grace: SHUTDOWN_GRACE,
        // A client that hangs up during a long query or while it waits is not served any more.
        answers_half_closed: false,
    })
}

/// Many systems allow 1024 open files by default, and more if a process asks.
fn raise_open_files() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, ..limit };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    limit.current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX))
}

fn max_connections(open_files: usize) -> usize {
    MAX_CONNECTIONS.min(open_files.saturating_sub(FILES_OF_OTHERS).max(open_files / 2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_keep_open_files() {
        for (open_files, expected) in
            [(1024, 512), (8192, 4096), (20_000, 15_904), (1 << 20, 20_000), (usize::MAX, 20_000)]
        {
            assert_eq!(max_connections(open_files), expected, "{open_files}");
        }
    }
}
