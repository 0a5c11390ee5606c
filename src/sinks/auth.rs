//! Who a sink says it is: the table `auth`. Its secrets are read again for each new connection, so that a rotation needs no
//! restart.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::{DeliveryError, reason};
use crate::config::value::name;
use crate::config::{RotatingSecret, Section};

/// The longest name of a user.
const MAX_NAME_CHARS: usize = 1024;

/// A way to prove who one is: a secret, alone or with the name that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub struct Method {
    /// The key of the name.
    pub name: Option<&'static str>,
    /// The key of the secret.
    pub secret: &'static str,
}

/// A user and a password.
pub const PASSWORD: Method = Method { name: Some("user"), secret: "password" };
/// A password alone, for servers with one user.
pub const PASSWORD_ALONE: Method = Method { name: None, secret: "password" };
/// A token.
pub const TOKEN: Method = Method { name: None, secret: "token" };

/// What the config says about who the sink is.
#[derive(Clone, Debug)]
pub struct Auth {
    method: &'static Method,
    name: String,
    secret: RotatingSecret,
}

/// What a new connection is made with.
#[derive(Clone, Debug)]
pub struct Login {
    /// Which of the kind's methods it is.
    pub method: &'static Method,
    /// The name; empty where the method has none.
    pub name: String,
    /// The secret as it is now.
    pub secret: SecretString,
}

impl Auth {
    /// Reads the table `auth`, which names exactly one of `methods`. Of two with the same secret, it is the one with a name
    /// if there is a name. `None`: there is no such table, or a mistake was noted.
    pub fn read(section: &mut Section<'_>, methods: &'static [Method]) -> Option<Self> {
        let mut section = section.section("auth")?;
        let mut secrets = BTreeMap::new();
        let mut found = Vec::with_capacity(methods.len());
        for method in methods {
            let name = method.name.and_then(|key| section.read(key, name(MAX_NAME_CHARS)));
            let secret = secrets.entry(method.secret).or_insert_with_key(|key| section.rotating_secret(key)).clone();
            found.push((method, name, secret));
        }
        let has_name = |method: &Method| method.name.is_some_and(|key| section.has(key));
        let is_named = |method: &Method| {
            let mut others = methods.iter().filter(|other| *other != method && other.secret == method.secret);
            has_name(method) || (section.has(method.secret) && !others.any(|it| has_name(it) || it.name.is_none()))
        };
        let named: Vec<&Method> = methods.iter().filter(|method| is_named(method)).collect();
        let keys: Vec<String> = methods.iter().map(Method::keys).collect();
        match named[..] {
            [one] => {
                let missing = |key: &&'static str| !section.has(key);
                if let Some(key) = one.name.iter().chain([&one.secret]).find(|key| missing(key)) {
                    section.mistake(key, format!("found nothing, expected {}", one.keys()));
                }
            }
            _ if section.report.is_description => {}
            [] => section.report.mistake(section.path(), format!("found nothing, expected {}", keys.join(", or "))),
            _ => {
                section.report.mistake(section.path(), format!("found several, expected either {}", keys.join(", or ")))
            }
        }
        let found = found.into_iter().find(|(method, _, secret)| named == [*method] && secret.is_some())?;
        Some(Self { method: found.0, name: found.1.unwrap_or_default(), secret: found.2? })
    }

    /// Which of the kind's methods it is.
    pub fn method(&self) -> &'static Method {
        self.method
    }

    /// Reads the secret as it is now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: the file of the secret cannot be read any more.
    pub fn login(&self) -> Result<Login, DeliveryError> {
        let secret = self.secret.now().map_err(|error| reason::retry_all(&format!("auth: {error}")))?;
        Ok(Login { method: self.method, name: self.name.clone(), secret })
    }
}

impl Method {
    fn keys(&self) -> String {
        match self.name {
            Some(name) => format!("{name} and {}", self.secret),
            None => self.secret.to_owned(),
        }
    }
}
