//! The facts in the head of a POST beside its proof: the ids by which Microsoft knows the request, and the bot's
//! additions to the callback address.

use serde::{Deserialize, Serialize};

/// The facts of one POST, shared by all its notifications. A value that was absent, too long or not printable is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    /// `X-Microsoft-Skype-Message-ID`: the calling platform's id of this message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub message_id: Option<Box<str>>,
    /// `X-Microsoft-Skype-Original-Message-ID`: the message that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub original_message_id: Option<Box<str>>,
    /// `X-Microsoft-Skype-Chain-ID`: connects messages that belong together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub chain_id: Option<Box<str>>,
    /// `Scenario-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub scenario_id: Option<Box<str>>,
    /// `client-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub client_request_id: Option<Box<str>>,
    /// `traceparent`: the trace that the request is part of (<https://www.w3.org/TR/trace-context/>).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub traceparent: Option<Box<str>>,
    /// The part of the address after the configured path: the path below it and the query, such as `/emea?shift=2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub callback: Option<Box<str>>,
}

impl Request {
    /// Whether there are no facts.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The id that connects it to related requests: the chain's, or that of the single request.
    pub fn correlation_id(&self) -> Option<&str> {
        self.chain_id.as_deref().or(self.client_request_id.as_deref())
    }
}
