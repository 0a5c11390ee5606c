//! The admin listener's socket: room for many clients that wait, each of which costs a connection and little else.
//!
//! **Invariants**
//! 1. Whoever waits here takes no open file from the public listener, the sinks and the store.

use std::net::TcpListener;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections: 10,000 clients that wait, and as many others.
const MAX_CONNECTIONS: usize = 20_000;
/// Open files that are left to the others, where there are that many.
const FILES_OF_OTHERS: usize = 4096;
/// Connections that the system holds until they are taken.
const BACKLOG: i32 = 1024;
/// How much the system takes for a connection before we read it. A body is 64 KiB at most.
const RECEIVE_BUFFER_BYTES: usize = 32 * 1024;

/// Prepares the socket, and tells how many connections may be served.
///
/// # Errors
/// The system refused.
pub fn prepare(listener: &TcpListener) -> std::io::Result<usize> {
    // Connections inherit it. Without it many that send much would take the system's memory, not ours.
    rustix::net::sockopt::set_socket_recv_buffer_size(listener, RECEIVE_BUFFER_BYTES)?;
    rustix::net::listen(listener, BACKLOG)?;
    Ok(max_connections(raise_open_files()))
}

/// Many systems allow 1024 open files and more for the asking.
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
