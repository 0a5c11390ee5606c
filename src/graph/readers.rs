//! Reads large bodies on a few threads of their own, because a web worker that reads 1 MiB cannot answer other requests
//! meanwhile. Small bodies are read at once: passing them to a thread would cost more than reading them.

use super::pool::Pool;

/// Up to this many bytes a body is read by the web worker itself, which takes at most about a millisecond. Graph's
/// bodies have a few KiB.
const AT_ONCE_BYTES: usize = 64 * 1024;
/// The most bytes of bodies that are read or wait for it, on each channel; beyond that the answer is 503. Their memory
/// is counted already (`server.max_inflight`). This limits how long the last one waits: to about half a second of one
/// core.
const WAITING_BYTES: usize = 32 * 1024 * 1024;

/// Reads large bodies on threads of their own.
#[derive(Clone)]
pub(super) struct Readers(Pool);

impl Default for Readers {
    fn default() -> Self {
        Self(Pool::new(WAITING_BYTES))
    }
}

impl Readers {
    /// Runs the reader of a body with `n_bytes`. `None`: too much waits already, or the reader panicked.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        n_bytes: usize,
        reader: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if n_bytes <= AT_ONCE_BYTES {
            return Some(reader());
        }
        let places = self.0.reserve(n_bytes)?;
        self.0.run(places, reader).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_small_body_is_read_at_once_and_a_large_one_on_another_thread() {
        let readers = Readers::default();
        let here = std::thread::current().id();
        let on = |n_bytes: usize| readers.read(n_bytes, || std::thread::current().id());
        assert_eq!(on(AT_ONCE_BYTES).await, Some(here));
        assert_ne!(on(AT_ONCE_BYTES + 1).await.unwrap(), here);
    }

    #[tokio::test]
    async fn more_than_may_wait_is_turned_away() {
        let readers = Readers::default();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let slow = readers.read(WAITING_BYTES - AT_ONCE_BYTES, move || wait.recv().is_ok());
        let others = async {
            tokio::task::yield_now().await;
            let turned_away = readers.read(2 * AT_ONCE_BYTES, || ()).await.is_none();
            let small = readers.read(10, || ()).await.is_some();
            go.send(()).unwrap();
            turned_away && small
        };
        assert_eq!(futures_util::future::join(slow, others).await, (Some(true), true));
    }
}
