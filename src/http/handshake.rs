//! Graph's subscription handshake: `POST ?validationToken=..` is answered with the decoded token
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation>).

use std::net::IpAddr;
use std::num::NonZeroU32;

use actix_web::{HttpRequest, HttpResponse};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::reply;
use crate::domain::Reason;
use crate::graph::handshake::{Handshake, token};
use crate::intake::Intake;

/// Sources are forgotten above this many, so that a flood of sources cannot fill the memory.
const MAX_SOURCES: usize = 10_000;

/// Answers handshakes, not too many for one source.
pub struct Handshakes {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

impl Handshakes {
    /// Allows `per_minute` for each source address.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(per_minute)) }
    }

    /// The answer, `None` where the request is no handshake. The body is never looked at.
    pub fn answer(&self, request: &HttpRequest, intake: &Intake, path: &'static str) -> Option<HttpResponse> {
        let outcome = match token(request.query_string()) {
            Handshake::None => return None,
            Handshake::Bad => Err((reply::bad_request(), Reason::HandshakeBad)),
            Handshake::Token(_) if !self.allows(request) => Err((reply::too_many(), Reason::HandshakeRate)),
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

    fn allows(&self, request: &HttpRequest) -> bool {
        let Some(source) = request.peer_addr() else { return true };
        if self.limiter.len() > MAX_SOURCES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&one_source(source.ip())).is_ok()
    }
}

/// What counts as one source: an IPv6 host has 2^64 addresses to come from.
fn one_source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_48_a_network_of_ipv6_addresses_is_one_source() {
        let source = |text: &str| one_source(text.parse().unwrap());
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
