//! The guard: which addresses an outgoing connection may reach.
//!
//! It works inside the resolver, so that the checked address is the one that is connected to: a name that resolves
//! differently the second time gains nothing.
//!
//! **Invariants**
//! 1. A non-public address is reached only if the operator named its network.
//! 2. Without TLS, only networks that the operator named are reached.
//! 3. An IPv4 address inside an IPv6 address is checked as IPv4.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::AllowedNetworks;

/// IPv4 networks that are not public (<https://www.iana.org/assignments/iana-ipv4-special-registry>), and one public
/// network that a cloud uses internally.
const NOT_PUBLIC_V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "this network"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared by a carrier"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([168, 63, 129, 16], 32), "the Azure platform"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "a relay"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// Where public IPv6 addresses are (<https://www.iana.org/assignments/ipv6-address-space>).
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// The non-public networks among them.
const NOT_PUBLIC_V6: &[(Ipv6Net, &str)] = &[
    (v6([0x2001, 0, 0, 0], 23), "reserved"),
    (v6([0x2001, 0xdb8, 0, 0], 32), "documentation"),
    (v6([0x2002, 0, 0, 0], 16), "6to4"),
    (v6([0x3fff, 0, 0, 0], 20), "documentation"),
];

/// The prefix of NAT64 for the IPv4 internet (RFC 6052).
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d]: [u16; 4], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// Checks addresses.
#[derive(Clone, Debug)]
pub struct Guard {
    allowed: AllowedNetworks,
    encrypted: bool,
}

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    address: IpAddr,
    why: &'static str,
}

impl Guard {
    /// A guard that lets through public addresses (only where the connection is `encrypted`) and `allowed` networks.
    pub fn new(allowed: AllowedNetworks, encrypted: bool) -> Self {
        Self { allowed, encrypted }
    }

    /// Checks an address.
    ///
    /// # Errors
    /// It is refused.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let judged = as_v4(address);
        if self.allowed.iter().any(|network| network.contains(&judged) || network.contains(&address)) {
            return Ok(());
        }
        match not_public(judged) {
            Some(why) => Err(Refused { address, why }),
            None if !self.encrypted => Err(Refused { address, why: "without TLS" }),
            None => Ok(()),
        }
    }

    /// The addresses of a host that may be connected to.
    ///
    /// # Errors
    /// The name has no address, or none that may be connected to.
    pub async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let mut refused = None;
        let mut addresses = Vec::new();
        for address in tokio::net::lookup_host((host, port)).await? {
            match self.check(address.ip()) {
                Ok(()) => addresses.push(address),
                Err(why) => refused = Some(why),
            }
        }
        match refused {
            Some(refused) if addresses.is_empty() => Err(std::io::Error::other(refused)),
            _ => Ok(addresses),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why } = self;
        write!(f, "{address} is refused ({why}); to allow it, add its network to allow_private")
    }
}

impl std::error::Error for Refused {}

/// The resolver of the HTTP client.
pub(super) struct GuardedResolver(pub(super) Arc<Guard>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            // Port 0 stands for the port of the URL.
            let addresses = guard.resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The IPv4 address that an IPv6 address stands for, or the address itself.
fn as_v4(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if NAT64.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::from([a, b, c, d])
        }
        other => other.to_canonical(),
    }
}

fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => NOT_PUBLIC_V4.iter().find(|(network, _)| network.contains(&v4)).map(|(_, why)| *why),
        IpAddr::V6(v6) if !PUBLIC_V6.contains(&v6) => Some("not public"),
        IpAddr::V6(v6) => NOT_PUBLIC_V6.iter().find(|(network, _)| network.contains(&v6)).map(|(_, why)| *why),
    }
}
