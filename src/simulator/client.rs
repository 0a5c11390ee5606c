//! Graph's HTTP client: one connection at a time, HTTP/1.1, no proxy.
//!
//! **Invariants**
//! 1. It sends what it was given: it adds no header but `Host` and the body's length.
//! 2. It reads an answer up to [`MAX_ANSWER_BYTES`], and waits for it no longer than [`ANSWER_TIMEOUT`].
//! 3. A POST that is redirected goes to the `Location` once, unchanged; a second redirect is the answer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use url::Url;

use super::unreachable::{NoSuchName, Unreachable};

/// The longest that one answer is waited for: Graph gives up after 3 s, a retry after 10 s.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The most bytes of an answer that are read.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Why there is no answer. Each text is complete and includes the system's error.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL cannot be posted to.
    #[error("{url}: expected http://host or https://host: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection; the receiver may not be up.
    #[error("cannot connect to {to}: {cause}")]
    Connect {
        /// Host and port.
        to: String,
        /// What the system or TLS said.
        cause: std::io::Error,
    },
    /// A path or header cannot be sent.
    #[error("the request cannot be made: {0}")]
    Request(hyper::http::Error),
    /// The connection broke before the answer was whole.
    #[error("no complete answer: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The request was not sent: the connection had been closed. It can be sent again.
    #[error("the receiver had closed the connection")]
    Closed,
    /// The answer did not come in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl ClientError {
    /// Why there is no connection, where that is known.
    pub fn unreachable(&self) -> Option<Unreachable> {
        match self {
            Self::Connect { cause, .. } => Unreachable::of(cause),
            _ => None,
        }
    }
}

/// What the receiver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// From the first byte sent, connecting aside, to the last byte received. Both answers together, if it was redirected.
    pub took: Duration,
    /// The address that this answer came from, if the POST was redirected to it.
    pub redirected_to: Option<Url>,
}

impl Answer {
    /// Whether Graph would count it as delivered.
    pub fn is_2xx(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text, empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A request, ready to be sent as it is.
#[derive(Clone, Debug)]
pub struct Post {
    /// `POST`, mostly.
    pub method: Method,
    /// Path and query, appended to the receiver's URL.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Post {
    /// A POST of a body, without headers.
    pub fn new(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, path: path.into(), headers: HeaderMap::new(), body: body.into() }
    }

    /// Adds a header; one that HTTP does not allow is left out.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }
}

/// The receiver's address.
#[derive(Clone)]
pub struct Client {
    host: String,
    port: u16,
    authority: HeaderValue,
    prefix: String,
    tls: Option<TlsConnector>,
}

impl Client {
    /// For a receiver's base URL; a path in it is put before every other.
    ///
    /// # Errors
    /// It is no http or https URL with a host.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = |why: String| ClientError::Url { url: url.into(), why };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let tls = match parsed.scheme() {
            "http" => None,
            "https" => {
                let config = crate::tls::client_config().map_err(|error| wrong(error.to_string()))?;
                Some(TlsConnector::from(Arc::new(config)))
            }
            scheme => return Err(wrong(format!("its scheme is {scheme}"))),
        };
        let host = parsed.host_str().ok_or_else(|| wrong("it has no host".into()))?;
        let port = parsed.port_or_known_default().unwrap_or(80);
        let authority = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: HeaderValue::from_str(&authority).map_err(|error| wrong(error.to_string()))?,
            prefix: parsed.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Sends one request over a connection of its own. A POST follows one redirect (302, 307), as the calling platform
    /// does (<https://learn.microsoft.com/microsoftteams/platform/bots/calls-and-meetings/call-notifications>).
    ///
    /// # Errors
    /// There was no answer: the error says how far it came.
    pub async fn send(&self, post: Post) -> Result<Answer, ClientError> {
        let answer = self.send_once(&post).await?;
        let Some(to) = self.redirection(&post, &answer) else { return Ok(answer) };
        let there = Self::new(&to[..url::Position::BeforePath])?;
        let moved = Post { path: to[url::Position::BeforePath..url::Position::AfterQuery].to_owned(), ..post };
        let second = there.send_once(&moved).await?;
        Ok(Answer { took: answer.took + second.took, redirected_to: Some(to), ..second })
    }

    /// Sends one request over a connection of its own, and follows nothing.
    pub(super) async fn send_once(&self, post: &Post) -> Result<Answer, ClientError> {
        let request = self.request(post)?;
        let mut connection = self.connect().await?;
        connection.send(request).await
    }

    /// Where an answer sends a POST.
    fn redirection(&self, post: &Post, answer: &Answer) -> Option<Url> {
        let is_redirected = post.method == Method::POST && matches!(answer.status, 302 | 307);
        let location = is_redirected.then(|| answer.header("location")).filter(|location| !location.is_empty())?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let here = format!("{scheme}://{}{}{}", self.authority.to_str().ok()?, self.prefix, post.path);
        let to = Url::parse(&here).ok()?.join(location).ok()?;
        (matches!(to.scheme(), "http" | "https") && to.has_host()).then_some(to)
    }

