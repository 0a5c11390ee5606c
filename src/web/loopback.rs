//! Loopback: the names of this machine itself, which no other machine can have.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether a URL's host is this machine.
pub fn is_in(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_name(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a `Host` header names this machine, with a port or without.
pub fn is_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    is_name(name) || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_loopback() {
        for good in ["127.0.0.1:8081", "localhost", "LOCALHOST:1", "[::1]:8081", "127.8.8.8"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "evil.example:8081", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn a_url_is_of_loopback_by_its_host_alone() {
        let is = |text: &str| is_in(&text.parse().unwrap());
        for good in ["http://127.0.0.1:8081", "https://LOCALHOST/x", "http://[::1]", "http://127.8.8.8"] {
            assert!(is(good), "{good}");
        }
        for bad in
            ["http://localhost.example", "http://10.0.0.1", "http://[::2]", "http://localhost@evil.example", "data:,x"]
        {
            assert!(!is(bad), "{bad}");
        }
    }
}
