//! What the head of a POST says beside its proof: the ids by which Microsoft knows the request, and what the bot put behind
//! the address that it gave Graph.

use serde::{Deserialize, Serialize};

/// The facts of one POST, shared by all its notifications. What was absent, too long or not printable is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// `X-Microsoft-Skype-Message-ID`: the calling platform's id of this message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Box<str>>,
    /// `X-Microsoft-Skype-Original-Message-ID`: of which message this one is a repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_message_id: Option<Box<str>>,
    /// `X-Microsoft-Skype-Chain-ID`: what belongs together, over many messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<Box<str>>,
    /// `Scenario-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario_id: Option<Box<str>>,
    /// `client-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<Box<str>>,
    /// What stands behind the configured path: the path below it and the query, as `/emea?shift=2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<Box<str>>,
}

impl Request {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The id that ties it to other requests about the same matter: the chain's, or else that of the one request.
    pub fn correlation_id(&self) -> Option<&str> {
        self.chain_id.as_deref().or(self.client_request_id.as_deref())
    }
}
