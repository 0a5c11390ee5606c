//! A far side for the http sink: reads whole requests, and answers with whatever bytes a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

type Answer = Arc<dyn Fn(&Request, &mut TcpStream) + Send + Sync>;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(": "))
    }
}

/// A listener on loopback; its threads end with the process.
pub struct Answering {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
    answer: Arc<Mutex<Answer>>,
}

impl Answering {
    pub fn with(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            answer: Arc::new(Mutex::new(bytes(answer))),
        };
        let (requests, answers, connections) =
            (Arc::clone(&this.requests), Arc::clone(&this.answer), Arc::clone(&this.connections));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), requests, answers) = (stream, Arc::clone(&requests), Arc::clone(&answers)) else {
                    return;
                };
                *connections.lock().unwrap() += 1;
                std::thread::spawn(move || serve(stream, &requests, &answers));
            }
        });
        this
    }

    /// Answers with `answer` from now on.
    pub fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = bytes(answer);
    }

    /// Lets `answer` write to the connection, then closes it.
    pub fn behave(&self, answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(move |_, stream| answer(stream));
    }

    /// Answers each request with what `answer` makes of it.
    pub fn answer_each(&self, answer: impl Fn(&Request) -> String + Send + Sync + 'static) {
        *self.answer.lock().unwrap() =
            Arc::new(move |request, stream| drop(stream.write_all(answer(request).as_bytes())));
    }

    /// Answers with `answer` from now on, but each request only once the returned sender has sent or is dropped.
    pub fn hold(&self, answer: &'static str) -> mpsc::Sender<()> {
        let (opened, gate) = mpsc::channel();
        let gate = Mutex::new(gate);
        self.behave(move |stream| {
            let _ = gate.lock().unwrap().recv();
            let _ = stream.write_all(answer.as_bytes());
        });
        opened
    }

    /// Answers each request with the status that `judge` gives its body.
    pub fn judge(&self, judge: impl Fn(&str) -> &'static str + Send + Sync + 'static) {
        let requests = Arc::clone(&self.requests);
        self.behave(move |stream| {
            let body = requests.lock().unwrap().last().unwrap().body.clone();
            let status = judge(&String::from_utf8(body).unwrap());
            let _ = stream
                .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
        });
    }

    /// Answers 400 with what `shape` makes of the last request's head and body, in a header and in the body.
    pub fn echo(&self, shape: impl Fn(&str, &str) -> String + Send + Sync + 'static) {
        let requests = Arc::clone(&self.requests);
        self.behave(move |stream| {
            let Request { head, body } = requests.lock().unwrap().last().unwrap().clone();
            let body = shape(&head, &String::from_utf8(body).unwrap());
            let (first, n_bytes) = (body.lines().next().unwrap_or_default(), body.len());
            let answer = format!("HTTP/1.1 400 No\r\nx-echo: {first}\r\ncontent-length: {n_bytes}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        });
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn n_connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    /// The keys that make this far side a sink's.
    pub fn table(&self) -> String {
        format!("url = \"http://{}/hook\"\nallow_private = [\"127.0.0.0/8\"]\n", self.address)
    }
}

fn bytes(answer: &str) -> Answer {
    let answer = answer.to_owned();
    Arc::new(move |_, stream| drop(stream.write_all(answer.as_bytes())))
}

fn serve(mut stream: TcpStream, requests: &Mutex<Vec<Request>>, answers: &Mutex<Answer>) {
    let Some(request) = read(&mut stream) else { return };
    requests.lock().unwrap().push(request.clone());
    let answer = Arc::clone(&answers.lock().unwrap());
    answer(&request, &mut stream);
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let n = stream.read(&mut chunk).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&chunk[..n]);
        let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let mut request =
            Request { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes[end + 4..].to_vec() };
        let length: usize = request.header("content-length").map_or(0, |it| it.parse().unwrap());
        let mut rest = vec![0; length.saturating_sub(request.body.len())];
        stream.read_exact(&mut rest).ok()?;
        request.body.extend(rest);
        return Some(request);
    }
}
