//! What the receiver delivered, as an observer sees it: a file that the receiver appends to, or an address that it posts
//! to. Nothing is known of the format: a text that only one notification has is looked for.

use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use parking_lot::Mutex;

use super::check::Mark;
use crate::simulator::SimulatorError;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(20);
/// The largest body that is taken.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Where deliveries are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this file, which may be made later.
    File(PathBuf),
    /// In what is posted to this address.
    Address(SocketAddr),
}

impl Place {
    /// A file's path, or `http://host:port`.
    ///
    /// # Errors
    /// It is an address that cannot be listened on; the text says what was expected.
    pub fn read(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        let expected = |found: &str| format!("{found}: expected a file, or http://HOST:PORT to listen on");
        let url = url::Url::parse(text).map_err(|error| expected(&error.to_string()))?;
        if url.scheme() != "http" {
            return Err(expected(&format!("the scheme is {}", url.scheme())));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(expected("there is no host"));
        };
        let mut addresses =
            (host.trim_matches(['[', ']']), port).to_socket_addrs().map_err(|error| expected(&error.to_string()))?;
        addresses.next().map(Self::Address).ok_or_else(|| expected("the host has no address"))
    }
}

type Posted = Data<Mutex<String>>;

/// Sees what was delivered.
pub struct Observer {
    source: Source,
    /// For how long a delivery is waited for, after everything was sent.
    pub patience: Duration,
    /// How long after that is looked for what must not be delivered.
    pub grace: Duration,
}

enum Source {
    File { path: PathBuf, read_to: u64 },
    Posted(Posted),
}

impl Observer {
    /// Looks from now on: what stands in a file already does not count. The server, if there is one, listens while it is
    /// polled.
    ///
    /// # Errors
    /// The address cannot be listened on, or the file cannot be read.
    pub fn start(place: Place) -> Result<(Self, Option<(SocketAddr, Server)>), SimulatorError> {
        let observer = |source| Self { source, patience: Duration::from_secs(10), grace: Duration::from_secs(1) };
        match place {
            Place::File(path) => {
                let read_to = match std::fs::metadata(&path) {
                    Ok(file) if file.is_file() => file.len(),
                    Ok(_) => return Err(SimulatorError::File { path, cause: std::io::Error::other("it is no file") }),
                    Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => 0,
                    Err(cause) => return Err(SimulatorError::File { path, cause }),
                };
                Ok((observer(Source::File { path, read_to }), None))
            }
            Place::Address(address) => {
                let posted = Posted::default();
                let server = serve(address, &posted)?;
                Ok((observer(Source::Posted(posted)), Some(server)))
            }
        }
    }

    /// Waits until all of these were delivered, or nothing more is to be expected. Then says which of all marks were
    /// delivered, in the order of `wanted` and `unwanted`.
    pub(super) async fn look(&mut self, wanted: &[&Mark], unwanted: &[&Mark]) -> (Vec<bool>, Vec<bool>) {
        let (mut seen, mut unwanted_seen) = (vec![false; wanted.len()], vec![false; unwanted.len()]);
        let (patience, grace) = (self.patience, self.grace);
        let mut look = |this: &mut Self| {
            let text = this.newly_delivered();
            mark(&mut seen, wanted, &text);
            mark(&mut unwanted_seen, unwanted, &text);
            seen.iter().all(|seen| *seen)
        };
        let all_seen = async {
            while !look(self) {
                tokio::time::sleep(EVERY).await;
            }
        };
        let _ = tokio::time::timeout(patience, all_seen).await;
        tokio::time::sleep(grace).await;
        look(self);
        (seen, unwanted_seen)
    }

    /// Whole lines only: one that is still being written is read the next time.
    fn newly_delivered(&mut self) -> String {
        match &mut self.source {
            Source::Posted(posted) => std::mem::take(&mut *posted.lock()).to_lowercase(),
            Source::File { path, read_to } => {
                let mut bytes = Vec::new();
                let read = std::fs::File::open(&*path).and_then(|mut file| {
                    // A file that became shorter was replaced.
                    if file.metadata()?.len() < *read_to {
                        *read_to = 0;
                    }
                    file.seek(SeekFrom::Start(*read_to))?;
                    file.read_to_end(&mut bytes)
                });
                if read.is_err() {
                    return String::new();
                }
                let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                *read_to += whole as u64;
                String::from_utf8_lossy(&bytes[..whole]).to_lowercase()
            }
        }
    }
}

fn mark(seen: &mut [bool], marks: &[&Mark], text: &str) {
    for (seen, mark) in seen.iter_mut().zip(marks) {
        *seen = *seen || mark.is_in(text);
    }
}

fn serve(address: SocketAddr, posted: &Posted) -> Result<(SocketAddr, Server), SimulatorError> {
    let failed = |cause| SimulatorError::Listen { address, cause };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let posted = posted.clone();
    let app = move || {
        let take = |posted: Posted, body: Bytes| async move {
            let mut text = posted.lock();
            text.push_str(&String::from_utf8_lossy(&body));
            text.push('\n');
            HttpResponse::Ok().finish()
        };
        App::new().app_data(posted.clone()).app_data(PayloadConfig::new(MAX_BODY_BYTES)).default_service(web::to(take))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).map_err(failed)?.run();
    Ok((address, server))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_place_is_a_file_or_an_address_to_listen_on() {
        assert_eq!(Place::read("data/events.jsonl"), Ok(Place::File("data/events.jsonl".into())));
        assert_eq!(Place::read("http://127.0.0.1:9500"), Ok(Place::Address(([127, 0, 0, 1], 9500).into())));
        for wrong in ["https://127.0.0.1:9500", "file:///x", "http://"] {
            assert!(Place::read(wrong).unwrap_err().contains("expected a file, or http://HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_file_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = Observer::start(Place::File(folder.path().into())).err().unwrap().to_string();
        assert!(error.ends_with("it is no file"), "{error}");
        assert!(Observer::start(Place::File(folder.path().join("later"))).is_ok());
    }

    #[tokio::test]
    async fn only_whole_lines_that_were_written_from_now_on_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("delivered.jsonl");
        std::fs::write(&path, "before\n").unwrap();
        let (mut observer, _) = Observer::start(Place::File(path.clone())).unwrap();
        (observer.patience, observer.grace) = (Duration::ZERO, Duration::ZERO);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"id\": \"Whole\"}\n{\"id\": \"par").unwrap();
        let marks = ["before", "whole", "partial"].map(Mark::content);
        let marks = marks.iter().collect::<Vec<_>>();
        assert_eq!(observer.look(&marks, &[]).await.0, [false, true, false]);
        file.write_all(b"tial\"}\n").unwrap();
        assert_eq!(observer.look(&[], &marks).await.1, [false, false, true]);
        std::fs::write(&path, "before\n").unwrap();
        assert_eq!(observer.look(&[], &marks).await.1, [true, false, false]);
    }
}
