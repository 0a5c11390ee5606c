//! A client of the stream of events.

use std::collections::VecDeque;

use reqwest::Response;
use serde_json::Value;

use crate::recording_sink::PATIENCE;
use crate::test_app::TestApp;

/// A block of the stream: its fields, in order.
pub type Block = Vec<(String, String)>;

/// An open stream.
pub struct Stream {
    /// The answer's head.
    pub answer: Response,
    text: String,
    blocks: VecDeque<Block>,
    /// The last id that was told.
    pub last_id: String,
}

impl Stream {
    /// Opens it, after an event where one is named, and reads the place that it begins at.
    pub async fn open(app: &TestApp, query: &str, last_event_id: Option<&str>) -> Self {
        let mut request = reqwest::Client::new().get(format!("http://{}/v1.0/events{query}", app.admin));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut stream = Self { answer, text: String::new(), blocks: VecDeque::new(), last_id: String::new() };
        let first = stream.block().await.expect("a first block");
        assert_eq!(first[0], ("retry".to_owned(), "2000".to_owned()));
        stream
    }

    /// The next block; `None` where the stream ended.
    pub async fn block(&mut self) -> Option<Block> {
        let found = tokio::time::timeout(PATIENCE, self.read()).await.expect("something on the stream")?;
        if let Some((_, id)) = found.iter().find(|(field, _)| field == "id") {
            self.last_id.clone_from(id);
        }
        Some(found)
    }

    /// The next event: what its fields `id`, `event` and `data` say.
    pub async fn event(&mut self) -> Value {
        loop {
            let block = self.block().await.expect("an event");
            let field = |name: &str| block.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
            let Some(data) = field("data") else { continue };
            let event: Value = serde_json::from_str(data).unwrap();
            assert_eq!((field("id"), field("event")), (event["id"].as_str(), event["type"].as_str()));
            assert_eq!(block.len(), 3, "{block:?}");
            return event;
        }
    }

    /// The client contexts of the next events.
    pub async fn contexts(&mut self, n: usize) -> Vec<String> {
        let mut contexts = Vec::new();
        while contexts.len() < n {
            contexts.push(self.event().await["clientcontext"].as_str().unwrap_or_default().to_owned());
        }
        contexts
    }

    async fn read(&mut self) -> Option<Block> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                return Some(block);
            }
            let chunk = self.answer.chunk().await.unwrap()?;
            self.text.push_str(str::from_utf8(&chunk).unwrap());
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let fields = block.lines().filter_map(|line| line.split_once(": "));
                self.blocks.push_back(fields.map(|(field, value)| (field.to_owned(), value.to_owned())).collect());
                self.text = rest.to_owned();
            }
        }
    }
}
