//! What the end of a command means for the delivery.

use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;

use super::process::Ended;
use crate::sinks::masks::Masks;
use crate::sinks::{DeliveryError, reason};

/// `EX_TEMPFAIL` of sysexits.h: try again.
const TRY_AGAIN: i32 = 75;

/// Judges the end of a command. `masks` are those of the secrets that it was given.
///
/// # Errors
/// [`DeliveryError::Retry`] where the command asks for it, or was killed; [`DeliveryError::Reject`] for every other exit code.
pub(super) fn judge(ended: &Ended, masks: impl FnOnce() -> Masks) -> Result<(), DeliveryError> {
    if ended.status.success() {
        return Ok(());
    }
    let what = match (ended.status.code(), ended.status.signal()) {
        (Some(code), _) => format!("the command ended with exit code {code}"),
        (None, Some(signal)) => format!("the command was killed by signal {signal}"),
        (None, None) => "the command was killed".to_owned(),
    };
    let said = ended.messages.last_line(&masks());
    let text = if said.is_empty() { what } else { format!("{what}: {said}") };
    match ended.status.code() {
        None | Some(TRY_AGAIN) => Err(reason::retry(&text)),
        Some(_) => Err(reason::reject(&text)),
    }
}

/// Judges a command that could not be started.
pub(super) fn not_started(program: &str, error: &io::Error) -> DeliveryError {
    if error.kind() == ErrorKind::ArgumentListTooLong {
        return reason::reject("the arguments are longer than the system allows");
    }
    reason::retry_all(&format!("could not start {program}: {error}"))
}
