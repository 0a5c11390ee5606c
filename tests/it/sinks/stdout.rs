//! The `stdout` sink.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use reelhook::sinks::stdout::StdoutSink;
use reelhook::sinks::{Context, Sink};

use super::samples::{build, delivery, retried, table};
use crate::process::wait_until;

/// A sink that writes to a pipe.
fn sink_to(pipe: std::io::PipeWriter) -> StdoutSink {
    let file = OwnedFd::from(pipe).into();
    table("").read("sinks.crm", |section| Some(StdoutSink::to(file, section, &Context::default()))).unwrap().0
}

/// Waits until a pipe has no reader: a process that another test starts has a copy of it until its program runs.
pub fn until_nobody_reads(mut pipe: &std::io::PipeWriter) {
    wait_until("nobody reads the pipe", || pipe.write(b"\n").is_err());
}

#[tokio::test]
async fn a_broken_pipe_is_a_retry_and_pauses_the_sink() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (sink, other_end) = (sink_to(writer.try_clone().unwrap()), writer);
    drop(reader);
    until_nobody_reads(&other_end);
    let (reason, pause, _) = retried(sink.deliver(&delivery(1)).await);
    assert!(reason.contains("standard output") && pause, "{reason}");
}

#[tokio::test]
async fn a_line_that_was_cut_off_stays_alone() {
    // A full pipe that does not block takes the beginning of a line and then fails.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    while let Ok(n) = writer.write(&[b' '; 100]) {
        filled += n;
    }
    let mut room = vec![0; 4096 * 2];
    reader.read_exact(&mut room).unwrap();
    let sink = sink_to(writer);
    let deliveries: Vec<_> = (0..100).map(delivery).collect();
    let results = sink.deliver_batch(&deliveries.iter().collect::<Vec<_>>()).await;
    assert!(results.iter().all(Result::is_err));

    let mut before = vec![0; filled - room.len()];
    reader.read_exact(&mut before).unwrap();
    sink.deliver(&delivery(200)).await.unwrap();
    drop(sink);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let lines: Vec<&str> = text.trim_start_matches(' ').lines().collect();
    let (last, others) = lines.split_last().unwrap();
    assert!(last.contains("op-200") && serde_json::from_str::<serde_json::Value>(last).is_ok());
    let torn = others.iter().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
    assert!(torn <= 1 && !others.is_empty(), "{torn} of {}", lines.len());
}

#[tokio::test]
async fn the_process_s_own_output_is_open() {
    let sink = build("stdout", "").unwrap();
    sink.probe().await.unwrap();
}
