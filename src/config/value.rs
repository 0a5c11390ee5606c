//! Reads single values. Every error says what was found and what was expected, and every reading describes itself.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde_json::{Value as Json, json};
use toml::Value as Leaf;
use url::Url;

use super::reading::{Read, Reading};
use super::tree::{Node, Value};
use crate::web::loopback;

/// The longest DNS name.
const MAX_DNS_CHARS: usize = 253;

fn wrong<T>(node: &Node, expected: impl Display) -> Read<T> {
    Err(format!("found {}, expected {expected}", node.describe()))
}

fn of_text(form: Json, read: impl Fn(&Node) -> Read<String> + 'static) -> Reading<String> {
    Reading::new(form, |text: &String| Json::from(text.as_str()), read)
}

/// Text, unchanged.
pub fn text() -> Reading<String> {
    of_text(json!({ "type": "string" }), |node| {
        node.as_text().map_or_else(|| wrong(node, "text"), |it| Ok(it.to_owned()))
    })
}

/// Text that is not empty, not longer than `limit` characters and without control characters: a name.
pub fn name(limit: usize) -> Reading<String> {
    of_text(json!({ "type": "string", "minLength": 1, "maxLength": limit }), move |node| match node.as_text() {
        Some(text) if !text.trim().is_empty() && text.chars().count() <= limit && !text.contains(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => wrong(node, format_args!("text of 1 to {limit} characters")),
    })
}

/// A path, not longer than systems take.
pub fn path() -> Reading<PathBuf> {
    name(4096).then(|text| Ok(PathBuf::from(text)), |path: &PathBuf| Json::from(path.display().to_string()))
}

/// A whole number.
pub fn count<N: TryFrom<i64> + TryInto<i64> + Copy + 'static>(range: RangeInclusive<i64>) -> Reading<N> {
    let form = json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() });
    let show = |number: &N| TryInto::<i64>::try_into(*number).map_or(Json::Null, Json::from);
    Reading::new(form, show, move |node| {
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
    })
}

/// A share, from 0 to 1.
pub fn share() -> Reading<f64> {
    let form = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    Reading::new(
        form,
        |share: &f64| Json::from(*share),
        |node| {
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
        },
    )
}

/// `true` or `false`.
pub fn switch() -> Reading<bool> {
    Reading::new(
        json!({ "type": "boolean" }),
        |on: &bool| Json::from(*on),
        |node| match &node.value {
            Value::Leaf(Leaf::Boolean(on)) => Ok(*on),
            Value::Variable(text) if text == "true" => Ok(true),
            Value::Variable(text) if text == "false" => Ok(false),
            _ => wrong(node, "true or false"),
        },
    )
}

/// A duration with its unit. A day has 24 hours here.
pub fn duration(range: RangeInclusive<Duration>) -> Reading<Duration> {
    let (from, to) = (show(*range.start()), show(*range.end()));
    let form = json!({
        "type": "string",
        // A number, and a unit somewhere after it. Which units there are is left to the reader.
        "pattern": "[0-9].*[A-Za-zµ:]",
        "description": format!("A duration with its unit, from {from} to {to}."),
        "examples": ["30s", "5m", "PT3M"],
    });
    Reading::new(
        form,
        |duration: &Duration| Json::from(show(*duration)),
        move |node| match node.as_text().and_then(parse_duration) {
            Some(duration) if range.contains(&duration) => Ok(duration),
            Some(_) => wrong(node, format_args!("a duration from {from} to {to}")),
            None => wrong(
                node,
                format_args!("a duration with its unit, as \"30s\", \"5m\" or \"PT3M\", from {from} to {to}"),
            ),
        },
    )
}

