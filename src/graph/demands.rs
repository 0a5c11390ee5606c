//! What a channel requires of its tokens, as its section of the config says.

use crate::config;

/// What a channel requires of its tokens.
#[derive(Debug)]
pub struct Demands {
    /// One of these must be the audience.
    pub(super) audiences: Vec<String>,
    /// One of these must be the issuer, with `{tenantid}` for the token's tenant.
    pub(super) issuers: Vec<String>,
    /// One of these must be the tenant, in lower case; empty: any.
    pub(super) tenants: Vec<String>,
    /// The application that must have requested the token; `None`: any.
    pub(super) publisher: Option<String>,
}

impl Demands {
    /// What the calling channel requires.
    pub fn of_calls(config: &config::Calls) -> Self {
        Self {
            audiences: config.app_ids.clone(),
            issuers: config.issuers.clone(),
            tenants: config.tenants.clone(),
            publisher: None,
        }
    }

    /// What the subscription channel requires.
    pub fn of_subscriptions(config: &config::Subscriptions) -> Self {
        Self {
            audiences: config.app_ids.clone(),
            issuers: config.issuers.clone(),
            tenants: config.tenants.clone(),
            publisher: Some(config.publisher.clone()),
        }
    }
}
