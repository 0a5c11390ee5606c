//! Reads single values. Every error says what was found and what was expected.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use toml::Value as Leaf;
use url::Url;

use super::tree::{Node, Value};
use crate::web::loopback;

/// A value, or what was found and what was expected.
pub type Read<T> = Result<T, String>;

fn wrong<T>(node: &Node, expected: impl Display) -> Read<T> {
    Err(format!("found {}, expected {expected}", node.describe()))
}

/// Text, unchanged.
pub fn text(node: &Node) -> Read<String> {
    node.as_text().map_or_else(|| wrong(node, "text"), |text| Ok(text.to_owned()))
}

/// Text that is not empty, not longer than `limit` characters and without control characters: a name.
pub fn name(limit: usize) -> impl Fn(&Node) -> Read<String> {
    move |node| match node.as_text() {
        Some(text) if !text.trim().is_empty() && text.chars().count() <= limit && !text.contains(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => wrong(node, format_args!("text of 1 to {limit} characters")),
    }
}

/// A whole number.
pub fn count<N: TryFrom<i64>>(range: RangeInclusive<i64>) -> impl Fn(&Node) -> Read<N> {
    move |node| {
        let number = match &node.value {
            Value::Leaf(Leaf::Integer(number)) => Some(*number),
            Value::Variable(text) => text.trim().replace('_', "").parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number)).and_then(|number| N::try_from(number).ok());
        match number {
            Some(number) => Ok(number),
            None => wrong(node, format_args!("a whole number from {} to {}", range.start(), range.end())),
        }
    }
}

/// A share, from 0 to 1.
pub fn share(node: &Node) -> Read<f64> {
    let number = match &node.value {
        Value::Leaf(Leaf::Float(number)) => Some(*number),
        Value::Leaf(Leaf::Integer(0)) => Some(0.0),
        Value::Leaf(Leaf::Integer(1)) => Some(1.0),
        Value::Variable(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number.filter(|number| (0.0..=1.0).contains(number)) {
        Some(number) => Ok(number),
        None => wrong(node, "a number from 0 to 1, as 0.2"),
    }
}

/// `true` or `false`.
pub fn switch(node: &Node) -> Read<bool> {
    match &node.value {
        Value::Leaf(Leaf::Boolean(on)) => Ok(*on),
        Value::Variable(text) if text == "true" => Ok(true),
        Value::Variable(text) if text == "false" => Ok(false),
        _ => wrong(node, "true or false"),
    }
}

/// A duration with its unit. A day has 24 hours here.
pub fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Node) -> Read<Duration> {
    move |node| {
        let (from, to) = (show(*range.start()), show(*range.end()));
        match node.as_text().and_then(parse_duration) {
            Some(duration) if range.contains(&duration) => Ok(duration),
            Some(_) => wrong(node, format_args!("a duration from {from} to {to}")),
            None => wrong(
                node,
                format_args!("a duration with its unit, as \"30s\", \"5m\" or \"PT3M\", from {from} to {to}"),
            ),
        }
    }
}

/// Reads a duration with its unit, wherever one is written: "30s", "7d", "PT3M".
pub fn parse_duration(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

/// A duration as a config has it: "5m", "30d".
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 172_800 && seconds.is_multiple_of(86_400) {
        return format!("{}d", seconds / 86_400);
    }
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// Reads a size with its unit, wherever one is written: "64MiB".
pub fn parse_size(text: &str) -> Option<ByteSize> {
    let has_unit = text.trim().ends_with(|last: char| last.is_ascii_alphabetic());
    text.trim().parse().ok().filter(|_| has_unit)
}

/// A number of bytes with its unit.
pub fn size<N: TryFrom<u64>>(range: RangeInclusive<ByteSize>) -> impl Fn(&Node) -> Read<N> {
    move |node| {
        let read = node.as_text().and_then(parse_size);
        let size = read.filter(|size| range.contains(size)).and_then(|size| N::try_from(size.as_u64()).ok());
        match size {
            Some(size) => Ok(size),
            None => wrong(
                node,
                format_args!("a size with its unit, as \"64MiB\", from {} to {}", range.start(), range.end()),
            ),
        }
    }
}

/// An address to listen on.
pub fn address(node: &Node) -> Read<SocketAddr> {
    match node.as_text().and_then(|text| text.trim().parse().ok()) {
        Some(address) => Ok(address),
        None => wrong(node, "an IP address and a port, as \"127.0.0.1:8080\" or \"[::]:8080\""),
    }
}

/// A network, or one address.
pub fn network(node: &Node) -> Read<IpNet> {
    let text = node.as_text().map(str::trim).unwrap_or_default();
    let read = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    match read {
        Some(network) => Ok(network),
        None => wrong(node, "a network, as \"10.0.0.0/8\" or \"fd00::/8\", or an address"),
    }
}

/// The URL of an OpenID configuration.
pub fn provider(node: &Node) -> Read<Url> {
    let url = node.as_text().and_then(|text| Url::parse(text).ok()).filter(|url| url.host().is_some());
    match url {
        // Not shown: it may contain a password.
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("found a URL with a user, expected one without".into())
        }
        Some(url) if url.scheme() == "https" || (url.scheme() == "http" && loopback::is_in(&url)) => Ok(url),
        Some(_) => wrong(
            node,
            "an https:// URL: somebody who can change the keys in transit can forge notifications (http:// is allowed for a \
             loopback host only)",
        ),
        None => wrong(node, "an https:// URL"),
    }
}

/// The path of an endpoint: literal, so that no pattern and no second spelling can reach it.
pub fn endpoint(node: &Node) -> Read<String> {
    let is_segment = |segment: &str| {
        let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        plain && !segment.is_empty() && segment != "." && segment != ".."
    };
    match node.as_text() {
        Some(text) if text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment)) => Ok(text.to_owned()),
        _ => wrong(node, "a path as \"/graph/calls\": it begins with / and has only letters, digits and -._~"),
    }
}

