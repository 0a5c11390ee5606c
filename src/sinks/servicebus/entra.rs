//! Tokens of Microsoft Entra ID that reelhook gets by itself: the table `oauth2`.
//!
//! **Invariants**
//! 1. A connection is made with a token that lasts longer than the connection is used, if Entra ID gives such tokens.
//!    Otherwise the connection is used as long as its token.
//! 2. A token with which no connection could be made is not used again.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::MAX_AGE;
use crate::clock::Clock;
use crate::config::Section;
use crate::sinks::client_credentials::{ClientCredentials, TABLE};
use crate::sinks::token_cache::TokenCache;
use crate::sinks::{DeliveryError, web_service};

/// What a token is for: Service Bus, whatever its namespace.
const SCOPE: &str = "https://servicebus.azure.net/.default";
const EXAMPLE: &str = "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token";

/// Gets tokens.
pub(super) struct Entra {
    credentials: ClientCredentials,
    tokens: TokenCache<Token>,
    clock: Clock,
}

/// A token.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: SecretString,
    /// Until when it is to be used, in steady time.
    pub(super) until: Timestamp,
}

impl Entra {
    /// Reads the table. `is_plain`: the connection to the broker is not encrypted. `None`: there is no table, or a mistake was
    /// noted.
    pub(super) fn read(section: &mut Section<'_>, is_plain: bool, clock: &Clock) -> Option<Self> {
        let mut table = section.section(TABLE)?;
        if section.has("auth") {
            section.mistake(TABLE, "found it beside auth, expected one of the two");
        }
        let credentials = ClientCredentials::read(&mut table, Some(SCOPE), |table| {
            let url = table.read("token_url", web_service::endpoint(EXAMPLE))?;
            if url.scheme() == "http" && !is_plain {
                table.mistake("token_url", "found http://, expected https://..: the client's secret is sent there");
            }
            Some(url)
        });
        Some(Self { credentials: credentials?, tokens: TokenCache::new(clock.clone()), clock: clock.clone() })
    }

    /// A token for a new connection. Others wait while one asks for it.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is none.
    pub(super) async fn token(&self) -> Result<Token, DeliveryError> {
        let ask = async || {
            let asked_at = self.clock.steady();
            let granted = self.credentials.ask(&web_service::client(None)?).await?;
            let until = asked_at.saturating_add(granted.lasts).unwrap_or(asked_at);
            Ok((Token { text: granted.token, until }, granted.lasts - MAX_AGE))
        };
        self.tokens.token(ask).await
    }

    /// No connection could be made with this token.
    pub(super) async fn forget(&self, token: &SecretString) {
        self.tokens.refused(|held| held.text.expose_secret() == token.expose_secret()).await;
    }
}
