//! Graph's subscription handshake: `POST ?validationToken=..` is answered with the decoded token
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation>).

use actix_web::{HttpRequest, HttpResponse};

use super::reply;
use crate::domain::Reason;
use crate::graph::handshake::{Handshake, token};
use crate::intake::Intake;
use crate::sources::Sources;

/// Answers handshakes, not too many for one source.
pub struct Handshakes {
    sources: Sources,
}

impl Handshakes {
    /// Allows `per_minute` for each source address.
    pub fn new(per_minute: u32) -> Self {
        Self { sources: Sources::new(per_minute) }
    }

    /// The answer, `None` where the request is no handshake. The body is never looked at.
    pub fn answer(&self, request: &HttpRequest, intake: &Intake, path: &'static str) -> Option<HttpResponse> {
        let outcome = match token(request.query_string()) {
            Handshake::None => return None,
            Handshake::Bad => Err((reply::bad_request(), Reason::HandshakeBad)),
            Handshake::Token(_) if !self.sources.allow(request.peer_addr()) => {
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
                intake.rejections.note(path, reason, None);
                reply
            }
        })
    }
}
