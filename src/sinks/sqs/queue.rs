//! The address of a queue, and what it tells.

use url::Url;

use crate::config::{Reading, value};
use crate::sinks::address::address;

const EXAMPLE: &str = "https://sqs.eu-north-1.amazonaws.com/123456789012/recordings";
/// The longest name of a region.
const MAX_REGION_CHARS: usize = 64;

/// Reads the address of a queue.
pub(super) fn reading() -> Reading<Url> {
    address(&["http", "https"], EXAMPLE).check(|url| {
        let has_name = url.path_segments().and_then(|mut parts| parts.next_back()).is_some_and(|name| !name.is_empty());
        if has_name && url.query().is_none() && url.fragment().is_none() {
            return Ok(());
        }
        Err(format!("found an address without the name of a queue at its end, expected one as \"{EXAMPLE}\""))
    })
}

/// Reads a region. It becomes a part of a header.
pub(super) fn region() -> Reading<String> {
    value::name(MAX_REGION_CHARS).check(|name| match is_region(name) {
        true => Ok(()),
        false => Err(format!("found {name:?}, expected a region, as \"eu-north-1\"")),
    })
}

/// Whether the queue keeps the order of a group. AWS has a FIFO queue's name end so, and no other.
pub(super) fn is_fifo(queue: &Url) -> bool {
    queue.path().ends_with(".fifo")
}

/// The region that the host names, as `sqs.eu-north-1.amazonaws.com` does.
pub(super) fn region_of(queue: &Url) -> Option<String> {
    let mut labels = queue.host_str()?.split('.');
    labels.find(|label| matches!(*label, "sqs" | "sqs-fips"))?;
    labels.next().filter(|label| is_region(label) && label.contains('-')).map(str::to_owned)
}

fn is_region(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_queue_tells_its_region() {
        for (host, region) in [
            ("sqs.eu-north-1.amazonaws.com", Some("eu-north-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("vpce-1.sqs.eu-north-1.vpce.amazonaws.com", Some("eu-north-1")),
            ("sqs.example.com", None),
            ("127.0.0.1", None),
        ] {
            let queue = Url::parse(&format!("https://{host}/123456789012/a")).unwrap();
            assert_eq!(region_of(&queue).as_deref(), region, "{host}");
        }
    }
}
