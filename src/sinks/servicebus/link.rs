//! The link to a queue, which attempts share. One sends at a time; the outcomes are waited for together.
//!
//! **Invariant**: a link over which an attempt began to send and did not end is used no more: half a message may be on the
//! way.

use fe2o3_amqp::Sender;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Data, Message, Outcome};
use futures_util::FutureExt;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Settings, failure};
use crate::sinks::{DeliveryError, reason};

/// The outcome of a message that was sent.
pub(super) type Pending = DeliveryFut<Result<Outcome, SendError>>;

/// A link.
pub(super) struct Link {
    /// `None`: an attempt sends, or was given up while it sent.
    sender: Mutex<Option<Sender>>,
}

impl Link {
    /// Attaches a link to the queue.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is no such queue, or the login may not send to it.
    pub(super) async fn attach(session: &mut SessionHandle<()>, settings: &Settings) -> Result<Self, DeliveryError> {
        let queue = &settings.queue;
        let link = Sender::builder().name(format!("reelhook-{}", Uuid::new_v4())).target(queue.as_str());
        // What is sent stays unsettled until the broker settles it.
        let link = link.sender_settle_mode(SenderSettleMode::Unsettled).receiver_settle_mode(ReceiverSettleMode::First);
        // Zero: none of ours. The lower one of both sides counts.
        let link = link.max_message_size(settings.max_bytes.unwrap_or(0));
        let sender = link.attach(session).await.map_err(|error| failure::of_attaching(queue, &error))?;
        Ok(Self { sender: Mutex::new(Some(sender)) })
    }

    /// Whether it can be sent over.
    pub(super) fn is_attached(&self) -> bool {
        // While another attempt sends, it is.
        let Ok(mut sender) = self.sender.try_lock() else { return true };
        sender.as_mut().is_some_and(|sender| sender.on_detach().now_or_never().is_none())
    }

    /// Sends messages in their order. The outcome of each is still to come.
    pub(super) async fn send(
        &self,
        messages: Vec<Result<Message<Data>, DeliveryError>>,
    ) -> Vec<Result<Pending, DeliveryError>> {
        let mut link = self.sender.lock().await;
        let Some(mut sender) = link.take() else {
            let given_up = reason::retry_all("another attempt was given up while it sent over the same connection");
            return messages.iter().map(|_| Err(given_up.clone())).collect();
        };
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(match message {
                Ok(message) => sender.send_batchable(message).await.map_err(|error| failure::of_sending(&error)),
                Err(error) => Err(error),
            });
        }
        *link = Some(sender);
        sent
    }
}
