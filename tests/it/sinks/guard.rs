//! Threats 51 and 52: addresses that an outgoing connection must not reach.

use std::net::IpAddr;

use reelhook::sinks::http::guard::Guard;

use super::samples::{build, mistakes};

/// Addresses that are refused wherever they come from.
const REFUSED: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "ff00::1",
    "ff02::1",
    "ff05::2",
    "4000::1",
    "::ffff:0:127.0.0.1",
];

/// Public ones, among them the neighbours of those above.
const LET_THROUGH: &[&str] = &[
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00::1",
    "3ffe::1",
];

/// Ways to write an address that are refused in `url`.
const URLS: &[&str] = &[
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://0x0/",
    "https://10.0.0.1:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9.0xfe.0xa9.0xfe/",
    "https://0251.0376.0251.0376/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://①②⑦.0.0.1/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1./",
    "https://user:pass@example.com/",
    "https://user@example.com/",
    "https://:pass@example.com/",
    "http://example.com/",
    "http://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "unix:/run/x.sock",
    "javascript:alert(1)",
    "https://",
    "https:///",
    "//example.com",
    "example.com",
    "",
    "https://[fe80::1%25eth0]/",
    "https://exa mple.com/",
    "https://1.2.3.4.5/",
    "https://256.256.256.256/",
];

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

#[test]
fn threat_52_addresses_that_are_not_public_are_refused() {
    let guard = Guard::new(Vec::new(), true);
    for text in REFUSED {
        assert!(guard.check(address(text)).is_err(), "{text}");
    }
    for text in LET_THROUGH {
        assert_eq!(guard.check(address(text)), Ok(()), "{text}");
    }
    assert!(REFUSED.len() + URLS.len() >= 60);
}

#[test]
fn a_network_that_is_named_is_reached_and_no_other() {
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], true);
    for text in ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "fd00::1", "8.8.8.8"] {
        assert_eq!(guard.check(address(text)), Ok(()), "{text}");
    }
    for text in ["10.0.0.1", "fc00::1", "::1", "169.254.169.254"] {
        assert!(guard.check(address(text)).is_err(), "{text}");
    }
}

#[test]
fn without_tls_only_named_networks_are_reached() {
    let guard = Guard::new(vec!["10.0.0.0/8".parse().unwrap()], false);
    assert_eq!(guard.check(address("10.1.2.3")), Ok(()));
    for text in ["8.8.8.8", "2606:4700:4700::1111", "127.0.0.1"] {
        assert!(guard.check(address(text)).is_err(), "{text}");
    }
}

#[test]
fn threat_51_an_address_that_is_refused_is_a_mistake_however_it_is_written() {
    for url in URLS {
        let told = mistakes("http", &format!("url = {url:?}"));
        assert!(told.starts_with("sinks.crm.url: found "), "{url}: {told}");
        assert!(!told.contains("pass@"), "{told}");
    }
}

#[test]
fn a_public_address_and_a_name_are_taken() {
    for url in ["https://example.com/hook?code=1", "https://8.8.8.8:8443/", "https://[2606:4700:4700::1111]/"] {
        assert!(build("http", &format!("url = {url:?}")).is_ok(), "{url}");
    }
    assert!(build("http", "url = 'http://10.1.2.3/'\nallow_private = ['10.0.0.0/8']").is_ok());
    assert!(build("http", "url = 'http://bot:3000/'\nallow_private = ['10.1.2.3']").is_ok());
    mistakes("http", "url = 'http://8.8.8.8/'\nallow_private = ['10.0.0.0/8']");
    mistakes("http", "url = 'https://127.0.0.1/'\nallow_private = ['10.0.0.0/8']");
}

#[tokio::test]
async fn threat_51_a_name_that_leads_inside_is_refused_by_the_resolver() {
    for url in ["https://localhost/", "https://LOCALHOST:8443/"] {
        let sink = build("http", &format!("url = {url:?}")).unwrap();
        let (reason, pause, _) = super::samples::retried(sink.deliver(&super::samples::delivery(1)).await);
        assert!(reason.contains("is refused (") && reason.contains("allow_private"), "{reason}");
        assert!(pause);
        assert!(super::samples::retried(sink.probe().await).0.contains("is refused ("));
    }
}

proptest::proptest! {
    #[test]
    fn an_ipv4_address_is_judged_the_same_in_every_dress(bits in proptest::prelude::any::<u32>()) {
        let guard = Guard::new(Vec::new(), true);
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let plain = guard.check(IpAddr::V4(v4)).is_ok();
        proptest::prop_assert_eq!(guard.check(IpAddr::V6(v4.to_ipv6_mapped())).is_ok(), plain);
        let nat64 = std::net::Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits));
        proptest::prop_assert_eq!(guard.check(IpAddr::V6(nat64)).is_ok(), plain);
        let six_to_four = std::net::Ipv6Addr::from_bits((0x2002_u128 << 112) | (u128::from(bits) << 80));
        proptest::prop_assert!(guard.check(IpAddr::V6(six_to_four)).is_err());
    }
}
