//! A shell command that takes a receiver of this process down, waits, and ends when it is back.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use actix_web::dev::Server;
use rustix::fs::{CWD, Mode, mkfifoat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};

/// An address that only these receivers listen on: while one is down, nobody else takes its port.
const ADDRESS: &str = "127.79.0.1:0";

fn pipes(folder: &Path) -> [PathBuf; 2] {
    ["down", "up"].map(|name| folder.join(name))
}

/// The first byte that takes a receiver down for good.
const FOR_GOOD: u8 = b'-';

/// The command. It goes through two named pipes.
pub fn command(folder: &Path) -> String {
    let [down, up] = pipes(folder);
    format!("echo + > '{}' && read done < '{}'", down.display(), up.display())
}

/// A command that takes it down and does not start it again.
pub fn command_for_good(folder: &Path) -> String {
    command(folder).replacen('+', "-", 1)
}

/// A receiver's address, and the pipes of its command.
pub struct Restarts {
    listener: TcpListener,
    down: Receiver,
    up: Sender,
}

impl Restarts {
    pub fn new(folder: &Path) -> Self {
        let [down, up] = pipes(folder).map(|path| {
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
            path
        });
        // So that no end waits for the other one.
        let both_ways = || OpenOptions::new().read_write(true).clone();
        Self {
            listener: TcpListener::bind(ADDRESS).unwrap(),
            down: both_ways().open_receiver(down).unwrap(),
            up: both_ways().open_sender(up).unwrap(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Serves with what `start` makes; after each run of the command with what it makes then.
    pub async fn serve(mut self, start: impl Fn(TcpListener) -> Server) -> io::Result<()> {
        let address = self.address();
        let mut listener = self.listener;
        loop {
            let server = start(listener);
            let handle = server.handle();
            let told = async {
                let how = self.down.read_u8().await?;
                // The line's end.
                self.down.read_u8().await?;
                let mut witness = witness(address).await?;
                handle.stop(false).await;
                // What else was connected is closed at the same time.
                while witness.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
                io::Result::Ok(how)
            };
            let (how, ()) = tokio::try_join!(told, server)?;
            if how == FOR_GOOD {
                self.up.write_all(b"\n").await?;
                // The command may not have read it yet.
                std::future::pending::<()>().await;
            }
            listener = TcpListener::bind(address)?;
            self.up.write_all(b"\n").await?;
        }
    }
}

/// A connection that the receiver has answered on.
async fn witness(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    stream.read_u8().await?;
    Ok(stream)
}
