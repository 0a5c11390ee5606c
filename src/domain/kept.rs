//! The operation as it is kept: what all notifications about it, and its client, have said.

use jiff::Timestamp;
use secrecy::SecretString;

use super::{ClientContext, Expectation, ResultInfo, Status};

/// A record operation as the store knows it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its number in the store: what pages and streams go by. Never shown.
    pub number: i64,
    /// Grows with every change: what `@odata.etag` is made of.
    pub version: i64,
    /// Graph's id; the expectation's while Graph has not spoken.
    pub id: String,
    /// The call that is recorded.
    pub call_id: Option<String>,
    /// The tenant that it belongs to.
    pub tenant_id: Option<String>,
    /// The bot's correlation key.
    pub client_context: Option<ClientContext>,
    /// Where it stands.
    pub status: Status,
    /// Why it ended.
    pub completion_reason: Option<String>,
    /// How it ended.
    pub result_info: Option<ResultInfo>,
    /// Where the recording lies.
    pub recording_location: Option<String>,
    /// The recording's token, while it is kept.
    pub recording_access_token: Option<SecretString>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// What its client announced, if it did.
    pub expectation: Option<Expectation>,
}
