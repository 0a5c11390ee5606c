use actix_http::h1::{Codec, Message};
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio_util::codec::Decoder;

use super::*;

const MAX_HEAD: usize = 1024;

/// Heads that ended in `pieces`, and where the flaw is, counted from the beginning.
fn follow<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (usize, Option<usize>) {
    let (mut framing, mut n_heads, mut n_bytes) = (Framing::new(MAX_HEAD), 0, 0);
    for piece in pieces {
        match framing.pass(piece) {
            Ok(passed) => n_heads += passed.n_heads,
            Err(Flaw::Byte(at)) => return (n_heads, Some(n_bytes + at)),
            Err(Flaw::TooLarge) => return (n_heads, Some(usize::MAX)),
        }
        n_bytes += piece.len();
    }
    (n_heads, None)
}

/// The same whole and byte by byte.
fn flaw_in(text: &str) -> Option<usize> {
    let (whole, single) = (follow([text.as_bytes()]), follow(text.as_bytes().chunks(1)));
    assert_eq!(whole.1, single.1, "{text:?}");
    whole.1
}

#[test]
fn a_line_of_a_head_ends_with_both_or_is_refused_at_its_line_feed() {
    for (before, after) in [
        ("GET / HTTP/1.1", "\nhost: a\r\n\r\n"),
        ("GET / HTTP/1.1\r\nhost: a", "\n\r\n"),
        ("GET / HTTP/1.1\r\nhost: a\r\n", "\n"),
        ("", "\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1", "\n"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n\n\n\nGET / HTTP/1.1", "\n"),
    ] {
        assert_eq!(flaw_in(&format!("{before}{after}")), Some(before.len()), "{before:?} {after:?}");
    }
}

#[test]
fn nothing_but_an_extension_follows_the_size_of_a_chunk() {
    let head = "POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (before, after) in
        [("5", " \r\nhello"), ("5", "\t;a=b\r\nhello"), ("", " 5\r\n"), ("5", "\nhello"), ("5;a", "\n"), ("", "\r\n")]
    {
        assert_eq!(flaw_in(&format!("{head}{before}{after}")), Some(head.len() + before.len()), "{before}{after:?}");
    }
    for good in ["5\r\nhe\nlo\r\n0\r\n\r\n", "05;a=\"b c\"\r\nhello\r\n0;b\r\nx: y\r\n\r\n"] {
        assert_eq!(flaw_in(&format!("{head}{good}GET / HTTP/1.1\r\nhost: a\r\n\r\n")), None, "{good:?}");
        assert_eq!(follow([format!("{head}{good}GET / HTTP/1.1\r\n\r\n").as_bytes()]).0, 2, "{good:?}");
    }
    let trailer = format!("{head}0\r\nx: y");
    assert_eq!(flaw_in(&format!("{trailer}\nz: a\r\n\r\n")), Some(trailer.len()));
}

#[test]
fn a_head_has_its_bound_and_contents_have_none() {
    let mut head = format!("POST / HTTP/1.1\r\nhost: {}", "a".repeat(MAX_HEAD));
    assert_eq!(flaw_in(&head), Some(usize::MAX));
    assert_eq!(flaw_in(&"\r\n".repeat(MAX_HEAD)), Some(usize::MAX), "empty lines are no way around it");
    head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 3 * MAX_HEAD);
    assert_eq!(flaw_in(&format!("{head}{}", "\n".repeat(3 * MAX_HEAD))), None);
}

#[test]
fn what_is_behind_a_head_is_told() {
    let mut framing = Framing::new(MAX_HEAD);
    let head = "GET / HTTP/1.1\r\n\r\n";
    let passed = framing.pass(format!("{head}GET /").as_bytes()).unwrap();
    assert_eq!(passed, Passed { n_heads: 1, head_bytes: head.len() + 5, behind: 5 });
    assert_eq!(framing.unfinished(), 5);
}

/// How many requests actix reads, `None` where it refuses any of it.
fn as_actix_reads(bytes: &[u8]) -> Option<usize> {
    // Its clock needs a system.
    actix_web::rt::System::new().block_on(async {
        let (mut codec, mut bytes, mut n) = (Codec::default(), BytesMut::from(bytes), 0);
        while let Some(message) = codec.decode(&mut bytes).ok()? {
            n += usize::from(matches!(message, Message::Item(_)));
        }
        Some(n)
    })
}

fn fragment() -> impl Strategy<Value = &'static str> {
    select(vec![
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /a:b HTTP/1.1\r\nhost: a\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: a\r\n",
        "POST / HTTP/1.0\r\n",
        "content-length: 5\r\n",
        "Content-Length:\t 0 \r\n",
        "content-length: 2\r\n\r\nok",
        "transfer-encoding: chunked\r\n\r\n",
        "transfer-encoding:  Chunked \r\nx: y\r\n\r\n",
        "transfer-encoding: identity\r\n",
        "upgrade: websocket\r\n",
        "x-content-length: 7\r\n",
        "5\r\nhello\r\n",
        "A;b=c\r\n0123456789\r\n",
        "0\r\n\r\n",
        "0\r\nx: y\r\n\r\n",
        "\r\n",
        "\n",
        "\r",
        " ",
        "hello",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_actix_reads_without_a_flaw_is_framed_alike(
        fragments in vec(fragment(), 1..12),
        cuts in vec(1usize..40, 1..6),
    ) {
        let text = fragments.concat();
        let mut pieces = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        let (n_heads, flaw) = follow(pieces);
        let read = as_actix_reads(text.as_bytes());
        if let (Some(read), None) = (read, flaw) {
            prop_assert_eq!(n_heads, read, "{:?}", text);
        }
        // A flaw is never seen in a content: of what is all in order nothing is refused.
        if !text.replace("\r\n", "").contains(['\n', '\r', ' ']) {
            prop_assert!(flaw.is_none() || read.is_none(), "{:?}", text);
        }
    }
}