/// Reads a duration with its unit, wherever one is written: "30s", "7d", "PT3M".
pub fn parse_duration(text: &str) -> Option<Duration> {
    let span: Span = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

/// A duration as a config has it, exactly: "5m", "30d", "2500ms".
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() > 0 && duration.subsec_nanos().is_multiple_of(1_000_000) {
        return format!("{}ms", duration.as_millis());
    }
    if seconds >= 172_800 && seconds.is_multiple_of(86_400) {
        return format!("{}d", seconds / 86_400);
    }
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// A number of bytes with its unit.
pub fn size<N: TryFrom<u64> + TryInto<u64> + Copy + 'static>(range: RangeInclusive<ByteSize>) -> Reading<N> {
    let form = json!({
        "type": "string",
        "pattern": "^\\s*[0-9]*\\.?[0-9]+\\s*[A-Za-z]+\\s*$",
        "description": format!("A size with its unit, from {} to {}.", range.start(), range.end()),
        "examples": ["64KiB", "1MiB"],
    });
    let show = |bytes: &N| TryInto::<u64>::try_into(*bytes).map_or(Json::Null, |it| Json::from(show_size(it)));
    Reading::new(form, show, move |node| {
        let read = node.as_text().and_then(parse_size);
        let size = read.filter(|size| range.contains(size)).and_then(|size| N::try_from(size.as_u64()).ok());
        match size {
            Some(size) => Ok(size),
            None => wrong(
                node,
                format_args!("a size with its unit, as \"64MiB\", from {} to {}", range.start(), range.end()),
            ),
        }
    })
}

/// Reads a size with its unit, wherever one is written: "64MiB".
pub fn parse_size(text: &str) -> Option<ByteSize> {
    let has_unit = text.trim().ends_with(|last: char| last.is_ascii_alphabetic());
    text.trim().parse().ok().filter(|_| has_unit)
}

/// A size as a config has it, exactly: "1MiB".
pub fn show_size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

fn shown_text<T: ToString>(value: &T) -> Json {
    Json::from(value.to_string())
}

/// An address to listen on.
pub fn address() -> Reading<SocketAddr> {
    let form = json!({ "type": "string", "examples": ["127.0.0.1:8080", "[::]:8080"] });
    Reading::new(form, shown_text, |node| match node.as_text().and_then(|text| text.trim().parse().ok()) {
        Some(address) => Ok(address),
        None => wrong(node, "an IP address and a port, as \"127.0.0.1:8080\" or \"[::]:8080\""),
    })
}

/// A network, or one address.
pub fn network() -> Reading<IpNet> {
    Reading::new(json!({ "type": "string", "examples": ["10.0.0.0/8", "fd00::/8"] }), shown_text, |node| {
        let text = node.as_text().map(str::trim).unwrap_or_default();
        let read = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match read {
            Some(network) => Ok(network),
            None => wrong(node, "a network, as \"10.0.0.0/8\" or \"fd00::/8\", or an address"),
        }
    })
}

/// The URL of an OpenID configuration.
pub fn provider() -> Reading<Url> {
    Reading::new(json!({ "type": "string", "format": "uri", "pattern": "^https?://" }), shown_text, |node| {
        let url = node.as_text().and_then(|text| Url::parse(text).ok()).filter(|url| url.host().is_some());
        match url {
            // Not shown: it may contain a password.
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("found a URL with a user, expected one without".into())
            }
            Some(url) if url.scheme() == "https" || (url.scheme() == "http" && loopback::is_in(&url)) => Ok(url),
            Some(_) => wrong(
                node,
                "an https:// URL: somebody who can change the keys in transit can forge notifications (http:// is \
                 allowed for a loopback host only)",
            ),
            None => wrong(node, "an https:// URL"),
        }
    })
}

/// The address of a folder on the web.
pub fn folder() -> Reading<Url> {
    let form = json!({ "type": "string", "format": "uri", "pattern": "^https?://.*/$" });
    Reading::new(form, shown_text, |node| {
        let url = node.as_text().and_then(|text| Url::parse(text).ok()).filter(|url| url.host().is_some());
        match url {
            // Not shown: it may contain a password.
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("found a URL with a user, expected one without".into())
            }
            Some(url) if is_folder(&url) => Ok(url),
            _ => wrong(node, "the address of a folder, with a slash at its end, as \"https://example.com/schemas/\""),
        }
    })
}

