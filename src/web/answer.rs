//! The body of an answer that reelhook asked for: read as far as it may go. A server that is not ours must not fill the memory.

use reqwest::Response;

/// Why a body was not read.
#[derive(Debug)]
pub enum Unread {
    /// The connection failed. The error tells no address: it may hold a secret.
    Failed(reqwest::Error),
    /// It has more bytes than it may have.
    TooLong,
}

/// Reads the body, of at most `max_bytes`.
///
/// # Errors
/// There is no whole body, or it is too long. What was read of it is forgotten.
pub async fn body(answer: &mut Response, max_bytes: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| Unread::Failed(error.without_url()))? {
        if body.len() + piece.len() > max_bytes {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
