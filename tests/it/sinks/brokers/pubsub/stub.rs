//! What Pub/Sub does, as far as these tests ask for it, for a machine that does not have the emulator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub struct Stub {
    pub address: SocketAddr,
    _task: JoinSet<()>,
}

/// Topics, and subscriptions with their topics and what they still have.
#[derive(Default)]
struct State {
    topics: Vec<String>,
    subscriptions: BTreeMap<String, (String, Vec<Value>)>,
    n_messages: usize,
}

impl Stub {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state, mut task) =
            (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default(), JoinSet::new());
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { address, _task: task }
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest.lines().next().unwrap());
    let n_bytes = end + 4 + length.parse::<usize>().unwrap();
    while bytes.len() < n_bytes {
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    }
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (method, path) = head.lines().next().unwrap().rsplit_once(' ').unwrap().0.split_once(' ').unwrap();
    let path = path.splitn(5, '/').nth(4).unwrap().replace("%25", "%");
    let question = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
    let answered = state.lock().unwrap().answer(method, &path, &question);
    let (status, body) = match answered {
        Some(body) => (200, body),
        None => (404, json!({ "error": { "code": 404, "message": "Topic not found", "status": "NOT_FOUND" } })),
    };
    let body = body.to_string();
    let answer = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.ok()
}

impl State {
    /// The answer; `None` where nothing is there.
    fn answer(&mut self, method: &str, path: &str, question: &Value) -> Option<Value> {
        let (kind, name) = path.split_once('/')?;
        match (method, kind) {
            ("PUT", "topics") => self.topics.push(name.to_owned()),
            ("PUT", _) => {
                let topic = question["topic"].as_str()?.rsplit_once('/')?.1.to_owned();
                self.subscriptions.insert(name.to_owned(), (topic, Vec::new()));
            }
            ("GET", _) => return self.look(name),
            (_, "topics") => return self.publish(name.strip_suffix(":publish")?, question["messages"].as_array()?),
            _ => return Some(self.pull(name)),
        }
        Some(json!({}))
    }

    fn look(&self, name: &str) -> Option<Value> {
        let topic = name.trim_end_matches("/subscriptions");
        self.topics.iter().find(|it| *it == topic)?;
        let subscriptions = self.subscriptions.iter().filter(|(_, (of, _))| of == topic);
        Some(json!({ "subscriptions": subscriptions.map(|(name, _)| name).collect::<Vec<_>>() }))
    }

    fn publish(&mut self, topic: &str, messages: &[Value]) -> Option<Value> {
        self.topics.iter().find(|it| *it == topic)?;
        for (_, kept) in self.subscriptions.values_mut().filter(|(of, _)| of == topic) {
            kept.extend(messages.iter().cloned());
        }
        self.n_messages += messages.len();
        let first = self.n_messages - messages.len();
        Some(json!({ "messageIds": (first..self.n_messages).map(|n| n.to_string()).collect::<Vec<_>>() }))
    }

    /// Gives all that there is. What is acknowledged was given already.
    fn pull(&mut self, name: &str) -> Value {
        let kept = name.strip_suffix(":pull").and_then(|name| self.subscriptions.get_mut(name));
        let given = kept.map(|(_, kept)| std::mem::take(kept)).unwrap_or_default();
        let given = given.into_iter().map(|message| json!({ "ackId": "all", "message": message }));
        json!({ "receivedMessages": given.collect::<Vec<_>>() })
    }
}
