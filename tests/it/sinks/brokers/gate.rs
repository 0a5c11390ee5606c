//! The way to a server, which can be closed, for a server that forgets what it had when it ends; and which can be encrypted.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub struct Gate {
    pub address: SocketAddr,
    server: SocketAddr,
    tls: Option<TlsAcceptor>,
    task: JoinSet<()>,
}

impl Gate {
    /// Makes a gate that is open.
    pub async fn to(server: SocketAddr, address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let mut gate = Self { address, server, tls, task: JoinSet::new() };
        gate.open().await;
        gate
    }

    /// Listens, and carries every connection to the server.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (server, tls) = (self.server, self.tls.clone());
        self.task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(carry(client, server, tls.clone()));
            }
        });
    }

    /// Cuts every connection, and listens no more.
    pub async fn close(&mut self) {
        self.task.shutdown().await;
    }
}

/// Whoever ends it: it is over then.
async fn carry(mut client: TcpStream, server: SocketAddr, tls: Option<TlsAcceptor>) -> Option<()> {
    let mut server = TcpStream::connect(server).await.ok()?;
    let ended = match tls {
        Some(tls) => copy_bidirectional(&mut tls.accept(client).await.ok()?, &mut server).await,
        None => copy_bidirectional(&mut client, &mut server).await,
    };
    ended.ok().map(drop)
}
