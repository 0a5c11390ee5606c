//! Why a receiver cannot be reached, where the system or TLS says so.

use std::io;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody listens there.
    Refused,
    /// The name of the host has no address.
    NoSuchName,
    /// Somebody listens there who speaks no TLS.
    NoTls,
    /// The receiver's certificate is not trusted here.
    Untrusted,
}

/// The name of a host that has no address: in an [`io::Error`], which has no kind for it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct NoSuchName(pub io::Error);

impl Unreachable {
    /// What an error says.
    pub(super) fn of(cause: &io::Error) -> Option<Self> {
        if cause.kind() == io::ErrorKind::ConnectionRefused {
            return Some(Self::Refused);
        }
        let inner = cause.get_ref()?;
        if inner.is::<NoSuchName>() {
            return Some(Self::NoSuchName);
        }
        match inner.downcast_ref()? {
            rustls::Error::InvalidMessage(_) => Some(Self::NoTls),
            rustls::Error::InvalidCertificate(_) => Some(Self::Untrusted),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, InvalidMessage};

    use super::*;

    #[test]
    fn a_refused_connection_a_name_without_address_and_both_faults_of_tls_are_told_apart() {
        let of_tls = |error: rustls::Error| Unreachable::of(&io::Error::new(io::ErrorKind::InvalidData, error));
        assert_eq!(of_tls(InvalidMessage::InvalidContentType.into()), Some(Unreachable::NoTls));
        assert_eq!(of_tls(CertificateError::UnknownIssuer.into()), Some(Unreachable::Untrusted));
        assert_eq!(of_tls(rustls::Error::DecryptError), None);
        assert_eq!(Unreachable::of(&io::ErrorKind::ConnectionRefused.into()), Some(Unreachable::Refused));
        assert_eq!(Unreachable::of(&io::ErrorKind::TimedOut.into()), None);
        let no_name = io::Error::other(NoSuchName(io::Error::other("failed to lookup address information")));
        assert_eq!(no_name.to_string(), "failed to lookup address information");
        assert_eq!(Unreachable::of(&no_name), Some(Unreachable::NoSuchName));
    }
}
