//! Microsoft Graph as one receiver sees it: makes the POSTs, good ones unless they are changed, and sends them.

use super::client::{Answer, Client, ClientError, Post};
use super::heads::{self, CallHead};
use super::payload::resources::Changed;
use super::payload::{self, Change, Resource, Seed, Subscriber};
use super::{Certificate, Identity, SimulatorError};

/// Where the receiver takes what.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Call notifications.
    pub calls: String,
    /// Change notifications.
    pub notifications: String,
    /// Lifecycle notifications.
    pub lifecycle: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            calls: "/graph/calls".into(),
            notifications: "/graph/notifications".into(),
            lifecycle: "/graph/lifecycle".into(),
        }
    }
}

/// Graph, towards one receiver for one application and tenant.
pub struct Graph {
    /// Sends.
    pub client: Client,
    /// Signs.
    pub identity: Identity,
    /// The application that notifications are for.
    pub app_id: String,
    /// The tenant that they come from.
    pub tenant: String,
    /// The secret that subscriptions were made with.
    pub client_state: Option<String>,
    /// What encrypts, where there is anything to encrypt.
    pub certificate: Option<Certificate>,
    /// The receiver's paths.
    pub paths: Paths,
}

impl Graph {
    /// A good bearer token of the calling platform.
    ///
    /// # Errors
    /// The cryptography library did not sign.
    pub fn calls_token(&self) -> Result<String, SimulatorError> {
        self.identity.calls_token(&self.app_id, &self.tenant).sign()
    }

    /// A POST of items on the calls channel, with a good token.
    ///
    /// # Errors
    /// The token could not be signed.
    pub fn calls(&self, items: &[String]) -> Result<Post, SimulatorError> {
        Ok(self.calls_with(&format!("Bearer {}", self.calls_token()?), payload::comms(items)))
    }

    /// A POST of a body on the calls channel, with this `Authorization`; none where it is empty. It belongs to a call of
    /// its own.
    pub fn calls_with(&self, authorization: &str, body: impl Into<bytes::Bytes>) -> Post {
        self.call(&CallHead::of_new_call(), authorization, body)
    }

    /// A POST of a body on the calls channel, with the head of its call.
    pub fn call(&self, head: &CallHead, authorization: &str, body: impl Into<bytes::Bytes>) -> Post {
        head.on(Post::new(&*self.paths.calls, body), authorization)
    }

    /// The head of load on the calls channel: the connection stays open, and nothing names a call. It never changes, so
    /// that figures stay comparable.
    pub fn load_head(&self, token: &str) -> Post {
        Post::new(&*self.paths.calls, "")
            .header("content-type", "application/json; charset=utf-8")
            .header("accept", "application/json")
            .header("user-agent", heads::USER_AGENT)
            .header("x-microsoft-skype-message-id", &uuid::Uuid::new_v4().to_string())
            .header("authorization", &format!("Bearer {token}"))
    }

    /// A POST of items on the subscriptions channel, with a validation token (v2) where `with_token`.
    ///
    /// # Errors
    /// A token could not be signed.
    pub fn notifications(&self, items: &[String], with_token: bool) -> Result<Post, SimulatorError> {
        let mut tokens = Vec::new();
        if with_token {
            tokens.push(self.identity.validation_token_v2(&self.app_id, &self.tenant).sign()?);
        }
        Ok(self.notifications_with(payload::changes(items, &tokens)))
    }

    /// A POST of a body on the subscriptions channel.
    pub fn notifications_with(&self, body: impl Into<bytes::Bytes>) -> Post {
        Post::new(&*self.paths.notifications, body).header("content-type", "application/json; charset=utf-8")
    }

    /// A POST of items to the lifecycle address.
    pub fn lifecycle(&self, items: &[String]) -> Post {
        let mut post = self.notifications_with(payload::changes(items, &[]));
        post.path = self.paths.lifecycle.clone();
        post
    }

    /// The handshake at a path, with the token as it stands in the URL.
    pub fn handshake(&self, path: &str, encoded_token: &str) -> Post {
        let separator = if path.contains('?') { '&' } else { '?' };
        Post::new(format!("{path}{separator}validationToken={encoded_token}"), "")
            .header("content-type", "text/plain; charset=utf-8")
            .header("content-length", "0")
            .header("accept", "text/plain")
    }

    /// A change of this tenant, with the right client state.
    pub fn change(&self, seed: &mut Seed) -> Change {
        Change::new(seed, &self.tenant, self.client_state.as_deref())
    }

    /// A change of a resource of this tenant, with the right client state.
    pub fn changed(&self, resource: Resource, seed: &mut Seed) -> Changed {
        let (tenant, client_state) = (&*self.tenant, self.client_state.as_deref());
        resource.changed(seed, Subscriber { tenant, client_state, now: self.identity.now() })
    }

    /// Sends.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn send(&self, post: Post) -> Result<Answer, ClientError> {
        self.client.send(post).await
    }
}
