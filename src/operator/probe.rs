//! Tests of a connection: of a sink's destination, of a provider of keys. They send nothing and change nothing.

use std::fmt::Display;
use std::time::Duration;

use crate::sinks::Sink;
use crate::wording;

/// The longest that a test may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Tests a sink's destination.
///
/// # Errors
/// Why it cannot be reached, or not in time.
pub async fn probed(sink: &dyn Sink) -> Result<(), String> {
    tried(sink.probe()).await
}

/// Waits for a test's outcome, as long as a test may take.
///
/// # Errors
/// Why it failed, or not in time.
pub async fn tried<T, E: Display>(test: impl Future<Output = Result<T, E>>) -> Result<(), String> {
    match tokio::time::timeout(TIMEOUT, test).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {}", wording::duration(TIMEOUT))),
    }
}
