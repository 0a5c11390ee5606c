//! The head of a POST on the calls channel, as captures show it
//! (<https://github.com/MicrosoftDocs/msteams-docs/issues/9170>,
//! <https://github.com/microsoftgraph/microsoft-graph-comms-samples/issues/433>).
//!
//! **Invariants**
//! 1. All POSTs of a call have one chain id and one scenario id; each POST has a message id of its own.
//! 2. A repeat names the message that it repeats.

use uuid::Uuid;

use super::client::Post;
use super::payload::Seed;

/// The name that the calling platform gives itself.
pub const USER_AGENT: &str = "Microsoft-Skype/3.0,(Calling/1.0)";

/// The headers whose values captures leave out or show in several forms: these values are ours.
const PLACE: [(&str, &str); 4] = [
    ("ms-teams-ring", "general"),
    ("ms-teams-partition", "amer01"),
    ("ms-teams-region", "amer"),
    ("x-microsoft-skype-caller-region", "amer"),
];

/// What the head of a POST says of it and its call.
#[derive(Clone, Copy, Debug)]
pub struct CallHead {
    /// The call's chain: `callChainId` in its body.
    pub chain: Uuid,
    scenario: Uuid,
    message: Uuid,
    original: Option<Uuid>,
    with_charset: bool,
}

impl CallHead {
    /// The first POST of a call that nothing else is told of.
    pub fn of_new_call() -> Self {
        Self::of_chain(Uuid::new_v4(), Uuid::new_v4())
    }

    /// The first POST of a call whose ids come from a seed.
    pub fn seeded(seed: &mut Seed) -> Self {
        Self::of_chain(seed.uuid(), seed.uuid())
    }

    fn of_chain(chain: Uuid, scenario: Uuid) -> Self {
        Self { chain, scenario, message: Uuid::new_v4(), original: None, with_charset: true }
    }

    /// The next POST of the same call. Some name a charset, some do not.
    pub fn next(self, with_charset: bool) -> Self {
        Self { message: Uuid::new_v4(), original: None, with_charset, ..self }
    }

    /// The same POST once more: a new message, which names the first one.
    pub fn repeated(self) -> Self {
        Self { message: Uuid::new_v4(), original: Some(self.original.unwrap_or(self.message)), ..self }
    }

    /// Puts the head on a POST, with this `Authorization`; none where it is empty.
    pub(super) fn on(&self, post: Post, authorization: &str) -> Post {
        let content_type = if self.with_charset { "application/json; charset=utf-8" } else { "application/json" };
        let mut post = post
            .header("x-microsoft-skype-chain-id", &self.chain.to_string())
            .header("scenario-id", &self.scenario.to_string())
            .header("x-microsoft-skype-message-id", &self.message.to_string());
        if let Some(original) = self.original {
            post = post.header("x-microsoft-skype-original-message-id", &original.to_string());
        }
        for (name, value) in PLACE {
            post = post.header(name, value);
        }
        post = post.header("connection", "close").header("accept", "application/json");
        if !authorization.is_empty() {
            post = post.header("authorization", authorization);
        }
        post.header("user-agent", USER_AGENT).header("content-type", content_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(head: &CallHead, name: &str) -> String {
        let post = head.on(Post::new("/", ""), "");
        post.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    #[test]
    fn the_posts_of_a_call_share_its_chain_and_a_repeat_names_the_first_message() {
        let first = CallHead::seeded(&mut Seed::new(1));
        let (next, again) = (first.next(false), first.repeated());
        for name in ["x-microsoft-skype-chain-id", "scenario-id", "ms-teams-ring"] {
            assert_eq!((value(&first, name), value(&first, name)), (value(&next, name), value(&again, name)), "{name}");
        }
        let message = |head: &CallHead| value(head, "x-microsoft-skype-message-id");
        assert!(message(&first) != message(&next) && message(&first) != message(&again));
        for repeat in [again, again.repeated()] {
            assert_eq!(value(&repeat, "x-microsoft-skype-original-message-id"), message(&first));
        }
        assert_eq!(value(&next, "content-type"), "application/json");
        assert_eq!((value(&first, "connection"), value(&first, "authorization")), ("close".into(), String::new()));
    }
}
