//! The source address of requests, and limits for each source.
//!
//! Behind a proxy every connection comes from the proxy. The source is then the address that a trusted proxy names in
//! `Forwarded` (RFC 7239) or `X-Forwarded-For`.
//!
//! **Invariants**
//! 1. Nobody can choose their own source: of the addresses in a header, the right-most one that is not a trusted proxy
//!    counts, because the sender can write everything to the left of it.
//! 2. If both headers are there and disagree, the sender wrote one of them. Then neither is trusted.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

/// Sources are forgotten above this many, so that a flood of sources cannot fill the memory.
const MAX_SOURCES: usize = 10_000;

/// The trusted proxies.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[IpNet]>);

impl Proxies {
    /// Those with an address in one of these networks.
    pub fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.into())
    }

    /// Whether an address is a trusted proxy's.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The source of a request over a connection from `peer`; `None` if it is not known.
    pub fn source(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.ip().to_canonical();
        if !self.has(peer) {
            return Some(peer);
        }
        let named = [self.named_in(headers, FORWARDED, forwarded), self.named_in(headers, X_FORWARDED_FOR, listed)];
        Some(match named {
            [Some(one), None] | [None, Some(one)] => one.unwrap_or(peer),
            [Some(one), Some(other)] if one == other => one.unwrap_or(peer),
            _ => peer,
        })
    }

    /// The source in a header: `None` if there is no such header, `Some(None)` if it names no usable address.
    fn named_in(
        &self,
        headers: &HeaderMap,
        name: HeaderName,
        read: fn(&str) -> Vec<Option<IpAddr>>,
    ) -> Option<Option<IpAddr>> {
        let mut hops: Vec<Option<IpAddr>> = Vec::new();
        let mut is_there = false;
        for value in headers.get_all(name) {
            is_there = true;
            // A value that is not text hides the addresses to its left.
            hops.extend(value.to_str().map_or_else(|_bytes| vec![None], read));
        }
        let nearest = hops.iter().rev().find(|hop| hop.is_none_or(|address| !self.has(address)));
        // All of them are trusted: the request began at the first one.
        is_there.then(|| *nearest.or(hops.first()).unwrap_or(&None))
    }
}

/// The addresses of `X-Forwarded-For`, in their order.
fn listed(value: &str) -> Vec<Option<IpAddr>> {
    value.split(',').map(|hop| address(hop.trim())).collect()
}

/// The addresses of `Forwarded`, in their order; `None` for a hop that names none, or that cannot be read.
fn forwarded(value: &str) -> Vec<Option<IpAddr>> {
    let node = |element: &str| {
        let mut pairs = parts(element, ';')?.into_iter().filter_map(|pair| pair.split_once('='));
        let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
        address(node.trim().trim_matches('"'))
    };
    match parts(value, ',') {
        Some(elements) => elements.into_iter().map(node).collect(),
        None => vec![None],
    }
}

/// The parts of a value, split at a character outside of quotes. `None` if a quote is not closed: it would hide what a
/// proxy added behind it.
fn parts(value: &str, at: char) -> Option<Vec<&str>> {
    let (mut in_quotes, mut escaped) = (false, false);
    let mut is_end = |c: char| {
        let ends = c == at && !in_quotes;
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            _ => {}
        }
        ends
    };
    let parts = value.split(&mut is_end).collect();
    (!in_quotes).then_some(parts)
}

/// An address, with or without a port, with or without the brackets of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let read = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    read.map(|address: IpAddr| address.to_canonical())
}

/// Counts requests by source address.
pub struct Sources {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
}

impl Sources {
    /// Allows `per_minute` for each source address, at least one.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(per_minute)) }
    }

    /// Whether `source` may do it now; an unknown source may. The call counts.
    pub fn allow(&self, source: Option<IpAddr>) -> bool {
        let Some(source) = source else { return true };
        if self.limiter.len() > MAX_SOURCES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&one_source(source)).is_ok()
    }
}

