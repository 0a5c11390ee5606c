//! The way to a server, which can be closed, for a server that forgets what it had when it ends; which can
//! fall silent; and which can be encrypted.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub struct Gate {
    pub address: SocketAddr,
    server: SocketAddr,
    tls: Option<TlsAcceptor>,
    /// How often it fell silent.
    n_silences: watch::Sender<u64>,
    task: JoinSet<()>,
}

impl Gate {
    /// Makes a gate that is open.
    pub async fn to(server: SocketAddr, address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let mut gate = Self { address, server, tls, n_silences: watch::Sender::new(0), task: JoinSet::new() };
        gate.open().await;
        gate
    }

    /// Listens, and carries every connection to the server.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let (server, tls, n_silences) = (self.server, self.tls.clone(), self.n_silences.clone());
        self.task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (tls, mut silences) = (tls.clone(), n_silences.subscribe());
                connections.spawn(async move {
                    tokio::select! {
                        _ended = carry(&mut client, server, tls) => {}
                        _silent = silences.changed() => std::future::pending().await,
                    }
                });
            }
        });
    }

    /// Keeps every connection open, and carries nothing over it any more. New ones are carried.
    pub fn fall_silent(&self) {
        self.n_silences.send_modify(|n| *n += 1);
    }

    /// Cuts every connection, and listens no more.
    pub async fn close(&mut self) {
        self.task.shutdown().await;
    }
}

/// Whoever ends it: it is over then.
async fn carry(client: &mut TcpStream, server: SocketAddr, tls: Option<TlsAcceptor>) -> Option<()> {
    let mut server = TcpStream::connect(server).await.ok()?;
    let ended = match tls {
        Some(tls) => copy_bidirectional(&mut tls.accept(client).await.ok()?, &mut server).await,
        None => copy_bidirectional(client, &mut server).await,
    };
    ended.ok().map(drop)
}
