//! A connection to a server, from its making to its loss.

use std::error::Error;
use std::future::IntoFuture;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{Context, ContextBuilder, PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::{ConnectOptions, Event, jetstream};
use secrecy::ExposeSecret;

use super::{Settings, message};
use crate::domain::Delivery;
use crate::sinks::auth::{Auth, Login};
use crate::sinks::connection::Connected;
use crate::sinks::lost::Lost;
use crate::sinks::{DeliveryError, reason, results_of};

/// The dispatcher ends an attempt that takes too long, not the client.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// How many confirmations may be waited for at a time: more than the batches of all attempts together.
const MAX_UNCONFIRMED: usize = 1 << 18;

/// A connection. It is used until it is lost, and then replaced.
pub(super) struct Connection {
    /// What is published through.
    pub(super) jetstream: Context,
    lost: Lost,
}

impl Connection {
    /// Connects with the login and the certificates as they are now.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) async fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let lost = Lost::default();
        let noted = lost.clone();
        // One reconnect at most: after a loss this connection is not used any more.
        let mut options = ConnectOptions::new().name("reelhook").max_reconnects(1).event_callback(move |event| {
            note(&noted, &event);
            std::future::ready(())
        });
        if let Some(login) = settings.auth.as_ref().map(Auth::login).transpose()? {
            options = with_login(options, &login)?;
        }
        if let Some(tls) = &settings.tls {
            options = options.require_tls(true).tls_client_config(tls.client_config()?);
        }
        let client = options.connect(settings.url.as_str()).await;
        let client =
            client.map_err(|error| reason::retry_all(&format!("could not connect: {}", reason::chain(&error))))?;
        let context = ContextBuilder::new().timeout(NEVER).ack_timeout(NEVER).max_ack_inflight(MAX_UNCONFIRMED);
        Ok(Self { jetstream: context.build(client), lost })
    }

    /// Publishes the messages of deliveries, and waits for the confirmation of each.
    pub(super) async fn publish(
        &self,
        settings: &Settings,
        deliveries: &[&Delivery],
    ) -> Vec<Result<(), DeliveryError>> {
        let mut sent = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            sent.push(self.send(settings, delivery).await);
        }
        results_of(sent, |confirmation| self.confirmed(confirmation)).await
    }

    /// Sends the message of a delivery. Its confirmation is still to come.
    async fn send(&self, settings: &Settings, delivery: &Delivery) -> Result<PublishAckFuture, DeliveryError> {
        let subject = message::subject_of(&settings.subject, delivery)?;
        let message = message::of(&settings.shape, delivery);
        tokio::select! {
            lost = self.lost.reason() => Err(lost),
            sent = self.jetstream.send_publish(subject, message) => sent.map_err(|error| judge(&error)),
        }
    }

    /// Waits until the server confirmed a message, or says why it is not in a stream, as far as is known.
    async fn confirmed(&self, confirmation: PublishAckFuture) -> Result<(), DeliveryError> {
        tokio::select! {
            confirmed = confirmation.into_future() => confirmed.map(drop).map_err(|error| judge(&error)),
            lost = self.lost.reason() => Err(lost),
        }
    }
}

impl Connected for Connection {
    fn works(&self) -> Option<bool> {
        Some(!self.lost.is_lost())
    }
}

/// Ends the connection at the first event after which a confirmation may never come.
fn note(lost: &Lost, event: &Event) {
    match event {
        Event::Disconnected | Event::Closed => lost.lose("the connection was lost before the server confirmed"),
        // What it refuses it does not confirm: nobody would ever know.
        Event::ServerError(error) => lost.lose(error),
        _ => {}
    }
}

fn with_login(options: ConnectOptions, login: &Login) -> Result<ConnectOptions, DeliveryError> {
    let secret = login.secret.expose_secret().to_owned();
    match login.method.secret {
        "password" => Ok(options.user_and_password(login.name.clone(), secret)),
        "token" => Ok(options.token(secret)),
        "nkey" => Ok(options.nkey(secret)),
        _ => options.credentials(&secret).map_err(|_shown| {
            reason::retry_all("auth.credentials: found no credentials, expected a file as nsc writes it")
        }),
    }
}

/// What a refusal means for the delivery.
fn judge(error: &PublishError) -> DeliveryError {
    let text = reason::chain(error);
    match error.kind() {
        PublishErrorKind::StreamNotFound => reason::retry("no stream takes this subject"),
        PublishErrorKind::MaxPayloadExceeded => reason::reject(&text),
        PublishErrorKind::BrokenPipe | PublishErrorKind::TimedOut => reason::retry_all(&text),
        _ if is_too_large(error) => reason::reject(&text),
        _ => reason::retry(&text),
    }
}

/// Whether the stream never takes a message of this size. A stream that is full says "maximum" too, but may be emptied.
fn is_too_large(error: &PublishError) -> bool {
    let refusal = error.source().and_then(|it| it.downcast_ref::<jetstream::Error>());
    refusal.is_some_and(|it| {
        [ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM, ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM].contains(&it.error_code())
    })
}
