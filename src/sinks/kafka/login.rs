//! How the table `auth` is shown to a broker: the mechanisms of SASL.

use rdkafka::ClientConfig;
use secrecy::ExposeSecret;

use crate::config::Section;
use crate::config::value::choice;
use crate::sinks::auth::Login;

/// How a user and a password are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

const MECHANISMS: &[(&str, Mechanism)] = &[
    ("plain", Mechanism::Plain),
    ("scram-sha-256", Mechanism::ScramSha256),
    ("scram-sha-512", Mechanism::ScramSha512),
];

impl Mechanism {
    /// Reads the key `mechanism`, which belongs to the table `auth`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mechanism = section.or("mechanism", Self::Plain, choice(MECHANISMS));
        if section.has("mechanism") && !section.has("auth") {
            section.mistake("mechanism", "found it without auth, expected it beside a user and a password");
        }
        mechanism
    }

    /// Tells librdkafka who it is.
    pub(super) fn tell(self, login: &Login, client: &mut ClientConfig) {
        let mechanism = match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        };
        client
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", login.name.as_str())
            .set("sasl.password", login.secret.expose_secret());
    }
}