fn is_folder(url: &Url) -> bool {
    let is_on_the_web = matches!(url.scheme(), "https" | "http");
    is_on_the_web && url.path().ends_with('/') && url.query().is_none() && url.fragment().is_none()
}

/// The path of an endpoint: literal, so that no pattern and no second spelling can reach it.
pub fn endpoint() -> Reading<String> {
    let is_segment = |segment: &str| {
        let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        plain && !segment.is_empty() && segment != "." && segment != ".."
    };
    let form = json!({ "type": "string", "pattern": "^(/[A-Za-z0-9._~-]+)+$" });
    of_text(form, move |node| match node.as_text() {
        Some(text) if text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment)) => Ok(text.to_owned()),
        _ => wrong(node, "a path as \"/graph/calls\": it begins with / and has only letters, digits and -._~"),
    })
}

/// A reverse DNS name that ends with a dot, or an empty text.
pub fn reverse_dns() -> Reading<String> {
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let form = json!({
        "type": "string", "pattern": "^([A-Za-z0-9-]+\\.)*$", "maxLength": MAX_DNS_CHARS, "examples": ["com.example."],
    });
    of_text(form, move |node| match node.as_text().map(|text| (text, text.strip_suffix('.'))) {
        Some(("", _)) => Ok(String::new()),
        Some((text, Some(name))) if text.len() <= MAX_DNS_CHARS && name.split('.').all(is_label) => Ok(text.to_owned()),
        _ => wrong(node, "a reverse DNS name that ends with a dot, as \"com.example.\", or an empty text"),
    })
}

/// One of these words.
pub fn choice<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Reading<T> {
    let form = json!({ "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() });
    let show =
        move |chosen: &T| words.iter().find(|(_, meaning)| meaning == chosen).map_or(Json::Null, |it| it.0.into());
    Reading::new(form, show, move |node| match node.as_text().and_then(|text| words.iter().find(|it| it.0 == text)) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            wrong(node, format_args!("one of {}", words.join(", ")))
        }
    })
}

/// `N` bytes in hexadecimal.
pub fn hex<const N: usize>() -> Reading<[u8; N]> {
    let form = json!({ "type": "string", "pattern": format!("^[0-9A-Fa-f]{{{}}}$", 2 * N) });
    Reading::new(
        form,
        |bytes: &[u8; N]| Json::from(hex::encode(bytes)),
        |node| {
            let read = node.as_text().and_then(|text| {
                let mut bytes = [0; N];
                hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
            });
            read.map_or_else(|| wrong(node, format_args!("{} hexadecimal digits", 2 * N)), Ok)
        },
    )
}

