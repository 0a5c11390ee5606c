//! A connection that is held open while the receiver is killed and started again: a process that ends closes its
//! connections, so one that stays open shows that nothing was restarted.
//!
//! **Invariants**
//! 1. It is renewed each second, so that a receiver that closes idle connections is not taken for one that went down.
//! 2. A renewed connection is opened before the former one is let go: no moment is without one.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::simulator::client::{Answer, Client, ClientError, Post};

/// The age at which a connection is renewed: far below the time after which receivers close idle ones.
const RENEWED_AFTER: Duration = Duration::from_secs(1);
/// How long connecting may take: a receiver that takes longer is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a close may take to be noticed, after it happened.
const NOTICED_WITHIN: Duration = Duration::from_millis(20);

/// Also for https it is the TCP connection alone: nothing is sent before it is known how the command ended.
pub(super) struct Held<'a> {
    client: &'a Client,
    stream: TcpStream,
    renewed_after: Duration,
    went_down: bool,
}

impl<'a> Held<'a> {
    /// Opens it.
    ///
    /// # Errors
    /// There is no connection.
    pub(super) async fn open(client: &'a Client) -> Result<Self, ClientError> {
        Ok(Self { client, stream: client.tcp().await?, renewed_after: RENEWED_AFTER, went_down: false })
    }

    /// Ends as soon as the receiver goes down.
    pub(super) async fn until_down(&mut self) {
        while !self.went_down {
            self.went_down = is_closed_within(&mut self.stream, self.renewed_after).await || !self.is_renewed().await;
        }
    }

    /// Whether there is a new connection, and the former one was open until then.
    async fn is_renewed(&mut self) -> bool {
        let Ok(Ok(fresh)) = timeout(CONNECT_TIMEOUT, self.client.tcp()).await else { return false };
        let mut former = std::mem::replace(&mut self.stream, fresh);
        !is_closed_within(&mut former, NOTICED_WITHIN).await
    }

    /// The answer to this request over the connection. `None` if the receiver went down, or does not answer: nobody is
    /// at the other end any more.
    pub(super) async fn answer(self, post: &Post, patience: Duration) -> Option<Answer> {
        if self.went_down {
            return None;
        }
        let asked = async {
            let mut connection = self.client.over(self.stream).await?;
            connection.send(self.client.request(post)?).await
        };
        timeout(patience, asked).await.ok()?.ok()
    }
}

/// Whether the other end closes or resets the connection in this time. One that it spoke on before, it may close: that
/// is an answer to silence.
async fn is_closed_within(stream: &mut TcpStream, time: Duration) -> bool {
    match timeout(time, stream.read(&mut [0])).await {
        Err(_elapsed) => false,
        Ok(Ok(1..)) => {
            sleep(time).await;
            false
        }
        Ok(Ok(0) | Err(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// Long enough for whatever must not happen in it.
    const A_WHILE: Duration = Duration::from_millis(50);

    async fn receiver() -> (TcpListener, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        (listener, client)
    }

    async fn held(client: &Client) -> Held<'_> {
        Held { renewed_after: Duration::from_millis(1), ..Held::open(client).await.unwrap() }
    }

    async fn answered(mut stream: TcpStream) {
        if stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_receiver_that_closes_its_connections_went_down() {
        let (listener, client) = receiver().await;
        let mut held = Held::open(&client).await.unwrap();
        drop(listener.accept().await.unwrap());
        held.until_down().await;
        assert!(held.answer(&Post::new("/", ""), A_WHILE).await.is_none());
    }

    #[tokio::test]
    async fn a_receiver_that_takes_no_new_connection_went_down() {
        let (listener, client) = receiver().await;
        let mut held = held(&client).await;
        // Kept open, as a proxy would.
        let _former = listener.accept().await.unwrap();
        drop(listener);
        held.until_down().await;
        assert!(held.answer(&Post::new("/", ""), A_WHILE).await.is_none());
    }

    #[tokio::test]
    async fn a_receiver_that_stays_is_not_taken_for_one_that_went_down() {
        let (listener, client) = receiver().await;
        let mut held = held(&client).await;
        let mut accepted = Vec::new();
        let serving = async {
            while accepted.len() < 4 {
                accepted.push(listener.accept().await.unwrap().0);
            }
        };
        // Each was let go only after the next one was open.
        tokio::select! {
            () = held.until_down() => panic!("nobody went down"),
            () = serving => {}
        }
        let post = Post::new("/", "");
        let answering = join_all(accepted.into_iter().map(answered));
        let (answer, _) = tokio::join!(held.answer(&post, Duration::from_secs(5)), answering);
        assert_eq!(answer.map(|answer| answer.status), Some(404));
    }

    #[tokio::test]
    async fn one_that_answers_silence_before_it_closes_is_not_down() {
        let (listener, client) = receiver().await;
        let mut held = Held::open(&client).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        drop(accepted);
        assert!(timeout(A_WHILE, held.until_down()).await.is_err());
    }

    #[tokio::test]
    async fn silence_on_the_connection_is_no_answer() {
        let (listener, client) = receiver().await;
        let held = Held::open(&client).await.unwrap();
        let _silent = listener.accept().await.unwrap();
        assert!(held.answer(&Post::new("/", ""), A_WHILE).await.is_none());
    }
}
