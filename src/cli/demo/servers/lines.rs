//! A file to which lines are added.

use std::io::ErrorKind;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{PAUSE, Tell};

/// Tells each line of a file, also of one that is not there yet, for ever.
///
/// # Errors
/// It cannot be read.
pub(super) async fn follow(path: &Path, tell: &Tell<'_>) -> anyhow::Result<()> {
    let mut file = loop {
        match File::open(path).await {
            Ok(file) => break BufReader::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    };
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        let n_read = file.read_until(b'\n', &mut line).await?;
        if line.ends_with(b"\n") {
            number += 1;
            tell(&format!("line {number}"), &line);
            line.clear();
        } else if n_read == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
