//! Blocking work, off the runtime.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use it"))]

use std::io;
use std::sync::Arc;

use tokio::sync::Mutex;

/// Runs `work` on a thread where it may block, alone with `state`.
///
/// The lock goes with the work: where the caller gives up waiting, the work ends by itself before the next begins, and
/// however often that happens, no more than one thread is held.
pub(super) async fn alone<S: Send + 'static, T: Send + 'static>(
    state: &Arc<Mutex<S>>,
    work: impl FnOnce(&mut S) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let mut state = Arc::clone(state).lock_owned().await;
    match tokio::task::spawn_blocking(move || work(&mut state)).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::other("the write was aborted")),
    }
}