/// One of these words.
pub fn choice<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&Node) -> Read<T> {
    move |node| match node.as_text().and_then(|text| words.iter().find(|(word, _)| *word == text)) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            wrong(node, format_args!("one of {}", words.join(", ")))
        }
    }
}

/// `N` bytes in hexadecimal.
pub fn hex<const N: usize>(node: &Node) -> Read<[u8; N]> {
    let read = node.as_text().and_then(|text| {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
    });
    read.map_or_else(|| wrong(node, format_args!("{} hexadecimal digits", 2 * N)), Ok)
}

/// Any value, as JSON.
pub fn json(node: &Node) -> Read<serde_json::Value> {
    match serde_json::to_value(node.clone().into_plain()) {
        // Numbers that JSON does not have (inf, nan) become null.
        Ok(serde_json::Value::Null) | Err(_) => wrong(node, "a value that JSON also has"),
        Ok(value) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::remark::Place;

    fn leaf(text: &str) -> Node {
        Node::new(text.parse().unwrap(), &Place::File)
    }

    fn variable(text: &str) -> Node {
        Node { place: Place::File, value: Value::Variable(text.into()) }
    }

    #[test]
    fn a_duration_has_a_unit() {
        let read = duration(Duration::ZERO..=Duration::from_secs(100 * 86_400));
        for (text, seconds) in [("'30s'", 30), ("'5m'", 300), ("'PT3M'", 180), ("'1h 30m'", 5400), ("'30d'", 2_592_000)]
        {
            assert_eq!(read(&leaf(text)), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(read(&variable("2500ms")), Ok(Duration::from_millis(2500)));
        for text in ["30", "'30'", "'-5s'", "'1y'", "'101d'", "''", "true", "1.5"] {
            assert!(read(&leaf(text)).unwrap_err().contains("expected a duration"), "{text}");
        }
        assert!(read(&leaf("30")).unwrap_err().contains("found 30, expected a duration with its unit"));
    }

    #[test]
    fn a_size_has_a_unit() {
        let read = size::<u64>(ByteSize::kib(1)..=ByteSize::gib(1));
        assert_eq!(read(&leaf("'1MiB'")), Ok(1_048_576));
        assert_eq!(read(&leaf("'1MB'")), Ok(1_000_000));
        assert_eq!(read(&variable("1.5 KiB")), Ok(1536));
        for text in ["1048576", "'1048576'", "'-1MiB'", "'2GiB'", "'1B'", "'MiB'"] {
            assert!(read(&leaf(text)).unwrap_err().contains("expected a size with its unit"), "{text}");
        }
    }

    #[test]
    fn a_number_stays_within_its_range() {
        let read = count::<u32>(1..=10);
        assert_eq!(read(&leaf("10")), Ok(10));
        assert_eq!(read(&variable("1_0")), Ok(10));
        for text in ["0", "11", "-1", "'5'", "5.0"] {
            assert!(read(&leaf(text)).unwrap_err().contains("a whole number from 1 to 10"), "{text}");
        }
        assert_eq!(share(&leaf("0.2")), Ok(0.2));
        assert_eq!(share(&leaf("1")), Ok(1.0));
        for text in ["1.1", "nan", "-0.1", "2"] {
            assert!(share(&leaf(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in ["https://example.com/a", "http://127.0.0.1:9000/a", "http://localhost/a", "http://[::1]:1/"] {
            assert!(provider(&leaf(&format!("'{good}'"))).is_ok(), "{good}");
        }
        assert!(!provider(&leaf("'https://a:canary@c/'")).unwrap_err().contains("canary"));
        for bad in ["http://example.com/", "http://127.0.0.1.example.com/", "ftp://localhost/", "https://a:b@c/", "x"] {
            assert!(provider(&leaf(&format!("'{bad}'"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_a_literal_path() {
        assert_eq!(endpoint(&leaf("'/graph/calls'")).as_deref(), Ok("/graph/calls"));
        for bad in ["graph", "/", "/a/", "//a", "/a/../b", "/{id}", "/a*", "/a?b", "/a%2fb", ""] {
            assert!(endpoint(&leaf(&format!("'{bad}'"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_counted() {
        assert_eq!(hex::<2>(&leaf("'0aFf'")), Ok([0x0a, 0xff]));
        for bad in ["'0aF'", "'0aFfF'", "'0xff'", "'éa'", "1234"] {
            assert!(hex::<2>(&leaf(bad)).is_err(), "{bad}");
        }
    }
}
