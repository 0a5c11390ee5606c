//! The server's events as they arrive (<https://html.spec.whatwg.org/multipage/server-sent-events.html>); reconnects by
//! itself.
//!
//! **Invariants**
//! 1. A reconnect neither misses nor repeats an event: the stream continues after the last id that was read.
//! 2. The first connection must succeed. Later ones are tried again until they do, unless the server refuses.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::ensure;
use reqwest::Response;
use url::Url;

use super::print::remark;
use super::remote::{Remote, Trouble};

/// How long to wait before reconnecting if the server does not say.
const RETRY: Duration = Duration::from_secs(2);
/// The most bytes of an event with all its lines. Those of reelhook are smaller.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// The events of a server, from now on or from the oldest one.
pub struct Events<'a> {
    remote: &'a Remote,
    url: Url,
    answer: Option<Response>,
    reader: Reader,
}

impl<'a> Events<'a> {
    /// Opens the stream with these parameters. When this returns, no later event is missed.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open(remote: &'a Remote, parameters: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut url = remote.at(&["v1.0", "events"]);
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let answer = remote.open_events(url.clone(), None).await?;
        Ok(Self { remote, url, answer: Some(answer), reader: Reader::default() })
    }

    /// The next event's data. Reconnects if needed.
    ///
    /// # Errors
    /// The server refuses, or does not send events.
    pub async fn next(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(data) = self.reader.ready.pop_front() {
                return Ok(data);
            }
            let Some(answer) = &mut self.answer else {
                self.connect_again().await?;
                continue;
            };
            match answer.chunk().await {
                Ok(Some(bytes)) => self.reader.read(&bytes)?,
                Ok(None) => self.lost("it ended"),
                Err(error) => self.lost(&format!("{:#}", anyhow::Error::from(error.without_url()))),
            }
        }
    }

    fn lost(&mut self, why: &str) {
        remark!("lost the stream ({why}); connecting again");
        self.answer = None;
        self.reader.cut();
    }

    async fn connect_again(&mut self) -> anyhow::Result<()> {
        tokio::time::sleep(self.reader.retry.unwrap_or(RETRY)).await;
        let last_id = self.reader.last_id.as_deref().filter(|id| !id.is_empty());
        match self.remote.open_events(self.url.clone(), last_id).await {
            Ok(answer) => {
                remark!("connected again");
                self.answer = Some(answer);
                Ok(())
            }
            Err(Trouble::Away(_)) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

/// Reads the bytes of a stream into events.
#[derive(Default)]
struct Reader {
    line: Vec<u8>,
    after_return: bool,
    data: Option<String>,
    id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
    ready: VecDeque<String>,
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        for &byte in bytes {
            let ends = byte == b'\r' || byte == b'\n';
            // A line ends with CR, LF, or both.
            if byte == b'\n' && std::mem::take(&mut self.after_return) {
                continue;
            }
            self.after_return = byte == b'\r';
            if ends {
                let line = std::mem::take(&mut self.line);
                self.take(&String::from_utf8_lossy(&line));
            } else {
                // The event's earlier lines count too.
                let n_bytes = self.line.len() + self.data.as_ref().map_or(0, String::len);
                ensure!(n_bytes < MAX_EVENT_BYTES, "the server sent an event of more than {MAX_EVENT_BYTES} bytes");
                self.line.push(byte);
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &str) {
        if line.is_empty() {
            return self.end_of_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => data.extend(["\n", value]),
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry),
            _ => {}
        }
    }

    fn end_of_event(&mut self) {
        self.last_id = self.id.clone().or_else(|| self.last_id.take());
        self.ready.extend(self.data.take());
    }

    /// The connection broke: drops the part of an event that was read so far.
    fn cut(&mut self) {
        self.line.clear();
        self.after_return = false;
        self.data = None;
        self.id.clone_from(&self.last_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = "\
retry: 250\nid: 0\n\n: a comment\r\rid: 1\r\nevent: a\r\ndata: {\"a\":1}\r\n\r\ndata:two\ndata: lines\nid\n\ndata\n\nunknown: x\n\n";

    fn read(stream: &[u8], cuts: &[usize]) -> Reader {
        let mut reader = Reader::default();
        let mut start = 0;
        for cut in cuts.iter().map(|cut| cut % stream.len()).chain([stream.len()]) {
            if cut > start {
                reader.read(&stream[start..cut]).unwrap();
                start = cut;
            }
        }
        reader
    }

    proptest! {
        #[test]
        fn a_stream_reads_the_same_however_it_is_cut(mut cuts in prop::collection::vec(any::<usize>(), 0..9)) {
            cuts.iter_mut().for_each(|cut| *cut %= STREAM.len());
            cuts.sort_unstable();
            let reader = read(STREAM.as_bytes(), &cuts);
            prop_assert_eq!(reader.ready, ["{\"a\":1}", "two\nlines", ""]);
            prop_assert_eq!(reader.last_id.as_deref(), Some(""));
            prop_assert_eq!(reader.retry, Some(Duration::from_millis(250)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            read(&bytes, &[]);
        }
    }

    #[test]
    fn an_event_that_does_not_end_is_given_up_whether_it_is_one_line_or_many() {
        for piece in
            [vec![b'a'; 1 << 20], b"data: ".iter().copied().chain(vec![b'a'; 1 << 20]).chain([b'\n']).collect()]
        {
            let mut reader = Reader::default();
            let n_read = (0..100).take_while(|_| reader.read(&piece).is_ok()).count();
            assert!(n_read < 70, "{n_read} MiB were kept");
        }
    }

    #[test]
    fn what_was_cut_in_the_middle_of_an_event_is_void() {
        let mut reader = read(b"id: 1\ndata: a\n\nid: 2\ndata: b\n", &[]);
        reader.cut();
        reader.read(b"\ndata: c\n\n").unwrap();
        assert_eq!(reader.ready, ["a", "c"]);
        assert_eq!(reader.last_id.as_deref(), Some("1"));
    }
}
