//! Graph's subscription handshake: `POST ?validationToken=..` is answered with the decoded token
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation>).

use actix_web::{HttpRequest, HttpResponse};

use super::reply;
use crate::domain::Reason;
use crate::graph::handshake::{Handshake, token};
use crate::intake::Intake;
use crate::sources::Sources;
use crate::telemetry::Sender;

/// Answers handshakes, and limits them for each source if the config says so. There is no default limit: a handshake
/// costs too little, and behind an unknown proxy a limit would lock Graph out because of other senders.
pub struct Handshakes {
    sources: Option<Sources>,
}

impl Handshakes {
    /// Allows `per_minute` for each source.
    pub fn new(per_minute: Option<u32>) -> Self {
        Self { sources: per_minute.map(Sources::new) }
    }

    /// The answer; `None` if the request from `sender` is not a handshake. The body is never read.
    pub fn answer(
        &self,
        request: &HttpRequest,
        intake: &Intake,
        (path, sender): (&'static str, Sender<'_>),
    ) -> Option<HttpResponse> {
        let outcome = match token(request.query_string()) {
            Handshake::None => return None,
            Handshake::Bad => Err((reply::bad_request(), Reason::HandshakeBad)),
            Handshake::Token(_) if self.sources.as_ref().is_some_and(|it| !it.allow(sender.source)) => {
                Err((reply::too_many(), Reason::HandshakeRate))
            }
            Handshake::Token(token) => Ok(reply::handshake(token)),
        };
        Some(match outcome {
            Ok(reply) => {
                intake.metrics.handshake("ok");
                reply
            }
            Err((reply, reason)) => {
                intake.metrics.handshake("refused");
                intake.rejections.note_of(path, reason, sender);
                reply
            }
        })
    }
}
