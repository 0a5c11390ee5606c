//! What identifies a notification: its bytes, its Graph id, the message that brought it. Here these are compared as they
//! are; no hash stands for them.

use reelhook::domain::{Channel, Mark, Notification, RepeatOf, Request};

/// What makes two notifications equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The bytes, on a channel, for a subscription.
    Bytes(Channel, String, Vec<u8>),
    /// The ciphertext in the bytes, for a subscription, a change and a resource.
    Ciphertext([String; 3], Vec<u8>),
    /// None: no bytes came from outside.
    Own,
}

/// A message of the calling platform, and the item's place in it: one message may contain two changes in equal bytes.
pub type Message = (String, usize);

impl Identity {
    /// The identity of a notification whose bytes are `raw`, and what in the bytes identifies a repeat. Takes its mark.
    pub fn take(notification: &mut Notification, raw: &[u8]) -> (Self, Option<RepeatOf>) {
        let subscription = notification.subscription_id.clone().unwrap_or_default();
        match notification.mark.take() {
            Some(Mark::Ciphertext(content)) => {
                let about = [subscription, notification.change_type.clone(), notification.resource.clone()];
                (Self::Ciphertext(about, content.0.to_vec()), Some(RepeatOf::Ciphertext))
            }
            Some(Mark::Version) => {
                (Self::Bytes(notification.channel, subscription, raw.to_vec()), Some(RepeatOf::Version))
            }
            None => (Self::Bytes(notification.channel, subscription, raw.to_vec()), None),
        }
    }
}

/// The message that brought a notification, and the message that this one repeats.
pub fn messages(channel: Channel, request: &Request, place: usize) -> [Option<Message>; 2] {
    if channel != Channel::Calls {
        return [None, None];
    }
    let Request { message_id, original_message_id, .. } = request;
    [message_id, original_message_id].map(|id| Some((id.as_deref()?.to_owned(), place)))
}