/// The unit that counts as one source: an IPv6 host has 2^64 addresses.
fn one_source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    /// The source of a request from `peer` with these headers; trusted are 10.0.0.0/8 and fd00::/8.
    fn source(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = Proxies::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let request = headers.iter().fold(TestRequest::default(), |request, it| request.append_header(*it));
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        proxies.source(Some(peer), request.to_http_request().headers()).unwrap().to_string()
    }

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_the_source_whatever_it_says() {
        let says = [("x-forwarded-for", "192.0.2.9"), ("forwarded", "for=192.0.2.9")];
        assert_eq!(source("203.0.113.5", &says), "203.0.113.5");
        assert_eq!(source("::ffff:203.0.113.5", &says), "203.0.113.5");
    }

    #[test]
    fn behind_a_trusted_proxy_the_right_most_address_counts_that_is_no_proxys() {
        for (headers, expected) in [
            (vec![("x-forwarded-for", "192.0.2.1")], "192.0.2.1"),
            (vec![("x-forwarded-for", "198.51.100.7, 192.0.2.1")], "192.0.2.1"),
            (vec![("x-forwarded-for", "198.51.100.7, 192.0.2.1, 10.1.1.1,10.2.2.2")], "192.0.2.1"),
            (vec![("x-forwarded-for", "198.51.100.7"), ("x-forwarded-for", "192.0.2.1:4711, 10.1.1.1")], "192.0.2.1"),
            (vec![("x-forwarded-for", "10.3.3.3, 10.2.2.2")], "10.3.3.3"),
            (vec![("forwarded", "for=198.51.100.7, For=\"192.0.2.1:80\";proto=https;by=10.1.1.1")], "192.0.2.1"),
            (vec![("forwarded", "proto=https;for=\"[2001:db8::1]:4711\", for=\"[fd00::1]\"")], "2001:db8::1"),
            (vec![("forwarded", "for=192.0.2.1;host=\"a,for=198.51.100.7\"")], "192.0.2.1"),
            (vec![("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")], "192.0.2.1"),
        ] {
            assert_eq!(source("10.0.0.1", &headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_names_nobody_or_was_not_written_by_the_proxy_is_the_proxys() {
        for headers in [
            vec![],
            vec![("x-forwarded-for", "")],
            vec![("x-forwarded-for", "198.51.100.7, unknown")],
            vec![("x-forwarded-for", "198.51.100.7, unknown, 10.1.1.1")],
            vec![("forwarded", "for=_hidden, for=10.1.1.1")],
            vec![("forwarded", "proto=https")],
            vec![("forwarded", "for=\"198.51.100.7")],
            // A quote that the sender left open hides what the proxy added.
            vec![("forwarded", "for=198.51.100.7;x=\", for=192.0.2.1")],
            vec![("forwarded", "for=198.51.100.7;x=\"\\, for=\"192.0.2.1:80\"")],
            // The proxy wrote one of them, the sender the other.
            vec![("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=198.51.100.7")],
            vec![("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=unknown")],
        ] {
            assert_eq!(source("10.0.0.1", &headers), "10.0.0.1", "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_and_what_the_proxy_appended_counts(text in "[ -~]{0,60}") {
            source("10.0.0.1", &[("forwarded", &text)]);
            source("10.0.0.1", &[("x-forwarded-for", &text), ("forwarded", &text)]);
            let appended = format!("{text}, 192.0.2.1");
            prop_assert_eq!(source("10.0.0.1", &[("x-forwarded-for", &appended)]), "192.0.2.1");
            let by_rfc_7239 = source("10.0.0.1", &[("forwarded", &format!("{text}, for=192.0.2.1"))]);
            prop_assert!(["192.0.2.1", "10.0.0.1"].contains(&by_rfc_7239.as_str()), "{}", by_rfc_7239);
        }
    }

    #[test]
    fn threat_48_a_network_of_ipv6_addresses_is_one_source() {
        let source = |text: &str| one_source(text.parse().unwrap());
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
