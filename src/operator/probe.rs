//! Connection tests: to a sink's destination, and to a provider of keys. They send no event and change nothing.

use std::fmt::Display;
use std::time::Duration;

use crate::sinks::Sink;
use crate::wording;

/// The longest time for a test.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tests a sink's destination. Returns what an operator should know although it works.
///
/// # Errors
/// The destination cannot be reached, or did not answer in time.
pub async fn probed(sink: &dyn Sink) -> Result<Vec<String>, String> {
    tried(sink.probe()).await
}

/// Waits for the result of a test, but not longer than 10 s.
///
/// # Errors
/// The test failed, or did not end in time.
pub async fn tried<T, E: Display>(test: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(TIMEOUT, test).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {}", wording::duration(TIMEOUT))),
    }
}
