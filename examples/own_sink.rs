//! A sink of one's own: a program with reelhook's whole command line, whose configs may say `kind = "lines"`. It sends each
//! event as a line of JSON over TCP, and the event counts as delivered when the server answers `ok`. docs/own-sink.md
//! explains it.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use async_trait::async_trait;
use reelhook::config::{Section, value};
use reelhook::domain::Delivery;
use reelhook::sinks::{Context, DeliveryError, FromConfig, Kind, Shape, Sink, WITHOUT_HEADERS};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Sends each event as a line over TCP.
pub struct LinesSink {
    address: SocketAddr,
    shape: Shape,
}

impl FromConfig for LinesSink {
    const KIND: &'static str = "lines";
    const SUMMARY: &'static str = "a line of JSON over TCP";
    const CONFIRMED: &'static str = "answered with ok";
    const PAGE: &'static str = "\
| key | default | unit | purpose |
|---|---|---|---|
| `address` | required | | where the server listens |
";

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let address = section.need("address", "an IP address and a port, as \"127.0.0.1:7000\"", value::address());
        let shape = Shape::read(section, WITHOUT_HEADERS, context);
        Some(Self { address: address?, shape })
    }
}

#[async_trait]
impl Sink for LinesSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let answer = self.exchange(&self.shape.lines(&[delivery])).await.map_err(failed)?;
        match answer.trim_end() {
            "ok" => Ok(()),
            "never" => Err(DeliveryError::Reject { reason: "the server refused the event".into() }),
            _ => Err(DeliveryError::Retry { reason: "the server did not answer ok".into(), after: None, pause: false }),
        }
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        TcpStream::connect(self.address).await.map(|_connection| Vec::new()).map_err(failed)
    }
}

impl LinesSink {
    async fn exchange(&self, line: &[u8]) -> io::Result<String> {
        let mut connection = TcpStream::connect(self.address).await?;
        connection.write_all(line).await?;
        let (mut answer, at_most) = (String::new(), connection.take(100));
        BufReader::new(at_most).read_line(&mut answer).await?;
        Ok(answer)
    }
}

/// No other delivery would arrive now either: the whole sink pauses.
fn failed(error: io::Error) -> DeliveryError {
    DeliveryError::Retry { reason: error.to_string(), after: None, pause: true }
}

fn main() -> ExitCode {
    reelhook::cli::run_with(vec![Kind::of::<LinesSink>()])
}
