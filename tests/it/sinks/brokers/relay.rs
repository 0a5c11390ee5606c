//! A relay between a client and a server, which counts how often the client had to wait for an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub struct Relay {
    pub address: SocketAddr,
    turns: Arc<Turns>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Turns {
    n: AtomicUsize,
    is_client_waiting: AtomicBool,
}

impl Relay {
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, turns, mut task) = (listener.local_addr().unwrap(), Arc::<Turns>::default(), JoinSet::new());
        let counted = Arc::clone(&turns);
        task.spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let (client_reads, client_writes) = client.into_split();
            let (server_reads, server_writes) = TcpStream::connect(server).await.unwrap().into_split();
            tokio::join!(
                carry(client_reads, server_writes, || counted.is_client_waiting.store(true, Ordering::SeqCst)),
                carry(server_reads, client_writes, || {
                    if counted.is_client_waiting.swap(false, Ordering::SeqCst) {
                        counted.n.fetch_add(1, Ordering::SeqCst);
                    }
                }),
            );
        });
        Self { address, turns, _task: task }
    }

    /// How often the server answered after the client had sent something.
    pub fn n_turns(&self) -> usize {
        self.turns.n.load(Ordering::SeqCst)
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, note: impl Fn()) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut bytes).await {
        note();
        if n == 0 || to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
