//! A secret that may change while the server runs: the file that holds it is read again each time.

use secrecy::SecretString;

use super::secret::{SecretError, SecretSource};

/// A secret that is read again whenever it is needed, so that a rotation needs no restart. One in an environment variable
/// stays what it was: the environment of a process does not change.
#[derive(Clone, Debug)]
pub struct RotatingSecret {
    source: SecretSource,
    first: SecretString,
}

impl RotatingSecret {
    /// The secret of `source`, which was `first` when the config was read.
    pub(super) fn new(source: SecretSource, first: SecretString) -> Self {
        Self { source, first }
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// The file cannot be read any more, or holds no secret.
    pub fn now(&self) -> Result<SecretString, SecretError> {
        match &self.source {
            SecretSource::File(_) => self.source.read(),
            SecretSource::Env(_) => Ok(self.first.clone()),
        }
    }

    /// The secret as it was when the config was read.
    pub fn first(&self) -> &SecretString {
        &self.first
    }
}
