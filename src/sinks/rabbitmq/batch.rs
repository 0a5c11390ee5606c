//! A batch of messages: all are published, then all confirmations are waited for, then each message is judged.
//!
//! **Invariant**: a batch has its channel alone. `lapin` gives a returned message to whichever confirmation of the channel
//! comes next, also to that of another message: so it is known by its id, among all that the channel confirmed.

use std::collections::HashMap;

use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation, Error, PublisherConfirm};

use super::connection::Connection;
use super::{Settings, failure, message};
use crate::domain::Delivery;
use crate::sinks::{DeliveryError, reason};

/// A server refuses a message that is too large by closing its channel. So larger ones have a channel of their own, and no
/// other message suffers. No version of the server has a smaller limit of its own.
const MAX_SHARED_BYTES: usize = 1 << 20;

/// A message that was sent. Its confirmation is still to come.
struct Sent {
    id: String,
    n_bytes: usize,
    confirmation: PublisherConfirm,
    /// Its channel, if it has one of its own.
    _own: Option<Channel>,
}

/// What came of a message that was sent.
struct Answered {
    id: String,
    n_bytes: usize,
    confirmation: Result<Confirmation, Error>,
}

/// Why the server returned messages, by their ids.
type Returned = HashMap<String, String>;

/// Publishes the messages of deliveries.
pub(super) async fn publish(
    connection: &Connection,
    settings: &Settings,
    deliveries: &[&Delivery],
) -> Vec<Result<(), DeliveryError>> {
    let channel = match connection.channel().await {
        Ok(channel) => channel,
        Err(error) => return vec![Err(error); deliveries.len()],
    };
    let sender = Sender { connection, settings, channel: &channel };
    let mut sent = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        sent.push(sender.send(delivery).await);
    }
    let (mut answered, mut returned) = (Vec::with_capacity(sent.len()), Returned::new());
    for message in sent {
        answered.push(match message {
            Ok(message) => Ok(message.answered(&mut returned).await),
            Err(error) => Err(error),
        });
    }
    connection.give_back(channel);
    answered.into_iter().map(|message| message?.result(settings, &returned)).collect()
}

/// What the messages of a batch are sent over.
struct Sender<'a> {
    connection: &'a Connection,
    settings: &'a Settings,
    channel: &'a Channel,
}

impl Sender<'_> {
    async fn send(&self, delivery: &Delivery) -> Result<Sent, DeliveryError> {
        let message = message::of(self.settings, delivery)?;
        let n_bytes = message.body.len();
        let own = if n_bytes > MAX_SHARED_BYTES { Some(self.connection.new_channel().await?) } else { None };
        let exchange = message::short(self.settings.exchange.clone().unwrap_or_default())?;
        // Mandatory: what no queue takes comes back.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let channel = own.as_ref().unwrap_or(self.channel);
        let sent = channel.basic_publish(exchange, message.routing_key, options, &message.body, message.properties);
        let confirmation = sent.await.map_err(|error| failure::of(&error))?;
        Ok(Sent { id: delivery.id.to_string(), n_bytes, confirmation, _own: own })
    }
}

impl Sent {
    /// Waits for its confirmation, and notes the message that came with it.
    async fn answered(self, returned: &mut Returned) -> Answered {
        let Self { id, n_bytes, confirmation, _own: own } = self;
        let mut confirmation = confirmation.await;
        if let Ok(Confirmation::Ack(message) | Confirmation::Nack(message)) = &mut confirmation
            && let Some(message) = message.take()
        {
            // Without an id it is none of ours: the message that is confirmed here is then counted as returned.
            let of = message.delivery.properties.message_id().as_ref().map_or_else(|| id.clone(), ToString::to_string);
            returned.insert(of, message.reply_text.to_string());
        }
        drop(own);
        Answered { id, n_bytes, confirmation }
    }
}

impl Answered {
    fn result(self, settings: &Settings, returned: &Returned) -> Result<(), DeliveryError> {
        if let Some(text) = returned.get(&self.id) {
            return Err(reason::retry(&format!(
                "the server returned the message ({text}): no queue is bound for its routing key"
            )));
        }
        match self.confirmation {
            Ok(Confirmation::Ack(_)) => Ok(()),
            Ok(Confirmation::Nack(_)) => {
                Err(reason::retry("the server refused the message: a queue is full, or failed"))
            }
            Ok(Confirmation::NotRequested) => Err(reason::retry_all("the server does not confirm messages")),
            Err(error) => match failure::limit(&error) {
                Some(limit) => {
                    settings.note_limit(limit);
                    let is_it = self.n_bytes > limit;
                    Err(if is_it { message::too_large(self.n_bytes, limit) } else { failure::of(&error) })
                }
                None => Err(failure::of(&error)),
            },
        }
    }
}