    /// The request of a post, to be sent over a connection of this client.
    pub(super) fn request(&self, post: &Post) -> Result<Request<Full<Bytes>>, ClientError> {
        let uri = format!("{}{}", self.prefix, post.path);
        let request = Request::builder().method(post.method.clone()).uri(uri).body(Full::new(post.body.clone()));
        let mut request = request.map_err(ClientError::Request)?;
        *request.headers_mut() = post.headers.clone();
        request.headers_mut().insert(HOST, self.authority.clone());
        Ok(request)
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let connecting = async { self.over(self.tcp().await?).await };
        tokio::time::timeout(ANSWER_TIMEOUT, connecting).await.unwrap_or(Err(ClientError::Timeout(ANSWER_TIMEOUT)))
    }

    /// Connects without TLS, and sends nothing.
    pub(super) async fn tcp(&self) -> Result<TcpStream, ClientError> {
        let unresolved = |cause| self.failed(std::io::Error::other(NoSuchName(cause)));
        let addresses = lookup_host((self.host.as_str(), self.port)).await.map_err(unresolved)?.collect::<Vec<_>>();
        let stream = TcpStream::connect(&*addresses).await.map_err(|cause| self.failed(cause))?;
        stream.set_nodelay(true).map_err(|cause| self.failed(cause))?;
        Ok(stream)
    }

    /// Prepares a connection for requests: with TLS, if the receiver's URL is an https one.
    pub(super) async fn over(&self, stream: TcpStream) -> Result<Connection, ClientError> {
        let Some(connector) = &self.tls else { return Connection::new(stream).await };
        let failed = |cause| self.failed(cause);
        let name = ServerName::try_from(self.host.clone()).map_err(|error| failed(std::io::Error::other(error)))?;
        Connection::new(connector.connect(name, stream).await.map_err(failed)?).await
    }

    fn failed(&self, cause: std::io::Error) -> ClientError {
        ClientError::Connect { to: format!("{}:{}", self.host, self.port), cause }
    }
}

/// An open connection. It is driven only while a request is under way, by the task that sends it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
}

impl Connection {
    async fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, ClientError> {
        let (sender, driver) =
            handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::Broken(error.into()))?;
        let driver = Box::pin(async move { drop(driver.await) });
        Ok(Self { sender, driver, ended: false })
    }

    /// Whether another request can be tried.
    pub(super) fn is_open(&self) -> bool {
        !self.ended && !self.sender.is_closed()
    }

    /// Sends a request and reads its answer.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
        let exchange = exchange(&mut self.sender, request);
        let driven = async {
            match select(pin!(exchange), &mut self.driver).await {
                Either::Left((answer, _driver)) => answer,
                Either::Right(((), exchange)) => {
                    self.ended = true;
                    exchange.await
                }
            }
        };
        tokio::time::timeout(ANSWER_TIMEOUT, driven).await.unwrap_or(Err(ClientError::Timeout(ANSWER_TIMEOUT)))
    }
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Answer, ClientError> {
    sender.ready().await.map_err(|_closed| ClientError::Closed)?;
    let began = Instant::now();
    let response = sender.send_request(request).await.map_err(|error| match error.is_canceled() {
        true => ClientError::Closed,
        false => ClientError::Broken(error.into()),
    })?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(ClientError::Broken)?.to_bytes();
    let (status, took) = (head.status.as_u16(), began.elapsed());
    Ok(Answer { status, headers: head.headers, body, took, redirected_to: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_posted_to_is_refused_with_its_reason() {
        for (url, why) in [("ftp://x", "scheme is ftp"), ("nonsense", "relative URL"), ("http://", "empty host")] {
            let error = Client::new(url).err().unwrap().to_string();
            assert!(error.contains(url) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_path_of_the_url_comes_before_every_other() {
        let client = Client::new("http://[::1]:8080/base/").unwrap();
        let request = client.request(&Post::new("/graph/calls?a=b", "")).unwrap();
        assert_eq!(request.uri().to_string(), "/base/graph/calls?a=b");
        assert_eq!(request.headers()[HOST], "[::1]:8080");
        assert_eq!(client.host, "::1");
    }

    #[test]
    fn only_a_post_is_redirected_and_only_to_a_web_address() {
        let client = Client::new("http://a:8080").unwrap();
        let to = |method: Method, status, location: &str| {
            let headers = HeaderMap::from_iter([(hyper::header::LOCATION, HeaderValue::from_str(location).unwrap())]);
            let answer = Answer { status, headers, body: Bytes::new(), took: Duration::ZERO, redirected_to: None };
            let post = Post { method, ..Post::new("/graph/calls", "") };
            client.redirection(&post, &answer).map(|to| to.to_string())
        };
        assert_eq!(to(Method::POST, 307, "/emea?a=b").as_deref(), Some("http://a:8080/emea?a=b"));
        assert_eq!(to(Method::POST, 302, "https://b/c").as_deref(), Some("https://b/c"));
        let others = [(Method::GET, 302, "/x"), (Method::POST, 301, "/x"), (Method::POST, 302, "mailto:a@b")];
        assert!(others.into_iter().all(|(method, status, location)| to(method, status, location).is_none()));
    }
}
