//! Why a token is refused, and what to set so that it is accepted.

use url::Url;

use crate::config::Config;
use crate::domain::Channel;
use crate::graph::keys;
use crate::graph::{self, Aspect, Demands, Inspection};

use crate::clock::Clock;

/// A channel that verifies tokens, as a config has it.
pub struct TokenChannel {
    /// The channel; its name is that of its section.
    pub channel: Channel,
    demands: Demands,
    openid_configuration: Url,
}

/// What a channel says of a token.
pub struct Explained {
    /// Every check, and the verdict.
    pub inspection: Inspection,
    /// Why the keys could not be fetched.
    pub without_keys: Option<String>,
}

impl TokenChannel {
    /// The channels of a config.
    pub fn of(config: &Config) -> Vec<Self> {
        let calls = config.calls.as_ref().map(|calls| Self {
            channel: Channel::Calls,
            demands: Demands::of_calls(calls),
            openid_configuration: calls.openid_configuration.clone(),
        });
        let subscriptions = config.subscriptions.as_ref().map(|subscriptions| Self {
            channel: Channel::Subscriptions,
            demands: Demands::of_subscriptions(subscriptions),
            openid_configuration: subscriptions.openid_configuration.clone(),
        });
        calls.into_iter().chain(subscriptions).collect()
    }

    /// Fetches the provider's keys and checks a token, as the server would now.
    pub async fn explain(&self, token: &[u8], clock: &Clock) -> Explained {
        let keys = keys::fetch(self.openid_configuration.clone()).await;
        let inspection = graph::inspect(token, &self.demands, keys.as_ref().ok(), clock.now());
        Explained { inspection, without_keys: keys.err().map(|error| error.to_string()) }
    }

    /// What to set or do if a check failed.
    pub fn advice(&self, aspect: Aspect) -> String {
        let section = self.channel.as_str();
        match aspect {
            Aspect::Format => "give the token alone, as it stands behind \"Bearer\" in the header Authorization".into(),
            Aspect::Algorithm => "this is no token of Microsoft's: they are signed with RS256".into(),
            Aspect::Key => format!(
                "this is a token of another provider, or its key was withdrawn: {section}.openid_configuration names the \
                 provider (now {})",
                self.openid_configuration
            ),
            Aspect::Signature => "the token was changed or cut: copy it again".into(),
            Aspect::Issuer => format!(
                "set {section}.issuers if this issuer is Microsoft's in your cloud; otherwise the token is not for this channel"
            ),
            Aspect::Audience => {
                format!("add what was found to {section}.app_ids if it is the app id of your application")
            }
            Aspect::Tenant => {
                format!("add what was found to {section}.tenants, or remove that key to accept every tenant")
            }
            Aspect::AppId => {
                format!(
                    "set {section}.publisher if Graph has another app id in your cloud; otherwise it is not from Graph"
                )
            }
            Aspect::Expiry => "take a fresh token, and check the clock of this machine".into(),
        }
    }
}
