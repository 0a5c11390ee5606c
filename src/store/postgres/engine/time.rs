//! Steady time is the database's clock, so that all processes have the same one.
//!
//! A transaction reads it from the database. A process goes on from there with its own monotonic clock, and compares the two
//! with each beat. A clock that tests move is a time of its own.

use jiff::{SignedDuration, Timestamp};

use super::connections::{Client, Connections};
use super::failure::Failure;
use super::sql;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::instants::instant;

/// How far a process's time may be off before it is set.
const TOLERANCE: SignedDuration = SignedDuration::from_millis(250);
/// The database's clock in microseconds.
pub const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Makes the clock go on from the database's.
///
/// # Errors
/// The database could not be read.
pub async fn anchor(connections: &Connections, clock: &Clock) -> Result<(), StoreError> {
    if clock.is_manual() {
        return Ok(());
    }
    let client = connections.get().await?;
    let at = now(&client).await?;
    clock.anchor(at, clock.now().duration_since(at));
    Ok(())
}

/// Sets the process's time where it is too far off.
///
/// # Errors
/// The database could not be read.
pub async fn correct(client: &Client, clock: &Clock) -> Result<(), Failure> {
    if clock.is_manual() {
        return Ok(());
    }
    let at = now(client).await?;
    let off = at.duration_since(clock.steady());
    if off.abs() > TOLERANCE {
        tracing::warn!(step_seconds = off.as_secs_f64(), "this process's time differs from the database's: it was set");
        clock.anchor(at, clock.now().duration_since(at));
    }
    Ok(())
}

async fn now(client: &Client) -> Result<Timestamp, Failure> {
    let row = sql::first(client, &format!("SELECT {NOW} AS now"), &[]).await?;
    Ok(instant(row.map_or(Ok(0), |row| sql::get(&row, "now"))?))
}
