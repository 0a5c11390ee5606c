//! The tokens of Google Cloud Storage, as the library wants them.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::gcp::{GcpCredential, GcpCredentialProvider};
use object_store::{CredentialProvider, Error, StaticCredentialProvider};
use secrecy::ExposeSecret;

use super::Settings;
use super::client::Client;
use crate::clock::Clock;
use crate::sinks::google::Tokens;

/// What a token is good for.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Gives each request a token that is good then.
struct Bearer {
    tokens: Tokens,
    client: Client,
}

/// Where the tokens of requests come from. Without one in the config they are empty.
pub(super) fn of(settings: &Settings, client: &Client) -> GcpCredentialProvider {
    let Some(source) = settings.token.clone() else {
        return Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: String::new() }));
    };
    let tokens = Tokens::of(source, SCOPE, settings.endpoint.as_ref(), Clock::system());
    Arc::new(Bearer { tokens, client: client.clone() })
}

#[async_trait]
impl CredentialProvider for Bearer {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        // `failure` finds the reason in it again.
        let failed = |error| Error::Generic { store: "GCS", source: Box::new(error) };
        let token = self.tokens.now(self.client.http()).await.map_err(failed)?;
        Ok(Arc::new(GcpCredential { bearer: token.expose_secret().to_owned() }))
    }
}

impl Debug for Bearer {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Bearer").finish_non_exhaustive()
    }
}
