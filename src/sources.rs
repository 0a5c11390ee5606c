//! How often one source may ask for something.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Sources are forgotten above this many, so that a flood of sources cannot fill the memory.
const MAX_SOURCES: usize = 10_000;

/// Counts what each source address asks for.
pub struct Sources {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

impl Sources {
    /// Allows `per_minute` for each source address, at least one.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(per_minute)) }
    }

    /// Whether `peer` may ask now; one whose address is not known may. Asking counts.
    pub fn allow(&self, peer: Option<SocketAddr>) -> bool {
        let Some(peer) = peer else { return true };
        if self.limiter.len() > MAX_SOURCES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&one_source(peer.ip())).is_ok()
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