/// Any value, as JSON.
pub fn json() -> Reading<Json> {
    Reading::new(json!({ "not": { "type": "null" } }), Json::clone, |node| {
        match serde_json::to_value(node.clone().into_plain()) {
            // Numbers that JSON does not have (inf, nan) become null.
            Ok(Json::Null) | Err(_) => wrong(node, "a value that JSON also has"),
            Ok(value) => Ok(value),
        }
    })
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
            assert_eq!(read.read(&leaf(text)), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(read.read(&variable("2500ms")), Ok(Duration::from_millis(2500)));
        for text in ["30", "'30'", "'-5s'", "'1y'", "'101d'", "''", "true", "1.5"] {
            assert!(read.read(&leaf(text)).unwrap_err().contains("expected a duration"), "{text}");
        }
        assert!(read.read(&leaf("30")).unwrap_err().contains("found 30, expected a duration with its unit"));
    }

    #[test]
    fn a_size_has_a_unit() {
        let read = size::<u64>(ByteSize::kib(1)..=ByteSize::gib(1));
        assert_eq!(read.read(&leaf("'1MiB'")), Ok(1_048_576));
        assert_eq!(read.read(&leaf("'1MB'")), Ok(1_000_000));
        assert_eq!(read.read(&variable("1.5 KiB")), Ok(1536));
        for text in ["1048576", "'1048576'", "'-1MiB'", "'2GiB'", "'1B'", "'MiB'"] {
            assert!(read.read(&leaf(text)).unwrap_err().contains("expected a size with its unit"), "{text}");
        }
    }

    #[test]
    fn a_number_stays_within_its_range() {
        let read = count::<u32>(1..=10);
        assert_eq!(read.read(&leaf("10")), Ok(10));
        assert_eq!(read.read(&variable("1_0")), Ok(10));
        for text in ["0", "11", "-1", "'5'", "5.0"] {
            assert!(read.read(&leaf(text)).unwrap_err().contains("a whole number from 1 to 10"), "{text}");
        }
        assert_eq!(share().read(&leaf("0.2")), Ok(0.2));
        assert_eq!(share().read(&leaf("1")), Ok(1.0));
        for text in ["1.1", "nan", "-0.1", "2"] {
            assert!(share().read(&leaf(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for good in ["https://example.com/a", "http://127.0.0.1:9000/a", "http://localhost/a", "http://[::1]:1/"] {
            assert!(provider().read(&leaf(&format!("'{good}'"))).is_ok(), "{good}");
        }
        assert!(!provider().read(&leaf("'https://a:canary@c/'")).unwrap_err().contains("canary"));
        for bad in ["http://example.com/", "http://127.0.0.1.example.com/", "ftp://localhost/", "https://a:b@c/", "x"] {
            assert!(provider().read(&leaf(&format!("'{bad}'"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_is_a_reverse_dns_name_with_a_dot_at_its_end() {
        for good in ["", "com.example.", "com.example.voice-1."] {
            assert_eq!(reverse_dns().read(&leaf(&format!("'{good}'"))).as_deref(), Ok(good));
        }
        for bad in ["com.example", ".", "com..example.", "com.exämple.", "com.example. ", &"a.".repeat(127)] {
            let refused = reverse_dns().read(&leaf(&format!("'{bad}'"))).unwrap_err();
            assert!(refused.ends_with("as \"com.example.\", or an empty text"), "{refused}");
        }
    }

    #[test]
    fn the_address_of_a_folder_ends_with_a_slash() {
        for good in ["https://example.com/schemas/", "http://127.0.0.1:8081/schemas/", "https://example.com/"] {
            assert_eq!(folder().read(&leaf(&format!("'{good}'"))).unwrap().as_str(), good);
        }
        for bad in ["https://example.com/a", "https://example.com/?a/", "https://example.com/#/", "file:///a/", "a/"] {
            let refused = folder().read(&leaf(&format!("'{bad}'"))).unwrap_err();
            assert!(refused.ends_with("as \"https://example.com/schemas/\""), "{refused}");
        }
        assert!(!folder().read(&leaf("'https://a:canary@c/'")).unwrap_err().contains("canary"));
    }

    #[test]
    fn an_endpoint_is_a_literal_path() {
        assert_eq!(endpoint().read(&leaf("'/graph/calls'")).as_deref(), Ok("/graph/calls"));
        for bad in ["graph", "/", "/a/", "//a", "/a/../b", "/{id}", "/a*", "/a?b", "/a%2fb", ""] {
            assert!(endpoint().read(&leaf(&format!("'{bad}'"))).is_err(), "{bad}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_counted() {
        assert_eq!(hex::<2>().read(&leaf("'0aFf'")), Ok([0x0a, 0xff]));
        for bad in ["'0aF'", "'0aFfF'", "'0xff'", "'éa'", "1234"] {
            assert!(hex::<2>().read(&leaf(bad)).is_err(), "{bad}");
        }
    }
}
